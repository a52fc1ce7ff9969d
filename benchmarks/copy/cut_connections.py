"""Copies whose connections are cut at random places: each ends whole, or nothing of it is to be seen."""

import random
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.copy.competitors import MODULES, PRODUCT, READ_LIMIT
from benchmarks.copy.environment import SEED, BenchEnvironment, say
from benchmarks.copy.results import Drops
from benchmarks.copy.scenarios import MIB
from benchmarks.copy.servers import Cut, File
from tests.loopback.server import How
from tests.loopback.source import Style

SIZES = (3 * MIB, 9 * MIB, 20 * MIB, 33 * MIB)
"""A small file, the smallest that makes parts, and more parts than one."""
STYLES = (*[Style.RANGES] * 6, Style.LENGTH, Style.CHUNKED)
SOURCE_CUTS = (1, 1, 2, 3, 5)
BUCKET_CUTS = (0, 0, 0, 1, 2)
HOPELESS = 0.1
"""Of the files have one place beyond which no read ever comes."""
PAUSE_SECONDS = 0.02
"""Base of the product's pauses: shorter than in AWS, where the other side needs time; as many tries."""


def drops(field: BenchEnvironment, copies: int, copies_of_peers: int) -> Iterator[Drops]:
    """The same files, cut at the same places, for each contestant."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    files = {f"drop-{number}.csv": _file(chance) for number in range(copies)}
    for competitor in MODULES:
        if competitor == READ_LIMIT:
            continue
        found = _drop(
            field, competitor, dict(list(files.items())[: copies if competitor == PRODUCT else copies_of_peers])
        )
        say(f"cut connections: {competitor}, {found.copies} copies, {found.truncated} truncated")
        yield found


def _file(chance: random.Random) -> File:
    size = chance.choice(SIZES)
    hopeless = [_cut(chance, size, lasting=True)] if chance.random() < HOPELESS else []
    source = [_cut(chance, size) for _ in range(chance.choice(SOURCE_CUTS))]
    bucket = [_cut(chance, size) for _ in range(chance.choice(BUCKET_CUTS))]
    return File(size, chance.choice(STYLES), (*source, *hopeless), tuple(bucket))


def _cut(chance: random.Random, size: int, *, lasting: bool = False) -> Cut:
    return Cut(chance.randrange(size), chance.choice(list(How)), lasting)


def _drop(field: BenchEnvironment, competitor: str, files: dict[str, File]) -> Drops:
    outcomes = field.run(competitor, replace(field.plan(files), pause_seconds=PAUSE_SECONDS))
    states = [field.bucket.state(outcome.name) for outcome in outcomes]
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
