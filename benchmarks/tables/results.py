"""The results of `make bench-tables`, as stored in docs/benchmarks/tables.json."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Size:
    """The bytes of an export: of its zip file, and of its CSV files that have a table."""

    zip_bytes: int
    csv_bytes: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run of one competitor, as ``benchmarks.measuring.Usage`` defines.

    ``contest`` is one of ``scenarios.Contest``. ``table_bytes`` are those of the table objects. ``error`` is empty if
    the tables have the rows of the CSV files.
    """

    contest: str
    export: str
    round: int
    competitor: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    table_bytes: int
    error: str


@dataclass(slots=True)
class Results:
    machine: dict[str, Any]
    versions: dict[str, str]
    sizes: dict[str, Size] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    others: float = 0
    """Share of the machine, 0 to 1, that other processes used."""

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls.from_json(json.loads(path.read_text("utf-8")))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        sizes = {name: Size(**size) for name, size in document["sizes"].items()}
        return cls(**{**document, "sizes": sizes, "runs": [Run(**run) for run in document["runs"]]})

    def values(self, contest: str, export: str, competitor: str, figure: str) -> list[float]:
        """One figure of each successful run."""
        return [
            getattr(run, figure)
            for run in self.runs
            if (run.contest, run.export, run.competitor) == (contest, export, competitor) and not run.error
        ]

    def median(self, contest: str, export: str, competitor: str, figure: str) -> float:
        """The median over the rounds. NaN, which meets no target, if no run succeeded."""
        return statistics.median(self.values(contest, export, competitor, figure) or [float("nan")])

    def rate(self, export: str, competitor: str) -> float:
        """The bytes of CSV that become tables in a CPU second, by the median."""
        return self.sizes[export].csv_bytes / self.median("conversion", export, competitor, "cpu_seconds")
