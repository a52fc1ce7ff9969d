"""`python -m benchmarks.copy.competitor_code NAME`: runs the job on stdin, and prints a line of JSON for each file."""

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.copy.competitor_code.job import Job
from benchmarks.measuring import Meter


def main(name: str) -> None:
    job = Job.from_text(sys.stdin.read())
    copy = importlib.import_module(f"benchmarks.copy.competitor_code.{name}").ready(job)
    for file in job.names:
        print(json.dumps(_measured(copy, file)), flush=True)


def _measured(copy: Callable[[str], object], name: str) -> dict[str, Any]:
    meter, error = Meter(), ""
    try:
        copy(name)
    except Exception as failure:  # any exception of a competitor means that it has not copied
        error = type(failure).__name__
    return {"name": name, "error": error} | asdict(meter.usage())


if __name__ == "__main__":
    main(*sys.argv[1:])
