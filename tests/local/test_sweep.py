"""A run without ids or filters, for all exports of the service that are not settled in the catalog."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.stack.aws import LocalAws
from tests.local.commands import run_command
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Stack

pytestmark = pytest.mark.alone

YEARS = 1_000 * 86_400


@contextmanager
def planning_with(aws: LocalAws, stack: Stack, **variables: str) -> Iterator[None]:
    """Add environment variables to the function PlanRun during the block, as settings of the stack do."""
    functions: Any = aws.client("lambda")
    name = stack.function("PlanRun")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**before["Variables"], **variables}}
    )
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=before)


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


def test_the_command_starts_a_sweep(aws: LocalAws, service: Service) -> None:
    """Here and not with the other tests of the command, some of which run beside tests that count downloads.

    The exit code is not compared: the sweep also stores the exports of other tests, some of which fail.
    """
    export_id = service.has(kind="agent")

    rows = json.loads(run_command(aws, "discovery-exports", "store", "--all", "--wait").stdout)

    assert {row["exportId"]: row["outcome"] for row in rows}[export_id] == "STORED"


def test_a_sweep_that_finds_nothing_new_does_nothing(stack: Stack, service: Service) -> None:
    stack.run()
    gets = service.gets()

    sweep = stack.run()

    assert (sweep.status, sweep.output["requested"], sweep.output["counts"]) == ("SUCCEEDED", 0, {})
    assert service.gets() == gets


def test_a_sweep_with_a_maximum_age_skips_older_exports_without_messages(
    aws: LocalAws, stack: Stack, service: Service, events: Inbox, messages: Inbox
) -> None:
    stack.run()
    old = service.has_many(120, outcome="FAILED", age_seconds=YEARS)
    old_stored, new = service.has(kind="agent", age_seconds=YEARS), service.has(outcome="FAILED")

    with planning_with(aws, stack, SWEEP_MAX_AGE_DAYS="30"):
        recent = stack.run()
    messages_then = message_counts(messages)
    everything = stack.run()
    messages_now = message_counts(messages)

    assert (recent.output["requested"], recent.output["counts"]) == (1, {"FAILED": 1})
    assert messages_then[new] == 1
    assert not messages_then.keys() & {*old, old_stored}, "no message about an export that a sweep skips"
    assert everything.output["counts"] == {"FAILED": 120, "STORED": 1}
    assert [messages_now[export_id] for export_id in old] == [1] * 120, "otherwise one message each"


def message_counts(messages: Inbox) -> Counter[str]:
    """The number of messages so far, by export."""
    return Counter(export_id for message in messages.all() if (export_id := message["detail"]["data"].get("exportId")))


def test_a_sweep_skips_a_rejected_export(stack: Stack, service: Service) -> None:
    export_id = service.has(download_url="http://exports.example/")
    stack.run(exportIds=[export_id])
    service.set_scenario(export_id)

    sweep = stack.run()

    assert export_id not in [export["exportId"] for export in sweep.output["exports"]]
    assert (stack.row(export_id) or {})["status"] == "REJECTED"


def test_a_sweep_reports_failures_and_fails_only_on_request(stack: Stack, service: Service) -> None:
    first = service.has(outcome="FAILED")
    reporting = stack.run()
    second = service.has(outcome="FAILED")
    failing = stack.run(onFailure="fail")

    assert (reporting.status, reporting.outcome(first)) == ("SUCCEEDED", "FAILED")
    assert (failing.status, failing.error, failing.outcome(second)) == ("FAILED", "ExportsNotStored", "FAILED")


def test_fault_26_sweeps_and_concurrent_runs_by_id_store_each_export_once(
    stack: Stack, service: Service, events: Inbox
) -> None:
    stack.run()
    ids = service.has_many(5, kind="agent", in_progress_seconds=3)

    sweeps = [stack.start({}) for _ in range(3)]
    by_id = [stack.start({"exportIds": [export_id], "onFailure": "report"}) for export_id in ids[:2]]
    runs = [stack.ended(arn) for arn in (*sweeps, *by_id)]

    # A sweep that begins late on a busy machine leaves out what is settled by then.
    assert all(set(run.counts) <= {"STORED"} for run in runs)
    assert [len(events.of(export_id)) for export_id in ids] == [1] * 5
    assert service.gets(*ids) == 5
    assert [stack.versions(f"manifests/{export_id}.json") for export_id in ids] == [1] * 5
