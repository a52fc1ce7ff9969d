"""Kills of processes at random moments, and checks of the stored exports afterwards."""

import hashlib
import os
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from local.stack.aws import LocalAws
from tests.local.service import Service
from tests.local.stack import Stack


def store_export_with(aws: LocalAws, stack: Stack, **changes: str) -> AbstractContextManager[None]:
    """Change environment variables of the function StoreExport during the block."""
    return function_with(aws, stack.function("StoreExport"), **changes)


@contextmanager
def function_with(aws: LocalAws, name: str, **changes: str) -> Iterator[None]:
    functions: Any = aws.client("lambda")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**before, **changes}})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def is_intact(stack: Stack, service: Service, export_id: str) -> bool:
    """Whether the raw object equals the download byte for byte, and each file has the SHA-256 in the manifest."""
    manifest = stack.manifest(export_id)
    same = stack.body(manifest["raw"]["key"]) == service.download(export_id)
    return same and all(
        hashlib.sha256(stack.body(file["key"])).hexdigest() == file["sha256"] for file in manifest["files"]
    )


def open_uploads(stack: Stack) -> list[Any]:
    return list(stack.s3.list_multipart_uploads(Bucket=stack.bucket).get("Uploads", []))


def workers_of(aws: LocalAws, function: str) -> list[int]:
    """Process ids of the function's workers, which are children of the local AWS's processes."""
    ours = {process.pid for process in aws.instance.processes}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_text() + str((folder / "cwd").readlink())
        except OSError:
            continue
        if parent in ours and "_worker.py" in command and function in command:
            found.append(int(folder.name))
    return found


def processor_ticks(aws: LocalAws, functions: Sequence[str]) -> dict[int, int]:
    """The CPU ticks that each worker of the functions has used since its start, by process id."""
    ticks = {}
    for worker in (worker for function in functions for worker in workers_of(aws, function)):
        with suppress(OSError):
            fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
            ticks[worker] = int(fields[11]) + int(fields[12])
    return ticks


@contextmanager
def killed_workers(aws: LocalAws, functions: Sequence[str], kills: int, draw: random.Random) -> Iterator[list[int]]:
    """Kill at most ``kills`` workers of the functions at random moments of the block, and yield their process ids.

    Only busy workers are killed, with pauses between the kills: the loss of an idle worker has no effect.
    """
    killed: list[int] = []
    stopped = threading.Event()

    def kill() -> None:
        while len(killed) < kills and not stopped.wait(draw.uniform(0.1, 2.5)):
            before = processor_ticks(aws, functions)
            while not stopped.wait(0.05):
                now = processor_ticks(aws, functions)
                busy = [worker for worker, used in now.items() if used > before.get(worker, used)]
                before = now
                if busy:
                    killed.append(draw.choice(busy))
                    with suppress(ProcessLookupError):
                        os.kill(killed[-1], signal.SIGKILL)
                    break

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        stopped.set()
        killer.join()


def run_until_stored(stack: Stack, export_ids: Sequence[str], *, max_runs: int = 20) -> int:
    """Start runs until all exports are stored, as a schedule does, and return the number of runs.

    A run whose planning or reporting was killed in every attempt failed without a report; the next run continues.
    """
    for runs in range(1, max_runs + 1):
        run = stack.ended(stack.start({"exportIds": export_ids, "onFailure": "report"}))
        if run.report and run.counts == {"STORED": len(export_ids)}:
            return runs
    raise AssertionError(f"not stored after {max_runs} runs")
