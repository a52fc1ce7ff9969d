"""`python -m benchmarks.contestants NAME`: copies what the job on stdin asks for; a line of JSON says how each went."""

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.contestants.job import Job


def main(name: str) -> None:
    job = Job.from_text(sys.stdin.read())
    copy = importlib.import_module(f"benchmarks.contestants.{name}").ready(job)
    for each in job.names:
        print(json.dumps(_timed(copy, each)), flush=True)


def _timed(copy: Callable[[str], object], name: str) -> dict[str, Any]:
    """Seconds of the clock and of this process's CPU, from clients that are built to a copy that is done."""
    started, worked = time.perf_counter(), time.process_time()
    error = None  # whatever a peer raises, it has not copied
    try:
        copy(name)
    except Exception as failure:
        error = type(failure).__name__
    return {
        "name": name,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - worked,
        "error": error,
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
