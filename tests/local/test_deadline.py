"""Runs that stop waiting. The shortest deadline is a minute, which all of them spend together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from local.stack.environment import ACCOUNT, REGION
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Run, Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone
WHILE_WAITING = {"in_progress_seconds": 1_000_000}


@dataclass(frozen=True)
class Overdue:
    """A sweep and a run by id whose deadlines passed, what was known right after, and the run and sweep that came next.

    ``left`` had timed out and ``refused`` could not be stored when the next sweep began.
    """

    sweep: Run
    swept: str
    sweep_stored: str
    run: Run
    waited_for: str
    never_opened: str
    stored: str
    rows: Mapping[str, Mapping[str, Any]]
    announced: Mapping[str, Sequence[str]]
    published: Mapping[str, Sequence[Mapping[str, Any]]]
    later: Run
    left: str
    refused: str
    next_sweep: Run


@pytest.fixture(scope="module")
def overdue(stack: Stack, service: Service, events: Inbox, messages: Inbox) -> Overdue:
    with service.never_done(WHILE_WAITING) as (swept,):
        sweep_stored = service.has(kind="agent")
        sweep = stack.start({"deadlineMinutes": 1})
        until(lambda: settled(stack, sweep_stored) and stack.row(swept), what="the sweep's first look")

        late = service.never_done(WHILE_WAITING, WHILE_WAITING, {"refused_gets": 1_000_000})
        with late as (waited_for, left, never_opened):
            stored = service.has(kind="agent")
            asked = [waited_for, never_opened, left, stored]
            run = stack.start({"exportIds": asked, "deadlineMinutes": 1})
            ended = [stack.ended(arn) for arn in (sweep, run)]
            rows = {export_id: stack.row(export_id) or {} for export_id in (swept, *asked)}
            announced = {export_id: [event["detail-type"] for event in events.of(export_id)] for export_id in rows}
            published = {export_id: messages.of(export_id) for export_id in rows}

    later = stack.run(exportIds=[swept, waited_for, never_opened])
    refused = service.has(kind="agent")
    with service.behaving(home_region="eu-central-1"):
        stack.run(exportIds=[refused])
    rows |= {export_id: stack.row(export_id) or {} for export_id in (left, refused)}
    next_sweep = stack.run()
    return Overdue(
        sweep=ended[0],
        swept=swept,
        sweep_stored=sweep_stored,
        run=ended[1],
        waited_for=waited_for,
        never_opened=never_opened,
        stored=stored,
        rows=rows,
        announced=announced,
        published=published,
        later=later,
        left=left,
        refused=refused,
        next_sweep=next_sweep,
    )


def settled(stack: Stack, export_id: str) -> bool:
    return "settledAt" in (stack.row(export_id) or {})


def test_fault_20_what_is_in_progress_at_the_deadline_has_timed_out(overdue: Overdue) -> None:
    assert overdue.run.outcome(overdue.waited_for) == "TIMED_OUT"
    assert overdue.rows[overdue.waited_for]["status"] == "TIMED_OUT"
    assert overdue.announced[overdue.waited_for] == ["Export Timed Out"]


def test_what_is_still_being_stored_at_the_deadline_has_timed_out(overdue: Overdue) -> None:
    assert overdue.run.outcome(overdue.never_opened) == "TIMED_OUT"
    assert overdue.rows[overdue.never_opened]["status"] == "TIMED_OUT"
    assert overdue.run.reason(overdue.never_opened) == "the link no longer opens (403)"
    assert overdue.announced[overdue.never_opened] == ["Export Timed Out"]


def test_what_timed_out_is_published_with_what_the_service_says(overdue: Overdue) -> None:
    (message,) = overdue.published[overdue.waited_for]

    assert message["detail-type"] == "Export Timed Out"
    assert message["detail"] == {
        "version": "1",
        "metadata": {"runId": overdue.run.name, "correlationId": None, "account": ACCOUNT, "region": REGION},
        "data": {"exportId": overdue.waited_for, "outcome": "TIMED_OUT", "statusMessage": "IN_PROGRESS"},
    }
    assert overdue.published[overdue.swept] == []


def test_a_run_that_timed_out_fails_after_storing_what_it_could(stack: Stack, overdue: Overdue) -> None:
    assert (overdue.run.status, overdue.run.error) == ("FAILED", "ExportsNotStored")
    assert json.loads(overdue.run.cause or "")["counts"] == {"TIMED_OUT": 3, "STORED": 1}
    assert stack.manifest(overdue.stored)


def test_a_sweep_reports_what_is_in_progress_and_announces_nothing(overdue: Overdue) -> None:
    assert overdue.sweep.status == "SUCCEEDED"
    assert overdue.sweep.outcome(overdue.swept) == "TIMED_OUT"
    assert overdue.sweep.outcome(overdue.sweep_stored) == "STORED"
    assert overdue.rows[overdue.swept]["status"] == "IN_PROGRESS"
    assert overdue.announced[overdue.swept] == []


def test_a_later_run_takes_up_what_timed_out(overdue: Overdue) -> None:
    assert overdue.later.counts == {"STORED": 3}


def test_the_next_sweep_takes_up_what_timed_out_and_what_could_not_be_stored(overdue: Overdue) -> None:
    late = (overdue.left, overdue.refused)
    assert [overdue.rows[export_id]["status"] for export_id in late] == ["TIMED_OUT", "NOT_STORED"]
    assert [overdue.next_sweep.outcome(export_id) for export_id in late] == ["STORED", "STORED"]
