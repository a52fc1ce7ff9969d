"""Long tests of the deployed stack: concurrent runs, kills, errors of the service. ``make soak`` extends them."""

import os
import random
from collections import Counter

import pytest

from local.stack.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.kills import is_intact, killed_workers, open_uploads, run_until_stored
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.stack import Stack

pytestmark = pytest.mark.alone

SOAK = bool(os.environ.get("SOAK"))
SEED = int(os.environ.get("SEED", "11"))
RUNS, EXPORTS, ROUNDS = (10, 20, 10) if SOAK else (4, 5, 1)
KILLS = 4
"""Per round. The local AWS drops all workers of a function with the killed one: a kill ends many invocations."""
FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
ERRORS = ("ThrottlingException", "ServerInternalErrorException", "SlowDown")


def event_types(events: Inbox) -> list[tuple[str, str]]:
    """Export id, empty if there is none, and detail type of each event so far."""
    return [(event["detail"]["data"].get("exportId", ""), event["detail-type"]) for event in events.all()]


def test_fault_26_many_concurrent_runs_store_each_export_once(
    stack: Stack, service: Service, events: Inbox, print_live: PrintLive
) -> None:
    ids = service.has_many(EXPORTS, kind="agent", in_progress_seconds=2)

    arns = [stack.start({"exportIds": ids}) for _ in range(RUNS)]
    counts = [stack.ended(arn).counts for arn in arns]

    downloads = {export_id: service.sent(export_id) for export_id in ids}
    sizes = {export_id: stack.manifest(export_id)["raw"]["bytes"] for export_id in ids}
    events_by_type = Counter(kind for export_id, kind in event_types(events) if export_id in ids)
    keys = [key for export_id in ids for key in stack.keys_of(export_id) if not key.startswith("work/")]
    print_live(
        f"{RUNS} concurrent runs for {EXPORTS} exports: {events_by_type['Export Stored']} events, {len(keys)} objects, "
        f"at most {max(downloads[each] / sizes[each] for each in ids):.2f} downloads of any"
    )
    assert counts == [{"STORED": EXPORTS}] * RUNS
    assert events_by_type == {"Export Stored": EXPORTS}
    assert all(downloads[export_id] <= 2 * sizes[export_id] for export_id in ids)
    assert [key for key in keys if stack.versions(key) != 1] == []
    assert {(stack.row(export_id) or {})["status"] for export_id in ids} == {"STORED"}
    assert all(is_intact(stack, service, export_id) for export_id in ids)


def test_fault_23_24_kills_of_any_function_lose_no_export(
    aws: LocalAws, stack: Stack, service: Service, events: Inbox, print_live: PrintLive
) -> None:
    randomness = random.Random(SEED)
    functions = [stack.function(name) for name in FUNCTIONS]
    large = EXPORTS // 5
    for number in range(1, ROUNDS + 1):
        ids = service.has_many(EXPORTS - large, kind="agent", min_bytes=1_000_000)
        ids += service.has_many(large, kind="agent", min_bytes=10_000_000, compression="stored")

        with killed_workers(aws, functions, KILLS, randomness) as killed:
            runs = run_until_stored(stack, ids)

        published = [(export_id, kind) for export_id, kind in event_types(events) if export_id in ids]
        kinds = Counter(kind for _, kind in published)
        print_live(f"round {number}, seed {SEED}: {len(killed)} kills, {runs} runs, {EXPORTS} exports, {dict(kinds)}")
        assert killed
        assert {export_id for export_id, kind in published if kind == "Export Stored"} == {*ids}
        assert kinds.keys() <= {"Export Stored", "Export Not Stored"}
        assert all(is_intact(stack, service, export_id) for export_id in ids)
        assert open_uploads(stack) == []
        assert {stack.row(export_id)["status"] for export_id in ids} == {"STORED"}  # type: ignore[index]


def test_fault_09_15_16_errors_of_the_service_cost_only_time(
    stack: Stack, service: Service, print_live: PrintLive
) -> None:
    """Of all calls, 15 % are throttled and 15 % fail; 30 % of the downloads get SlowDown."""
    ids = service.has_many(EXPORTS, kind="agent", in_progress_seconds=2)
    before = service.double.counts()

    with service.with_settings(throttle_rate=0.15, error_rate=0.15, busy_rate=0.3, fault_seed=SEED):
        run = stack.run(exportIds=ids)

    after = service.double.counts()
    calls = after["calls"]["DescribeExportTasks"] - before["calls"].get("DescribeExportTasks", 0)
    errors = {code: after["errors"].get(code, 0) - before["errors"].get(code, 0) for code in ERRORS}
    print_live(f"seed {SEED}: {calls} calls, {service.gets(*ids)} downloads, {errors}; {EXPORTS} exports {run.counts}")
    assert all(errors.values()) if SOAK else any(errors.values())
    assert run.counts == {"STORED": EXPORTS}
    assert all(is_intact(stack, service, export_id) for export_id in ids)
