"""What waiting costs and how late it notices, simulated with the product's own code and definition."""

import json
from pathlib import Path

import pytest

from benchmarks.polling.contest import Found, contest
from benchmarks.polling.page import tables, targets
from benchmarks.polling.product import DEFINITION
from tests.infra import history

DOCS = Path(__file__).parents[2] / "docs"
EVENTS_OF_A_LOOK, EVENTS_OF_A_ROUND, EVENTS_OF_A_STORE = 15, 17, 15
"""With every try used up; in a history that may have 25,000."""


@pytest.fixture(scope="module")
def found() -> Found:
    return contest()


def test_the_targets_of_waiting_are_met(found: Found) -> None:
    missed = [
        f"exports of {each.what}: {each.found_shown}, target {each.most_shown}"
        for each in targets(found)
        if not each.met
    ]

    assert not missed


def test_the_docs_have_what_the_simulation_finds(found: Found) -> None:
    kept = json.loads((DOCS / "benchmarks" / "polling.json").read_text("utf-8"))
    page = (DOCS / "polling.md").read_text("utf-8")

    assert kept == found, "make bench-polling writes docs/benchmarks/polling.json and docs/polling.md anew"
    assert tables(found) in page, "make bench-polling writes the tables of docs/polling.md anew"


def test_events_of_a_look_do_not_grow() -> None:
    batch = json.loads(DEFINITION.read_text("utf-8"))["States"]["Settle each batch"]["ItemProcessor"]
    states = batch["States"]
    storing, looking = (history.of_path(path, states) for path in history.rounds(batch))

    assert looking <= 1.1 * EVENTS_OF_A_LOOK
    assert storing <= 1.1 * EVENTS_OF_A_ROUND
    assert history.of_item(states["Store each export"]) <= 1.1 * EVENTS_OF_A_STORE
