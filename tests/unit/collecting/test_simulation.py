"""The simulation of collecting: its page is that of its figures, and no simulated account saw a limit exceeded."""

import json
from pathlib import Path

from benchmarks.collecting.__main__ import page, picture
from benchmarks.collecting.scenarios import SCENARIOS
from benchmarks.collecting.simulation import Result

DOCS = Path(__file__).parents[3] / "docs"
RESULTS = [
    Result(**each) for each in json.loads((DOCS / "benchmarks" / "collecting.json").read_text("utf-8"))["results"]
]


def test_the_page_and_the_picture_show_the_figures() -> None:
    assert page(RESULTS) in (DOCS / "collecting.md").read_text("utf-8")
    assert picture(RESULTS) == (DOCS / "benchmarks" / "collecting.svg").read_text("utf-8")
    assert [result.name for result in RESULTS] == [scenario.name for scenario in SCENARIOS]


def test_no_range_was_started_twice_and_no_limit_exceeded() -> None:
    for result, scenario in zip(RESULTS, SCENARIOS, strict=True):
        assert result.started_twice == 0
        assert result.most_at_once <= 5
        assert result.most_in_24_hours <= (scenario.max_starts_per_day or result.most_in_24_hours)
        assert result.runs_handed_over >= result.starts
