"""Time and memory that work takes in this process and its children."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """``seconds`` of wall-clock time; ``cpu_seconds``, with those of children that have ended; ``peak_bytes``.

    The peak is that of this process only, since its start.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Meter:
    """Measures from its creation."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), _cpu_seconds()

    def usage(self) -> Usage:
        clock, cpu = self._start
        return Usage(time.perf_counter() - clock, _cpu_seconds() - cpu, peak_bytes())


def peak_bytes(process: int | str = "self") -> int:
    """The peak resident memory so far. That of getrusage includes the parent's memory at the fork.

    Raises OSError if the process has ended.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _cpu_seconds() -> float:
    return time.process_time() + sum(os.times()[2:4])
