"""What a bench found, as it is kept in docs/benchmarks/."""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.loopback.network import UNLIMITED, Network


@dataclass(frozen=True, slots=True)
class Scenario:
    """A file, who copies it how often, and the networks of source and bucket."""

    name: str
    title: str
    size: int
    rounds: int
    competitors: tuple[str, ...]
    source: Network = UNLIMITED
    bucket: Network = UNLIMITED


@dataclass(frozen=True, slots=True)
class Run:
    """One copy, measured as ``benchmarks.measuring.Taken`` says; ``error`` is empty if the object was the source."""

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
    """What became of ``copies`` files whose connections were cut."""

    competitor: str
    copies: int
    identical: int
    absent: int
    truncated: int
    wrongly_fine: int


@dataclass(frozen=True, slots=True)
class Kills:
    """One file whose copying process was killed ``kills`` times, gone on with each time. Sizes are bytes."""

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
    """Share of the machine, from 0 to 1, that went to what is no part of the bench."""

    def found(self, scenario: str, competitor: str, what: str, size: int | None = None) -> list[float]:
        """One figure of each copy that went well."""
        return [
            getattr(run, what)
            for run in self.runs
            if (run.scenario, run.competitor) == (scenario, competitor) and size in (None, run.size) and not run.error
        ]

    def middle(self, scenario: str, competitor: str, what: str, size: int | None = None) -> float:
        """The median over the rounds; NaN, which meets no target, when none went well."""
        return median(self.found(scenario, competitor, what, size) or [float("nan")])
