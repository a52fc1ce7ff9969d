"""Cost and delay of polling, simulated with the code and the state machine definition of the product."""

import json
from pathlib import Path

import pytest

from benchmarks.polling.contest import Found, contest
from benchmarks.polling.page import tables, targets
from benchmarks.polling.product import DEFINITION
from tests.infra import history

DOCS = Path(__file__).parents[2] / "docs"
EVENTS_OF_A_POLL, EVENTS_OF_A_ROUND, EVENTS_OF_A_STORE = 9, 11, 9
"""Events without retries. A history may have 25,000 events."""


@pytest.fixture(scope="module")
def found() -> Found:
    return contest()


def test_the_targets_of_polling_are_met(found: Found) -> None:
    missed = [
        f"exports of {each.what}: {each.found_shown}, target {each.most_shown}"
        for each in targets(found)
        if not each.met
    ]

    assert not missed


def test_the_docs_have_the_results_of_the_simulation(found: Found) -> None:
    stored = json.loads((DOCS / "benchmarks" / "polling.json").read_text("utf-8"))
    page = (DOCS / "polling.md").read_text("utf-8")

    assert stored == found, "make bench-polling writes docs/benchmarks/polling.json and docs/polling.md"
    assert tables(found) in page, "make bench-polling writes the tables of docs/polling.md"


def test_events_of_a_poll_do_not_grow() -> None:
    batch = json.loads(DEFINITION.read_text("utf-8"))["States"]["Settle each batch"]["ItemProcessor"]
    states = batch["States"]
    storing, polling = (history.of_path(path, states) for path in history.rounds(batch))

    assert polling <= 1.1 * EVENTS_OF_A_POLL
    assert storing <= 1.1 * EVENTS_OF_A_ROUND
    assert history.of_item(states["Store each export"]) <= 1.1 * EVENTS_OF_A_STORE
