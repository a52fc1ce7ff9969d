"""Runs that reach their deadline. The shortest deadline is one minute, which the runs wait for together."""

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
    """A sweep and a run by id whose deadlines passed, the state right after, and the next run and the next sweep.

    ``timed_out`` was TIMED_OUT and ``not_stored`` was NOT_STORED when the next sweep began. ``shared`` was in progress
    for a ``longer`` run, too, which ended last.
    """

    sweep: Run
    swept: str
    sweep_stored: str
    run: Run
    waited_for: str
    url_refused: str
    stored: str
    shared: str
    longer: Run
    rows: Mapping[str, Mapping[str, Any]]
    announced: Mapping[str, Sequence[str]]
    published: Mapping[str, Sequence[Mapping[str, Any]]]
    later: Run
    timed_out: str
    not_stored: str
    next_sweep: Run


@pytest.fixture(scope="module")
def overdue(stack: Stack, service: Service, events: Inbox, messages: Inbox) -> Overdue:
    with service.with_unfinished(WHILE_WAITING) as (swept,):
        sweep_stored = service.has(kind="agent")
        sweep = stack.start({"deadlineMinutes": 1})
        until(lambda: settled(stack, sweep_stored) and stack.row(swept), what="the sweep's first poll")

        late = service.with_unfinished(WHILE_WAITING, WHILE_WAITING, WHILE_WAITING, {"refused_gets": 1_000_000})
        with late as (waited_for, timed_out, shared, url_refused):
            stored = service.has(kind="agent")
            asked = [waited_for, url_refused, timed_out, stored, shared]
            longer = stack.start({"exportIds": [shared]})
            until(lambda: stack.row(shared), what="the first poll of the longer run")
            run = stack.start({"exportIds": asked, "deadlineMinutes": 1})
            ended = [stack.ended(arn) for arn in (sweep, run)]
            rows = {export_id: stack.row(export_id) or {} for export_id in (swept, *asked)}
            announced = {export_id: [event["detail-type"] for event in events.of(export_id)] for export_id in rows}
            published = {export_id: messages.of(export_id) for export_id in rows}

    longer_run = stack.ended(longer)
    later = stack.run(exportIds=[swept, waited_for, url_refused])
    not_stored = service.has(kind="agent")
    with service.with_settings(home_region="eu-central-1"):
        stack.run(exportIds=[not_stored])
    rows |= {export_id: stack.row(export_id) or {} for export_id in (timed_out, not_stored)}
    next_sweep = stack.run()
    return Overdue(
        sweep=ended[0],
        swept=swept,
        sweep_stored=sweep_stored,
        run=ended[1],
        waited_for=waited_for,
        url_refused=url_refused,
        stored=stored,
        shared=shared,
        longer=longer_run,
        rows=rows,
        announced=announced,
        published=published,
        later=later,
        timed_out=timed_out,
        not_stored=not_stored,
        next_sweep=next_sweep,
    )


def settled(stack: Stack, export_id: str) -> bool:
    return "settledAt" in (stack.row(export_id) or {})


def test_fault_20_an_export_in_progress_at_the_deadline_is_timed_out(overdue: Overdue) -> None:
    assert overdue.run.outcome(overdue.waited_for) == "TIMED_OUT"
    assert overdue.rows[overdue.waited_for]["status"] == "TIMED_OUT"
    assert overdue.announced[overdue.waited_for] == ["Export Timed Out"]


def test_an_export_that_is_still_being_stored_at_the_deadline_is_timed_out(overdue: Overdue) -> None:
    assert overdue.run.outcome(overdue.url_refused) == "TIMED_OUT"
    assert overdue.rows[overdue.url_refused]["status"] == "TIMED_OUT"
    assert overdue.run.reason(overdue.url_refused) == "the download URL is no longer valid (403 ExpiredToken)"
    assert overdue.announced[overdue.url_refused] == ["Export Timed Out"]


def test_a_timed_out_export_is_published_with_the_status_of_the_service(overdue: Overdue) -> None:
    (message,) = overdue.published[overdue.waited_for]

    assert message["detail-type"] == "Export Timed Out"
    assert message["detail"] == {
        "version": "1",
        "metadata": {"runId": overdue.run.name, "correlationId": None, "account": ACCOUNT, "region": REGION},
        "data": {"exportId": overdue.waited_for, "outcome": "TIMED_OUT", "statusMessage": "IN_PROGRESS"},
    }
    assert overdue.published[overdue.swept] == []


def test_a_run_that_timed_out_fails_and_has_stored_the_finished_exports(stack: Stack, overdue: Overdue) -> None:
    assert (overdue.run.status, overdue.run.error) == ("FAILED", "ExportsNotStored")
    assert json.loads(overdue.run.cause or "")["counts"] == {"TIMED_OUT": 4, "STORED": 1}
    assert stack.manifest(overdue.stored)


def test_attack_05_an_export_that_a_longer_run_waits_for_is_timed_out_in_the_report_only(overdue: Overdue) -> None:
    assert overdue.run.outcome(overdue.shared) == "TIMED_OUT"
    assert (overdue.rows[overdue.shared]["status"], overdue.rows[overdue.shared]["runId"]) == (
        "IN_PROGRESS",
        overdue.longer.name,
    )
    assert (overdue.announced[overdue.shared], overdue.published[overdue.shared]) == ([], [])
    assert overdue.longer.counts == {"STORED": 1}


def test_a_sweep_reports_exports_in_progress_and_publishes_nothing(overdue: Overdue) -> None:
    assert overdue.sweep.status == "SUCCEEDED"
    assert overdue.sweep.outcome(overdue.swept) == "TIMED_OUT"
    assert overdue.sweep.outcome(overdue.sweep_stored) == "STORED"
    assert overdue.rows[overdue.swept]["status"] == "IN_PROGRESS"
    assert overdue.announced[overdue.swept] == []


def test_a_later_run_stores_timed_out_exports(overdue: Overdue) -> None:
    assert overdue.later.counts == {"STORED": 3}


def test_the_next_sweep_stores_exports_that_timed_out_or_were_not_stored(overdue: Overdue) -> None:
    late = (overdue.timed_out, overdue.not_stored)
    assert [overdue.rows[export_id]["status"] for export_id in late] == ["TIMED_OUT", "NOT_STORED"]
    assert [overdue.next_sweep.outcome(export_id) for export_id in late] == ["STORED", "STORED"]
