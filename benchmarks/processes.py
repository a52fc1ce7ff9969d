"""Runs competitors in turn, each in a process of its own.

A package of competitors has a module ``job`` with the class ``Job``, and a module for each competitor. The function
``ready(job)`` of that module builds clients and returns a function, which is measured with each of the job's names.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.jobs import Job

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The work for one name as reported by its process; see ``benchmarks.measuring.Usage``.

    ``error`` is empty after a success.
    """

    name: str
    error: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_job(
    package: str, module: str, job: Job, env: Mapping[str, str], *, limit_seconds: float = 1200
) -> list[Outcome]:
    """Run the job in a new process. Raises TimeoutExpired if the process was killed at the limit."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run_job", package, module],
        input=job.to_text(),
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        check=False,  # a competitor may crash after its last success
        timeout=limit_seconds,
    )
    outcomes = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
    return outcomes + [Outcome(name, "no result", 0, 0, 0) for name in job.names[len(outcomes) :]]


def turns(competitors: Sequence[T], rounds: int) -> Iterator[tuple[int, T]]:
    """The number of the round, from 1, and a competitor. Each round begins with another competitor."""
    for number in range(rounds):
        first = number % len(competitors)
        for competitor in (*competitors[first:], *competitors[:first]):
            yield number + 1, competitor


def log(text: str) -> None:
    """Print progress to stderr, separate from the tables."""
    print(text, file=sys.stderr, flush=True)
