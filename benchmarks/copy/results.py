"""The results of `make bench`, as stored in docs/benchmarks/results.json."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from tests.loopback.network import UNLIMITED, Network


@dataclass(frozen=True, slots=True)
class Scenario:
    """A file, its competitors and rounds, and the networks of source and bucket."""

    name: str
    title: str
    size: int
    rounds: int
    competitors: tuple[str, ...]
    source: Network = UNLIMITED
    bucket: Network = UNLIMITED


@dataclass(frozen=True, slots=True)
class Run:
    """One copy, as ``benchmarks.measuring.Usage`` defines. ``error`` is empty if the object equals the source."""

    scenario: str
    size: int
    round: int
    competitor: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    error: str


@dataclass(frozen=True, slots=True)
class Drops:
    """The results of ``copies`` files whose connections were cut. ``wrongly_fine`` counts false success."""

    competitor: str
    copies: int
    identical: int
    absent: int
    truncated: int
    wrongly_fine: int


@dataclass(frozen=True, slots=True)
class Kills:
    """One file whose copy was killed and resumed ``kills`` times. Sizes are in bytes."""

    size: int
    kills: int
    fetched_again: int
    in_flight: int
    state: str


@dataclass(slots=True)
class Results:
    machine: dict[str, Any]
    versions: dict[str, str]
    scenarios: tuple[Scenario, ...]
    runs: list[Run] = field(default_factory=list)
    drops: list[Drops] = field(default_factory=list)
    kills: list[Kills] = field(default_factory=list)
    others: float = 0
    """Share of the machine, 0 to 1, that other processes used."""

    def values(self, scenario: str, competitor: str, figure: str, size: int | None = None) -> list[float]:
        """One figure of each successful copy."""
        return [
            getattr(run, figure)
            for run in self.runs
            if (run.scenario, run.competitor) == (scenario, competitor) and size in (None, run.size) and not run.error
        ]

    def median(self, scenario: str, competitor: str, figure: str, size: int | None = None) -> float:
        """The median over the rounds. NaN, which meets no target, if no copy succeeded."""
        return statistics.median(self.values(scenario, competitor, figure, size) or [float("nan")])
