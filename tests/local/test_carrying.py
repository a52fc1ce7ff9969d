"""Large exports on the local AWS: carried over several calls, by several Lambdas at once, and through kills."""

import hashlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exports.landing import RESERVE
from exports.uploads import part_size_for
from local.aws import LocalAws
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone
MB = 1_000_000
KILLS = int(os.environ.get("KILLS", "6"))
"""More for a soak: ``KILLS=20``."""
RESERVE_SECONDS = int(RESERVE.total_seconds())
WORKERS = 8
"""Parts that a call of storing carries at once."""


@contextmanager
def storing_with(aws: LocalAws, stack: Stack, **changes: str) -> Iterator[None]:
    """The storing function with other settings than it was deployed with, for the block."""
    functions: Any = aws.client("lambda")
    name = stack.function("StoreExport")
    usual = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**usual, **changes}})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": usual})


def calls_of_storing(stack: Stack, export_id: str) -> list[dict[str, Any]]:
    """What each call that worked on the export and came to its end has logged of it."""
    lines = (json.loads(message) for _, message in stack.log_lines() if export_id in message and '"stored"' in message)
    return [line for line in lines if line["export_id"] == export_id and "progress" in line]


def stored_whole(stack: Stack, service: Service, export_id: str) -> bool:
    """Whether the raw object is byte for byte what the link gives, and each file what the manifest says."""
    manifest = stack.manifest(export_id)
    same = stack.body(manifest["raw"]["key"]) == service.download(export_id)
    return same and all(
        hashlib.sha256(stack.body(file["key"])).hexdigest() == file["sha256"] for file in manifest["files"]
    )


def large_export(service: Service, megabytes: int) -> str:
    return service.has(kind="agent", min_bytes=megabytes * MB, compression="stored")


def open_uploads(stack: Stack) -> list[Any]:
    return list(stack.s3.list_multipart_uploads(Bucket=stack.bucket).get("Uploads", []))


def test_an_export_that_takes_several_calls_is_stored_whole(aws: LocalAws, stack: Stack, service: Service) -> None:
    export_id = large_export(service, 120)

    with storing_with(aws, stack, STORE_BUDGET_SECONDS="1", SLICE_BYTES="0"):
        run = stack.run(exportIds=[export_id])

    raw = stack.manifest(export_id)["raw"]["bytes"]
    again = service.sent(export_id) - raw
    assert run.outcome(export_id) == "STORED"
    calls = len(calls_of_storing(stack, export_id))
    assert calls >= 2
    in_flight = WORKERS * part_size_for(raw)
    assert again <= (calls - 1) * in_flight, f"{again} of {raw} bytes were fetched twice in {calls} calls"
    assert stored_whole(stack, service, export_id)
    assert open_uploads(stack) == []


def test_one_file_is_carried_by_several_lambdas_into_one_upload(aws: LocalAws, stack: Stack, service: Service) -> None:
    export_id = large_export(service, 96)

    with storing_with(aws, stack, SLICE_BYTES=str(16 * MB)):
        run = stack.run(exportIds=[export_id])

    assert run.outcome(export_id) == "STORED"
    slices = {call["slice"] for call in calls_of_storing(stack, export_id)}
    assert len(slices - {"1 of 1"}) >= 4, slices
    assert stack.versions(stack.manifest(export_id)["raw"]["key"]) == 1
    assert stored_whole(stack, service, export_id)
    assert open_uploads(stack) == []


def test_one_file_of_a_zip_is_unpacked_by_several_lambdas(aws: LocalAws, stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", min_bytes=96 * MB)

    with storing_with(aws, stack, SLICE_BYTES=str(24 * MB)):
        run = stack.run(exportIds=[export_id])

    manifest = stack.manifest(export_id)
    unpacked = sum(file["bytes"] for file in manifest["files"])
    largest = max(manifest["files"], key=lambda file: file["bytes"])
    assert run.outcome(export_id) == "STORED"
    assert largest["bytes"] > manifest["raw"]["bytes"], "it is deflated"
    slices = {call["slice"] for call in calls_of_storing(stack, export_id) if call["progress"] == "unfinished"}
    assert len({each for each in slices if each.endswith(f"of {-(-unpacked // (24 * MB))}")}) >= 4, slices
    assert stack.versions(largest["key"]) == 1
    assert stored_whole(stack, service, export_id)
    assert open_uploads(stack) == []


def workers_of(aws: LocalAws, function: str) -> list[int]:
    """Process ids of the function's workers, which are children of the local AWS's processes."""
    ours = {process.pid for process in aws.instance.processes}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_text()
        except OSError:
            continue
        if parent in ours and "_worker.py" in command and function in command + str((folder / "cwd").readlink()):
            found.append(int(folder.name))
    return found


def killing(aws: LocalAws, function: str, kills: int, draw: random.Random, over: threading.Event) -> int:
    """Kill workers of the function at random moments until ``kills`` were killed or it is over; how many were."""
    killed = 0
    while killed < kills and not over.wait(draw.uniform(0.1, 0.8)):
        if workers := workers_of(aws, function):
            os.kill(draw.choice(workers), signal.SIGKILL)
            killed += 1
    return killed


def test_fault_23_24_killed_at_random_moments_every_export_ends_stored_whole(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    draw, over, killed = random.Random(7), threading.Event(), []
    function = stack.function("StoreExport")
    ids = [large_export(service, 20) for _ in range(4)]

    with storing_with(aws, stack, STORE_BUDGET_SECONDS="2", SLICE_BYTES="0"):
        killer = threading.Thread(target=lambda: killed.append(killing(aws, function, KILLS, draw, over)))
        killer.start()
        began = time.monotonic()
        run = stack.run(exportIds=ids, onFailure="report")
        while run.counts != {"STORED": len(ids)} and time.monotonic() - began < 240:
            run = stack.run(exportIds=ids, onFailure="report")
        over.set()
        killer.join()

    assert killed[0] > 0
    assert run.counts == {"STORED": len(ids)}
    assert all(stored_whole(stack, service, export_id) for export_id in ids)
    assert open_uploads(stack) == []


def test_fault_29_a_call_that_hangs_until_its_time_is_over_is_taken_up_by_the_next_run(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    function = stack.function("StoreExport")
    functions: Any = aws.client("lambda")
    usual = functions.get_function_configuration(FunctionName=function)["Timeout"]
    export_id = large_export(service, 40)

    functions.update_function_configuration(FunctionName=function, Timeout=RESERVE_SECONDS + 5)
    try:
        arn = stack.start({"exportIds": [export_id], "onFailure": "report"})
        until(lambda: service.gets(export_id) > 0, seconds=30, what="the download")
        for worker in workers_of(aws, function):
            os.kill(worker, signal.SIGSTOP)
        hung = stack.ended(arn)
    finally:
        functions.update_function_configuration(FunctionName=function, Timeout=usual)
    run = stack.run(exportIds=[export_id])

    assert (hung.outcome(export_id), hung.reason(export_id)) == ("NOT_STORED", "Sandbox.Timedout")
    assert run.counts == {"STORED": 1}
    assert stored_whole(stack, service, export_id)
    assert open_uploads(stack) == []
