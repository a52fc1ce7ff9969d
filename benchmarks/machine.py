"""The machine that a benchmark runs on, without its name, and its other load."""

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CORES = len(os.sched_getaffinity(0))


def machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "processor": _processor(),
        "cores": CORES,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


class OtherLoad:
    """The load of other processes since creation: all except this process and its children that have ended."""

    def __init__(self) -> None:
        self._start = _now()

    def share(self) -> float:
        """The share of the machine, 0 to 1."""
        clock, busy, own = (now - start for now, start in zip(_now(), self._start, strict=True))
        return round(min(1.0, max(0.0, (busy - own) / (clock * CORES))), 2)


def _now() -> tuple[float, float, float]:
    """Seconds: wall clock, work of all cores since the start of the machine, and work of this process."""
    _, user, nice, system, _, _, irq, softirq, steal, *_ = Path("/proc/stat").read_text().split()
    busy = sum(map(int, (user, nice, system, irq, softirq, steal))) / os.sysconf("SC_CLK_TCK")
    return time.monotonic(), busy, sum(os.times()[:4])
