"""What waiting costs, by the product's own code and definition: no change may make it grow by more than a tenth."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.polling.contest import OURS, crowd
from benchmarks.polling.page import LARGE
from benchmarks.polling.product import DEFINITION
from tests.infra import history

KEPT = Path(__file__).parents[2] / "docs" / "benchmarks" / "polling.json"
EVENTS_OF_A_LOOK, EVENTS_OF_A_ROUND, EVENTS_OF_A_STORE = 15, 17, 15
"""With every try used up; in a history that may have 25,000."""


@pytest.fixture(scope="module")
def kept() -> Any:
    return json.loads(KEPT.read_text("utf-8"))


@pytest.fixture(scope="module")
def found() -> Any:
    return crowd(10_000, 1)


def test_the_price_of_ten_thousand_exports_does_not_grow(kept: Any, found: Any) -> None:
    was, now = kept[LARGE][OURS], found[OURS]

    for name in ("transitions", "looks", "describes", "price", "mean_delay", "p95_delay"):
        assert now[name] <= 1.1 * was[name], name


def test_the_targets_of_waiting_are_met(found: Any) -> None:
    ours, each = found[OURS], found["an execution each, 60 s waits"]

    assert each["transitions"] >= 12 * ours["transitions"]
    assert each["describes"] >= 50 * ours["describes"]
    assert (ours["mean_delay"] <= 45, ours["p95_delay"] <= 120) == (True, True)


def test_the_page_shows_what_is_kept(kept: Any) -> None:
    page = (KEPT.parents[1] / "polling.md").read_text("utf-8")

    for ways in kept.values():
        for way in ways.values():
            assert f"| {way['transitions']:,} | {way['transitions_price']:.4f} |" in page


def test_events_of_a_look_do_not_grow() -> None:
    batch = json.loads(DEFINITION.read_text("utf-8"))["States"]["Settle each batch"]["ItemProcessor"]
    states = batch["States"]
    storing, looking = (history.of_path(path, states) for path in history.rounds(batch))

    assert looking <= 1.1 * EVENTS_OF_A_LOOK
    assert storing <= 1.1 * EVENTS_OF_A_ROUND
    assert history.of_item(states["Store each export"]) <= 1.1 * EVENTS_OF_A_STORE
