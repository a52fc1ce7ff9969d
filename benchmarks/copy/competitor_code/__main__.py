"""`python -m benchmarks.copy.competitor_code NAME`: copies what the job on stdin asks for; a line of JSON says how each went."""

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.competitors.job import Job
from benchmarks.measuring import Meter


def main(name: str) -> None:
    job = Job.from_text(sys.stdin.read())
    copy = importlib.import_module(f"benchmarks.copy.competitor_code.{name}").ready(job)
    for each in job.names:
        print(json.dumps(_measured(copy, each)), flush=True)


def _measured(copy: Callable[[str], object], name: str) -> dict[str, Any]:
    meter, error = Meter(), ""
    try:
        copy(name)
    except Exception as failure:  # whatever a peer raises, it has not copied
        error = type(failure).__name__
    return {"name": name, "error": error} | asdict(meter.taken())


if __name__ == "__main__":
    main(*sys.argv[1:])
