"""What else the machine is busy with: waited for while that is of use, and told with the figures."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

QUIET = 0.1
"""Share of the machine that others may take without a run being disturbed."""
GLANCE_SECONDS = 0.3
CORES = len(os.sched_getaffinity(0))
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Hush:
    """Waits for a quiet machine, ``seconds`` in all."""

    seconds: float

    def wait(self) -> None:
        started = time.monotonic()
        while time.monotonic() - started < self.seconds and not _is_quiet():
            pass
        self.spend(time.monotonic() - started)

    def spend(self, seconds: float) -> None:
        self.seconds -= seconds


@dataclass(slots=True)
class Bystanders:
    """The share of the machine that went to others than ``pids``, ourselves and our children since it was made."""

    pids: Sequence[int]
    _began: tuple[float, float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._now()

    def share(self) -> float:
        """From 0 to 1."""
        clock, busy, own = (now - then for now, then in zip(self._now(), self._began, strict=True))
        return round(min(1.0, max(0.0, (busy - own) / (clock * CORES))), 2)

    def _now(self) -> tuple[float, float, float]:
        times = os.times()
        ours = times.user + times.system + times.children_user + times.children_system
        return time.monotonic(), _busy_seconds(), ours + sum(map(_cpu_seconds, self.pids))


def _is_quiet() -> bool:
    before = Bystanders([])
    time.sleep(GLANCE_SECONDS)
    return before.share() <= QUIET


def _busy_seconds() -> float:
    """Of all cores, since the machine was started."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, _stat(Path("/proc/stat"), "cpu "))
    return (user + nice + system + irq + softirq + steal) / TICKS


def _cpu_seconds(pid: int) -> float:
    user, system = _stat(Path(f"/proc/{pid}/stat"), ") ")[11:13]
    return (int(user) + int(system)) / TICKS


def _stat(path: Path, behind: str) -> list[str]:
    """The fields of the first line that follow ``behind``."""
    return path.read_text().partition("\n")[0].rpartition(behind)[2].split()
