"""A copy whose process is killed again and again, and goes on each time from what the bucket has."""

import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.competitors.job import Job
from benchmarks.copy.competitors import PRODUCT
from benchmarks.copy.environment import SEED, BenchEnvironment, say
from benchmarks.copy.results import Kills
from benchmarks.copy.scenarios import MB, MIB
from benchmarks.copy.servers import File
from tests.loopback.network import Network

NAME = "killed.csv"
SIZE = 512 * MIB
PART = 16 * MIB
WORKERS = 8
EACH = 2
"""Kills of one file; then it may end."""
SOONEST, LATEST = 0.7, 2.5
"""Seconds after the start of a process, of which half a second goes by before the copy begins."""
NETWORK = Network(rate=20 * MB, latency_seconds=0.03)


def kills(field: BenchEnvironment, count: int) -> Iterator[Kills]:
    chance = random.Random(SEED)  # noqa: S311 - no secret
    for number in range(count // EACH):
        found = _kill(field, [chance.uniform(SOONEST, LATEST) for _ in range(EACH)], number)
        say(f"killed {found.kills} times: {found.state}, {found.fetched_again / MB:.1f} MB fetched again")
        yield found


def _kill(field: BenchEnvironment, after: list[float], number: int) -> Kills:
    job = field.plan({NAME: File(SIZE)}, NETWORK, NETWORK)
    job = replace(job, memory=str(field.folder / f"upload-{number}.json"))
    killed = sum(_dies(field, job, seconds) for seconds in after)
    field.run(PRODUCT, job)
    fetched_again = max(0, field.source.moved[NAME].bytes - SIZE)
    return Kills(SIZE, killed, fetched_again, killed * WORKERS * PART, field.bucket.state(NAME))


def _dies(field: BenchEnvironment, job: Job, seconds: float) -> bool:
    """Whether it was killed rather than done before."""
    try:
        field.run(PRODUCT, job, limit_seconds=seconds)
    except subprocess.TimeoutExpired:
        return True
    return False
