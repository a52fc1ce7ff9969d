"""Processes killed at random moments, and what must be true when that is over."""

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


def storing_with(aws: LocalAws, stack: Stack, **changes: str) -> AbstractContextManager[None]:
    """The storing function with other settings than it was deployed with, for the block."""
    return function_with(aws, stack.function("StoreExport"), **changes)


@contextmanager
def function_with(aws: LocalAws, name: str, **changes: str) -> Iterator[None]:
    functions: Any = aws.client("lambda")
    usual = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**usual, **changes}})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": usual})


def stored_whole(stack: Stack, service: Service, export_id: str) -> bool:
    """Whether the raw object is byte for byte what the link gives, and each file what the manifest says."""
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
    """What each worker of the functions has used of the processor since it began, by process id."""
    ticks = {}
    for worker in (worker for function in functions for worker in workers_of(aws, function)):
        with suppress(OSError):
            fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
            ticks[worker] = int(fields[11]) + int(fields[12])
    return ticks


@contextmanager
def killing(aws: LocalAws, functions: Sequence[str], kills: int, draw: random.Random) -> Iterator[list[int]]:
    """Kill workers of the functions at random moments of the block, ``kills`` at most; process ids of those killed.

    Each dies at work, some time after the one before: a worker that waits for a call has nothing to lose.
    """
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < kills and not over.wait(draw.uniform(0.1, 2.5)):
            before = processor_ticks(aws, functions)
            while not over.wait(0.05):
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
        over.set()
        killer.join()


def run_until_stored(stack: Stack, export_ids: Sequence[str], *, most: int = 20) -> int:
    """Ask for the exports until all are stored, as a schedule would; how many runs it took.

    A run whose planning or reporting was killed at every try has no report: it failed, and the next takes over.
    """
    for runs in range(1, most + 1):
        run = stack.ended(stack.start({"exportIds": export_ids, "onFailure": "report"}))
        if run.report and run.counts == {"STORED": len(export_ids)}:
            return runs
    raise AssertionError(f"not stored after {most} runs")
