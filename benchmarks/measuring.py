"""What work takes of this process, and of the processes that it starts."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """``seconds`` by the clock; ``cpu_seconds``, those of children that have ended too; ``peak_bytes`` since the start.

    Memory is that of this process alone.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Meter:
    """Measures from when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), _cpu_seconds()

    def taken(self) -> Usage:
        clock, worked = self._began
        return Usage(time.perf_counter() - clock, _cpu_seconds() - worked, peak_bytes())


def peak_bytes(process: int | str = "self") -> int:
    """The most resident memory so far; what getrusage says includes the parent's at the fork.

    Raises OSError when the process has ended.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _cpu_seconds() -> float:
    return time.process_time() + sum(os.times()[2:4])
