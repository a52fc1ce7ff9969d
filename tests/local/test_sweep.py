"""A run without ids or filters: whatever the service lists and the catalog does not hold as settled."""

import pytest

from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Stack

pytestmark = pytest.mark.alone


def test_fault_39_a_sweep_stores_what_is_new_and_skips_what_is_settled(
    stack: Stack, service: Service, events: Inbox
) -> None:
    settled, failed = service.has(kind="agent"), service.has(outcome="FAILED")
    stack.run(exportIds=[settled, failed])
    gets = service.gets(settled)
    new = [service.has(kind="agent"), service.has(kind="summary", age_seconds=400 * 86_400)]

    sweep = stack.run()

    assert sweep.status == "SUCCEEDED"
    assert [sweep.outcome(export_id) for export_id in new] == ["STORED", "STORED"]
    assert {settled, failed}.isdisjoint(export["exportId"] for export in (sweep.report or {})["exports"])
    assert service.gets(settled) == gets
    assert [len(events.of(export_id)) for export_id in new] == [1, 1]


def test_a_sweep_that_finds_nothing_new_does_nothing(stack: Stack, service: Service) -> None:
    stack.run()
    gets = service.gets()

    sweep = stack.run()

    assert (sweep.status, sweep.output["requested"], sweep.output["counts"]) == ("SUCCEEDED", 0, {})
    assert service.gets() == gets


def test_a_sweep_does_not_look_at_a_rejected_export_again(stack: Stack, service: Service) -> None:
    export_id = service.has(link="http://exports.example/")
    stack.run(exportIds=[export_id])
    service.now_plays(export_id)

    sweep = stack.run()

    assert export_id not in [export["exportId"] for export in sweep.output["exports"]]
    assert (stack.row(export_id) or {})["status"] == "REJECTED"


def test_a_sweep_reports_failures_and_does_not_fail_unless_told_to(stack: Stack, service: Service) -> None:
    first = service.has(outcome="FAILED")
    reporting = stack.run()
    second = service.has(outcome="FAILED")
    failing = stack.run(onFailure="fail")

    assert (reporting.status, reporting.outcome(first)) == ("SUCCEEDED", "FAILED")
    assert (failing.status, failing.error, failing.outcome(second)) == ("FAILED", "ExportsNotStored", "FAILED")


def test_fault_26_sweeps_that_overlap_with_runs_by_id_store_each_export_once(
    stack: Stack, service: Service, events: Inbox
) -> None:
    stack.run()
    ids = service.has_many(5, kind="agent", in_progress_seconds=3)

    sweeps = [stack.start({}) for _ in range(3)]
    by_id = [stack.start({"exportIds": [export_id], "onFailure": "report"}) for export_id in ids[:2]]
    runs = [stack.ended(arn) for arn in (*sweeps, *by_id)]

    assert [run.counts for run in runs] == [{"STORED": 5}] * 3 + [{"STORED": 1}] * 2
    assert [len(events.of(export_id)) for export_id in ids] == [1] * 5
    assert service.gets(*ids) == 5
    assert [stack.versions(f"manifests/{export_id}.json") for export_id in ids] == [1] * 5
