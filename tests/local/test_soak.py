"""Campaigns against the deployed stack: runs at once, kills, a service in trouble. ``make soak`` makes them long."""

import os
import random
from collections import Counter

import pytest

from local.stack.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.trouble import killing, open_uploads, run_until_stored, stored_whole

pytestmark = pytest.mark.alone

SOAK = bool(os.environ.get("SOAK"))
SEED = int(os.environ.get("SEED", "11"))
RUNS, EXPORTS, ROUNDS = (10, 20, 10) if SOAK else (4, 5, 1)
KILLS = 4
"""Of a round. With one worker, the local AWS lets go of all its function's: each kill ends many calls at once."""
FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
TROUBLE = ("ThrottlingException", "ServerInternalErrorException", "SlowDown")


def told_of(events: Inbox) -> list[tuple[str, str]]:
    """Each event so far: the export, where it is of one, and the event's kind."""
    return [(event["detail"]["data"].get("exportId", ""), event["detail-type"]) for event in events.all()]


def test_fault_26_many_runs_at_once_store_each_export_once(
    stack: Stack, service: Service, events: Inbox, tell: PrintLive
) -> None:
    ids = service.has_many(EXPORTS, kind="agent", in_progress_seconds=2)

    arns = [stack.start({"exportIds": ids}) for _ in range(RUNS)]
    counts = [stack.ended(arn).counts for arn in arns]

    downloads = {export_id: service.sent(export_id) for export_id in ids}
    sizes = {export_id: stack.manifest(export_id)["raw"]["bytes"] for export_id in ids}
    announced = Counter(kind for export_id, kind in told_of(events) if export_id in ids)
    keys = [key for export_id in ids for key in stack.keys_of(export_id) if not key.startswith("work/")]
    tell(
        f"{RUNS} runs at once for {EXPORTS} exports: {announced['Export Stored']} events, {len(keys)} objects, "
        f"at most {max(downloads[each] / sizes[each] for each in ids):.2f} downloads of any"
    )
    assert counts == [{"STORED": EXPORTS}] * RUNS
    assert announced == {"Export Stored": EXPORTS}
    assert all(downloads[export_id] <= 2 * sizes[export_id] for export_id in ids)
    assert [key for key in keys if stack.versions(key) != 1] == []
    assert {(stack.row(export_id) or {})["status"] for export_id in ids} == {"STORED"}
    assert all(stored_whole(stack, service, export_id) for export_id in ids)


def test_fault_23_24_kills_of_any_function_lose_nothing(
    aws: LocalAws, stack: Stack, service: Service, events: Inbox, tell: PrintLive
) -> None:
    draw = random.Random(SEED)
    functions = [stack.function(name) for name in FUNCTIONS]
    large = EXPORTS // 5
    for number in range(ROUNDS):
        ids = service.has_many(EXPORTS - large, kind="agent", min_bytes=1_000_000)
        ids += service.has_many(large, kind="agent", min_bytes=10_000_000, compression="stored")

        with killing(aws, functions, KILLS, draw) as killed:
            runs = run_until_stored(stack, ids)

        told = [(export_id, kind) for export_id, kind in told_of(events) if export_id in ids]
        kinds = Counter(kind for _, kind in told)
        tell(f"round {number + 1}, seed {SEED}: {len(killed)} kills, {runs} runs, {EXPORTS} exports, {dict(kinds)}")
        assert killed
        assert {export_id for export_id, kind in told if kind == "Export Stored"} == {*ids}
        assert kinds.keys() <= {"Export Stored", "Export Not Stored"}
        assert all(stored_whole(stack, service, export_id) for export_id in ids)
        assert open_uploads(stack) == []
        assert {stack.row(export_id)["status"] for export_id in ids} == {"STORED"}  # type: ignore[index]


def test_fault_09_15_16_a_service_in_trouble_costs_time_and_nothing_else(
    stack: Stack, service: Service, tell: PrintLive
) -> None:
    """Of its calls, 15 % are throttled and as many fail; of downloads, 30 % are told to slow down."""
    ids = service.has_many(EXPORTS, kind="agent", in_progress_seconds=2)
    before = service.double.counts()

    with service.behaving(throttle_rate=0.15, error_rate=0.15, busy_rate=0.3, fault_seed=SEED):
        run = stack.run(exportIds=ids)

    after = service.double.counts()
    calls = after["calls"]["DescribeExportTasks"] - before["calls"].get("DescribeExportTasks", 0)
    met = {code: after["errors"].get(code, 0) - before["errors"].get(code, 0) for code in TROUBLE}
    tell(f"seed {SEED}: {calls} calls and {service.gets(*ids)} downloads met {met}; {EXPORTS} exports {run.counts}")
    assert all(met.values()) if SOAK else any(met.values())
    assert run.counts == {"STORED": EXPORTS}
    assert all(stored_whole(stack, service, export_id) for export_id in ids)
