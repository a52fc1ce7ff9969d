"""What a bench ran on, without saying where, and what else that machine was busy with."""

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
    """What others took of the machine since this was made: all but ourselves and our children that have ended."""

    def __init__(self) -> None:
        self._began = _now()

    def progress(self) -> float:
        """From 0 to 1."""
        clock, busy, own = (now - then for now, then in zip(_now(), self._began, strict=True))
        return round(min(1.0, max(0.0, (busy - own) / (clock * CORES))), 2)


def _now() -> tuple[float, float, float]:
    """Seconds: of the clock, of all cores at work since the machine was started, and of ours."""
    _, user, nice, system, _, _, irq, softirq, steal, *_ = Path("/proc/stat").read_text().split()
    busy = sum(map(int, (user, nice, system, irq, softirq, steal))) / os.sysconf("SC_CLK_TCK")
    return time.monotonic(), busy, sum(os.times()[:4])
