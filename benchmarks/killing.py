"""A copy whose process is killed again and again, and goes on each time from what the bucket has."""

import random
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.contestants.job import Job
from benchmarks.field import Field, say
from benchmarks.peers import CONTESTANTS, PRODUCT, Contestant
from benchmarks.results import Kills
from benchmarks.scenarios import MB, MIB
from benchmarks.servers import File, Plan
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


def kills(field: Field, count: int) -> Iterator[Kills]:
    chance = random.Random(field.seed)  # noqa: S311 - no secret
    product = next(each for each in CONTESTANTS if each.name == PRODUCT)
    for number in range(count // EACH):
        found = _kill(field, product, [chance.uniform(SOONEST, LATEST) for _ in range(EACH)], number)
        say(f"killed {found.kills} times: {found.state}, {found.fetched_again / MB:.1f} MB fetched again")
        yield found


def _kill(field: Field, contestant: Contestant, after: list[float], number: int) -> Kills:
    field.servers.plan(Plan({NAME: File(SIZE)}, NETWORK, NETWORK))
    job = replace(field.job(NAME), memory=str(field.folder / f"upload-{number}.json"))
    killed = sum(_dies(field, contestant, job, seconds) for seconds in after)
    field.run(contestant, job)
    seen = field.servers.seen()[NAME]
    return Kills(SIZE, killed, max(0, seen.sent - SIZE), killed * WORKERS * PART, seen.state)


def _dies(field: Field, contestant: Contestant, job: Job, seconds: float) -> bool:
    """Whether it was killed rather than done before."""
    taken, _ = field.run(contestant, job, limit_seconds=seconds)
    return taken.failed
