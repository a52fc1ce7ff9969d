"""What is run, in full and in the quick form."""

from dataclasses import dataclass

from benchmarks.peers import CONTESTANTS, FILEOBJ, IN_MEMORY, OBSTORE, PIPELINE, PRODUCT, READ_LIMIT
from benchmarks.results import Scenario

MIB = 1024 * 1024
GIB = 1024 * MIB
MB = 1_000_000

SLOW = "slow connections"
FREE = "free-running"
CAPPED = "one Lambda"
MEMORY = "memory"

EVERYBODY = tuple(contestant.name for contestant in CONTESTANTS)
CAPPED_CONTESTANTS = (PRODUCT, READ_LIMIT, PIPELINE, FILEOBJ, OBSTORE, IN_MEMORY)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is done."""

    scenarios: tuple[Scenario, ...]
    drops: int
    drops_of_peers: int
    """Fewer: most of them take ten seconds to fail."""
    kills: int
    patience_seconds: float
    """How long, in all, is waited and repeated because others keep the machine busy."""


def _slow(size: int, rounds: int) -> Scenario:
    title = f"{size // MIB} MiB, 80 MB/s a connection, 30 ms to the first byte"
    return Scenario(SLOW, title, size, rounds, EVERYBODY, rate=80 * MB, latency_seconds=0.03)


def _free(size: int, rounds: int) -> Scenario:
    return Scenario(FREE, f"{size // MIB} MiB, nothing slowed down", size, rounds, EVERYBODY)


def _capped(size: int, rounds: int) -> Scenario:
    title = f"{size // MIB} MiB, 75 MB/s for the whole machine each way"
    return Scenario(CAPPED, title, size, rounds, CAPPED_CONTESTANTS, cap=75 * MB)


def _memory(size: int, rounds: int) -> Scenario:
    return Scenario(MEMORY, f"{size // MIB} MiB, nothing slowed down", size, rounds, (PRODUCT,))


FULL = Extent(
    (
        _slow(512 * MIB, 5),
        _free(512 * MIB, 7),
        _capped(256 * MIB, 3),
        *(_memory(size, 3) for size in (64 * MIB, GIB, 4 * GIB)),
    ),
    drops=240,
    drops_of_peers=60,
    kills=20,
    patience_seconds=1200,
)
QUICK = Extent(
    (
        _slow(64 * MIB, 1),
        _free(64 * MIB, 2),
        _capped(64 * MIB, 1),
        *(_memory(size, 1) for size in (64 * MIB, 128 * MIB, 256 * MIB)),
    ),
    drops=20,
    drops_of_peers=6,
    kills=2,
    patience_seconds=0,
)
