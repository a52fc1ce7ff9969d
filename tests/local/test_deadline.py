"""Runs that stop waiting. The shortest deadline is a minute, which all of them spend together, beside other tests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Run, Stack
from tests.local.turns import Turns
from tests.local.waiting import until

WHILE_WAITING = {"in_progress_seconds": 1_000_000}


@dataclass(frozen=True)
class Overdue:
    """A sweep and a run by id whose deadlines have passed. What was in progress then still is."""

    sweep: Run
    swept: str
    sweep_stored: str
    run: Run
    waited_for: str
    never_opens: str
    stored: str


@pytest.fixture(scope="module")
def overdue(stack: Stack, service: Service, turns: Turns, events: Inbox) -> Iterator[Overdue]:
    """The sweep takes everything up that is there, so it begins alone; then both wait beside others."""
    with turns.alone() as turn:
        swept, sweep_stored = service.has(**WHILE_WAITING), service.has(kind="agent")
        sweep = stack.start({"deadlineMinutes": 1})
        until(lambda: settled(stack, sweep_stored) and stack.row(swept), seconds=60, what="the sweep's first look")
        turn.let_others_in()

        waited_for, stored = service.has(**WHILE_WAITING), service.has(kind="agent")
        never_opens = service.has(refused_gets=1_000_000)
        run = stack.start({"exportIds": [waited_for, never_opens, stored], "deadlineMinutes": 1})
        ended = [stack.ended(arn, seconds=120) for arn in (sweep, run)]
        yield Overdue(ended[0], swept, sweep_stored, ended[1], waited_for, never_opens, stored)
        # No sweep of another test may have to wait for what is still in progress.
        for export_id in (swept, waited_for, never_opens):
            service.now_plays(export_id)


def settled(stack: Stack, export_id: str) -> bool:
    return "settledAt" in (stack.row(export_id) or {})


def test_what_is_in_progress_at_the_deadline_has_timed_out(stack: Stack, overdue: Overdue, events: Inbox) -> None:
    (event,) = events.of(overdue.waited_for)

    assert overdue.run.outcome(overdue.waited_for) == "TIMED_OUT"
    assert (stack.row(overdue.waited_for) or {})["status"] == "TIMED_OUT"
    assert event["detail-type"] == "Export Timed Out"


def test_what_is_still_being_stored_at_the_deadline_has_timed_out(overdue: Overdue) -> None:
    assert overdue.run.outcome(overdue.never_opens) == "TIMED_OUT"


def test_a_run_that_timed_out_fails_after_storing_what_it_could(stack: Stack, overdue: Overdue) -> None:
    assert (overdue.run.status, overdue.run.error) == ("FAILED", "ExportsNotStored")
    assert json.loads(overdue.run.cause or "")["counts"] == {"TIMED_OUT": 2, "STORED": 1}
    assert stack.manifest(overdue.stored)


def test_a_sweep_reports_what_is_in_progress_and_announces_nothing(
    stack: Stack, overdue: Overdue, events: Inbox
) -> None:
    assert overdue.sweep.status == "SUCCEEDED"
    assert overdue.sweep.outcome(overdue.swept) == "TIMED_OUT"
    assert overdue.sweep.outcome(overdue.sweep_stored) == "STORED"
    assert events.of(overdue.swept) == []
    assert (stack.row(overdue.swept) or {})["status"] == "IN_PROGRESS"


def test_a_later_run_takes_up_what_timed_out(stack: Stack, service: Service, overdue: Overdue) -> None:
    taken_up = [overdue.waited_for, overdue.never_opens, overdue.swept]
    for export_id in taken_up:
        service.now_plays(export_id)

    run = stack.run(exportIds=taken_up)

    assert run.counts == {"STORED": 3}
