"""The scenarios of the full and of the quick benchmark."""

from dataclasses import dataclass

from benchmarks.copy.competitors import FILEOBJ, OBSTORE, PRODUCT, READ_LIMIT
from benchmarks.copy.results import Scenario
from tests.loopback.network import Network

MIB = 1024 * 1024
MB = 1_000_000

LAMBDA = "one Lambda"
REGION = "another region"
MEMORY = "memory"

CAPPED = Network(cap=75 * MB)
DISTANT = Network(rate=15 * MB, cap=75 * MB, latency_seconds=0.12)


@dataclass(frozen=True, slots=True)
class RunSize:
    """The number of copies of each kind."""

    scenarios: tuple[Scenario, ...]
    drops: int
    competitor_drops: int
    """Fewer, because most of them take ten seconds to fail."""
    kills: int


def _scenarios(size: int, rounds: int, memory: tuple[int, int]) -> tuple[Scenario, ...]:
    all_readers = (PRODUCT, READ_LIMIT, FILEOBJ, OBSTORE)
    capped = f"{size // MIB} MiB, 75 MB/s for the whole machine each way"
    distant = f"{size // MIB} MiB, a source that gives 15 MB/s a connection, 120 ms to the first byte, and the same cap"
    return (
        Scenario(LAMBDA, capped, size, rounds, all_readers, CAPPED, CAPPED),
        Scenario(REGION, distant, size, rounds, (PRODUCT, FILEOBJ, OBSTORE), DISTANT, CAPPED),
        *(Scenario(MEMORY, f"{each // MIB} MiB, nothing slowed down", each, rounds, (PRODUCT,)) for each in memory),
    )


FULL = RunSize(_scenarios(256 * MIB, 7, (64 * MIB, 20 * 64 * MIB)), drops=160, competitor_drops=20, kills=12)
QUICK = RunSize(_scenarios(64 * MIB, 1, (64 * MIB, 4 * 64 * MIB)), drops=12, competitor_drops=2, kills=2)
