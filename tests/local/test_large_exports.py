"""Large exports on the local AWS: stored by several invocations, and despite kills."""

import json
import os
import random
import signal
from typing import Any

import pytest

from exports.s3.multipart import WORKERS, part_size_for
from exports.storing.pipeline import SHUTDOWN_MARGIN
from local.stack.aws import LocalAws
from tests.local.kills import is_intact, killed_workers, open_uploads, run_until_stored, store_export_with, workers_of
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone
MB = 1_000_000
KILLS = int(os.environ.get("KILLS", "4"))
"""More for a soak: ``KILLS=20``."""
MEGABYTES = 20 if KILLS > 4 else 10
"""The size of each export in tests with kills; a file of 10 MB is uploaded in parts as well."""
MARGIN_SECONDS = int(SHUTDOWN_MARGIN.total_seconds())


def store_invocations(stack: Stack, export_id: str) -> list[dict[str, Any]]:
    """The last log line of each finished invocation for the export."""
    lines = (json.loads(message) for _, message in stack.log_lines() if "store export finished" in message)
    return [line for line in lines if line["export_id"] == export_id and "progress" in line]


def large_export(service: Service, megabytes: int) -> str:
    return service.has(kind="agent", min_bytes=megabytes * MB, compression="stored")


def test_several_invocations_store_an_export_completely(aws: LocalAws, stack: Stack, service: Service) -> None:
    export_id = large_export(service, 60)

    with store_export_with(aws, stack, STORE_BUDGET_SECONDS="2"):
        run = stack.run(exportIds=[export_id])

    raw = stack.manifest(export_id)["raw"]["bytes"]
    again = service.sent(export_id) - raw
    assert run.outcome(export_id) == "STORED"
    invocations = len(store_invocations(stack, export_id))
    assert invocations >= 2
    assert {stack.versions(file["key"]) for file in stack.manifest(export_id)["files"]} == {1}
    in_flight = WORKERS * part_size_for(raw)
    assert again <= (invocations - 1) * in_flight, f"{again} of {raw} bytes downloaded twice, {invocations} invocations"
    assert is_intact(stack, service, export_id)
    assert open_uploads(stack) == []


def test_fault_23_24_every_export_is_stored_completely_despite_kills_at_random_moments(
    aws: LocalAws, stack: Stack, service: Service, print_live: PrintLive
) -> None:
    ids: list[str] = []
    with (
        store_export_with(aws, stack, STORE_BUDGET_SECONDS="2"),
        killed_workers(aws, [stack.function("StoreExport")], KILLS, random.Random(7)) as killed,
    ):
        runs = 0
        while len(killed) < KILLS:
            four = [large_export(service, MEGABYTES) for _ in range(4)]
            runs += run_until_stored(stack, four)
            ids += four

    assert all(is_intact(stack, service, export_id) for export_id in ids)
    assert open_uploads(stack) == []
    raw = sum(stack.manifest(export_id)["raw"]["bytes"] for export_id in ids)
    again = sum(service.sent(export_id) for export_id in ids) - 2 * raw
    print_live(f"{len(killed)} kills, {len(ids)} exports, {runs} runs: {again:,} of {raw:,} bytes downloaded twice")
    assert again <= len(killed) * WORKERS * part_size_for(raw // len(ids))


def test_fault_29_the_next_run_resumes_after_an_invocation_that_hung_until_its_timeout(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    function = stack.function("StoreExport")
    functions: Any = aws.client("lambda")
    before = functions.get_function_configuration(FunctionName=function)["Timeout"]
    export_id = large_export(service, 40)

    functions.update_function_configuration(FunctionName=function, Timeout=MARGIN_SECONDS + 5)
    try:
        arn = stack.start({"exportIds": [export_id], "onFailure": "report"})
        until(lambda: service.gets(export_id) > 0, what="the download")
        for worker in workers_of(aws, function):
            os.kill(worker, signal.SIGSTOP)
        hung = stack.ended(arn)
    finally:
        functions.update_function_configuration(FunctionName=function, Timeout=before)
    run = stack.run(exportIds=[export_id])

    assert (hung.outcome(export_id), hung.reason(export_id)) == ("NOT_STORED", "Sandbox.Timedout")
    assert run.counts == {"STORED": 1}
    assert is_intact(stack, service, export_id)
    assert open_uploads(stack) == []
