"""What a bench found, as it is kept in docs/benchmarks/."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

from tests.loopback.network import UNLIMITED, Network


@dataclass(frozen=True, slots=True)
class Scenario:
    """A file, who copies it how often, and the networks of source and bucket."""

    name: str
    title: str
    size: int
    rounds: int
    contestants: tuple[str, ...]
    source: Network = UNLIMITED
    bucket: Network = UNLIMITED


@dataclass(frozen=True, slots=True)
class Run:
    """One copy. A program of somebody else takes its ``seconds`` and ``cpu_seconds`` with its start."""

    scenario: str
    size: int
    round: int
    contestant: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    state: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Drops:
    """What became of ``copies`` files whose connections were cut. ``lost_uploads`` are kept by S3 until aborted."""

    contestant: str
    copies: int
    identical: int
    absent: int
    truncated: int
    wrongly_fine: int
    lost_uploads: int


@dataclass(frozen=True, slots=True)
class Kills:
    """One file whose copying process was killed ``kills`` times, gone on with each time."""

    size: int
    kills: int
    fetched_again: int
    in_flight: int
    state: str


@dataclass(slots=True)
class Results:
    machine: dict[str, Any]
    versions: dict[str, str]
    left_out: dict[str, list[str]]
    seed: int
    scenarios: list[Scenario] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    drops: list[Drops] = field(default_factory=list)
    kills: list[Kills] = field(default_factory=list)
    others: float = 0
    """Share of the machine, from 0 to 1, that went to what is no part of the bench."""

    @classmethod
    def read(cls, path: Path) -> Self:
        told = json.loads(path.read_text())
        told["scenarios"] = [
            each
            | {"contestants": tuple(each["contestants"])}
            | {side: Network(**each[side]) for side in ("source", "bucket")}
            for each in told["scenarios"]
        ]
        kinds = {"scenarios": Scenario, "runs": Run, "drops": Drops, "kills": Kills}
        return cls(**told | {name: [kind(**each) for each in told[name]] for name, kind in kinds.items()})

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def of(self, scenario: str, contestant: str, size: int | None = None) -> list[Run]:
        """The copies that went well."""
        return [
            run
            for run in self.runs
            if (run.scenario, run.contestant) == (scenario, contestant) and size in (None, run.size) and not run.error
        ]

    def middle(self, scenario: str, contestant: str, what: str, size: int | None = None) -> float | None:
        """The median over the rounds."""
        return middle(getattr(run, what) for run in self.of(scenario, contestant, size))


def middle(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None
