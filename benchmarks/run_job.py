"""`python -m benchmarks.run_job PACKAGE MODULE`: runs the job on stdin, and prints a line of JSON for each name."""

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.measuring import Meter


def main(package: str, module: str) -> None:
    job = importlib.import_module(f"{package}.job").Job.from_text(sys.stdin.read())
    work = importlib.import_module(f"{package}.{module}").ready(job)
    for name in job.names:
        print(json.dumps(_measured(work, name)), flush=True)


def _measured(work: Callable[[str], object], name: str) -> dict[str, Any]:
    meter, error = Meter(), ""
    try:
        work(name)
    except Exception as failure:  # any exception of a competitor means that it has not done the work
        error = type(failure).__name__
    return {"name": name, "error": error} | asdict(meter.usage())


if __name__ == "__main__":
    main(*sys.argv[1:])
