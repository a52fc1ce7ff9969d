"""Copies whose connections are cut at random positions. Each must be complete, or leave no visible object."""

import random
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.copy.competitors import MODULES, PRODUCT, READ_LIMIT
from benchmarks.copy.environment import SEED, BenchEnvironment
from benchmarks.copy.results import Drops
from benchmarks.copy.scenarios import MIB
from benchmarks.copy.servers import Cut, File
from benchmarks.processes import log
from tests.loopback.server import How
from tests.loopback.source import Style

SIZES = (3 * MIB, 9 * MIB, 20 * MIB, 33 * MIB)
"""A file below the multipart threshold, one just above it, and files of several parts."""
STYLES = (*[Style.RANGES] * 6, Style.LENGTH, Style.CHUNKED)
SOURCE_CUTS = (1, 1, 2, 3, 5)
BUCKET_CUTS = (0, 0, 0, 1, 2)
PERMANENT_CUT_SHARE = 0.1
"""The share of files with a position that no read can ever pass."""
PAUSE_SECONDS = 0.02
"""Base of the product's pauses. It is shorter than on AWS, where the server needs time; the attempts are as many."""


def drops(bench_env: BenchEnvironment, copies: int, competitor_copies: int) -> Iterator[Drops]:
    """Copy the same files with the same cuts with each competitor, and yield the results."""
    rng = random.Random(SEED)  # noqa: S311 - not a secret
    files = {f"drop-{number}.csv": _file(rng) for number in range(copies)}
    for competitor in MODULES:
        if competitor == READ_LIMIT:
            continue
        found = _drop(
            bench_env, competitor, dict(list(files.items())[: copies if competitor == PRODUCT else competitor_copies])
        )
        log(f"cut connections: {competitor}, {found.copies} copies, {found.truncated} truncated")
        yield found


def _file(rng: random.Random) -> File:
    size = rng.choice(SIZES)
    permanent = [_cut(rng, size, lasting=True)] if rng.random() < PERMANENT_CUT_SHARE else []
    source = [_cut(rng, size) for _ in range(rng.choice(SOURCE_CUTS))]
    bucket = [_cut(rng, size) for _ in range(rng.choice(BUCKET_CUTS))]
    return File(size, rng.choice(STYLES), (*source, *permanent), tuple(bucket))


def _cut(rng: random.Random, size: int, *, lasting: bool = False) -> Cut:
    return Cut(rng.randrange(size), rng.choice(list(How)), lasting)


def _drop(bench_env: BenchEnvironment, competitor: str, files: dict[str, File]) -> Drops:
    outcomes = bench_env.run(competitor, replace(bench_env.reset(files), pause_seconds=PAUSE_SECONDS))
    states = [bench_env.bucket.state(outcome.name) for outcome in outcomes]
    return Drops(
        competitor,
        copies=len(outcomes),
        identical=states.count("identical"),
        absent=states.count("absent"),
        truncated=states.count("different"),
        wrongly_fine=sum(
            state != "identical" and not outcome.error for state, outcome in zip(states, outcomes, strict=True)
        ),
    )
