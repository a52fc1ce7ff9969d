"""A copy whose process is killed repeatedly. Each new process resumes from the parts in the bucket."""

import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.copy.competitor_code.job import Job
from benchmarks.copy.competitors import PRODUCT
from benchmarks.copy.environment import SEED, BenchEnvironment
from benchmarks.copy.results import Kills
from benchmarks.copy.scenarios import MB, MIB
from benchmarks.copy.servers import File
from benchmarks.processes import log
from tests.loopback.network import Network

NAME = "killed.csv"
SIZE = 512 * MIB
PART = 16 * MIB
WORKERS = 8
KILLS_PER_FILE = 2
"""After these kills the copy can finish."""
EARLIEST, LATEST = 0.7, 2.5
"""Seconds from the start of a process to its kill. The copy begins after half a second."""
NETWORK = Network(rate=20 * MB, latency_seconds=0.03)


def kills(bench_env: BenchEnvironment, count: int) -> Iterator[Kills]:
    rng = random.Random(SEED)  # noqa: S311 - not a secret
    for number in range(count // KILLS_PER_FILE):
        found = _kill(bench_env, [rng.uniform(EARLIEST, LATEST) for _ in range(KILLS_PER_FILE)], number)
        log(f"killed {found.kills} times: {found.state}, {found.fetched_again / MB:.1f} MB fetched again")
        yield found


def _kill(bench_env: BenchEnvironment, after: list[float], number: int) -> Kills:
    job = bench_env.reset({NAME: File(SIZE)}, NETWORK, NETWORK)
    job = replace(job, progress_file=str(bench_env.folder / f"upload-{number}.json"))
    killed = sum(_is_killed(bench_env, job, seconds) for seconds in after)
    bench_env.run(PRODUCT, job)
    fetched_again = max(0, bench_env.source.transferred[NAME].bytes - SIZE)
    return Kills(SIZE, killed, fetched_again, killed * WORKERS * PART, bench_env.bucket.state(NAME))


def _is_killed(bench_env: BenchEnvironment, job: Job, seconds: float) -> bool:
    """Run the job. Returns whether it was killed before it had finished."""
    try:
        bench_env.run(PRODUCT, job, limit_seconds=seconds)
    except subprocess.TimeoutExpired:
        return True
    return False
