"""What a server is told before a contestant runs: the network, the files, and where their connections are cut."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from benchmarks.loopback.pacing import Line, Pace


class Style(StrEnum):
    """How the source answers a GET."""

    RANGES = "ranges"
    LENGTH = "length"
    """The whole with its length, whatever range was asked for."""
    CHUNKED = "chunked"
    """The whole in chunks, with no length."""


class How(StrEnum):
    """How a connection ends too early."""

    RESET = "reset"
    CLOSED = "closed"
    """With a TLS goodbye, as if all had been said."""
    LOST = "lost"
    """Without one."""


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """After byte ``at`` the connection ends. A lasting one happens each time, others once."""

    at: int
    how: How
    lasting: bool = False


class Cuts:
    """The cuts that are still to happen to one file."""

    def __init__(self, cuts: Iterable[Cut]) -> None:
        self._left = sorted(cuts)
        self._lock = threading.Lock()

    def take(self, first: int, end: int) -> Cut | None:
        """The first cut from ``first`` up to ``end``; nobody else gets it, unless it lasts."""
        if not self._left:
            return None
        with self._lock:
            cut = next((cut for cut in self._left if first <= cut.at < end), None)
            if cut and not cut.lasting:
                self._left.remove(cut)
        return cut


@dataclass(slots=True)
class File:
    """One file to be copied. ``moved`` counts its bytes that went over the wire, those that went twice too."""

    size: int
    style: Style
    cuts: Cuts
    moved: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def move(self, count: int) -> Cut | None:
        """Count bytes that arrived; the cut that lies among them, if any."""
        with self._lock:
            before = self.moved
            self.moved += count
        return self.cuts.take(before, before + count)


@dataclass(frozen=True, slots=True)
class Plan:
    line: Line
    files: Mapping[str, File]

    @classmethod
    def of(cls, told: Mapping[str, Any], side: str) -> Self:
        """From what the driver sent; ``side`` names the cuts that are this server's to make."""
        line = Line(Pace(told["cap"]), told["rate"], told["latency_seconds"])
        return cls(line, {name: _file(each, side) for name, each in told["files"].items()})


def _file(told: Mapping[str, Any], side: str) -> File:
    cuts = (Cut(each["at"], How(each["how"]), each["lasting"]) for each in told["cuts"].get(side, ()))
    return File(told["size"], Style(told["style"]), Cuts(cuts))
