"""Runs a command, or a pipeline of commands, in fresh processes, and measures what they took."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

GLANCE_SECONDS = 0.005
"""Between two looks at a process's memory. The kernel keeps the peak, so no more than its last rise can be missed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """``seconds`` by the clock, ``cpu_seconds`` of user and system, ``peak_bytes`` of all processes together."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    failed: bool
    output: str


@dataclass(slots=True)
class _Watch:
    """Reads the peak of resident memory while a process lives: what wait4 says includes its parent's at the fork."""

    pids: Sequence[int]
    peaks: dict[int, int] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "_Watch":
        threading.Thread(target=self._look_on, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _look_on(self) -> None:
        while not self._done.wait(GLANCE_SECONDS):
            for pid in self.pids:
                self.peaks[pid] = max(self.peaks.get(pid, 0), _peak(pid))


def _peak(pid: int) -> int:
    """Bytes; 0 when the process has ended, or on a system without /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    return int(found[0][1]) * 1024 if found else 0


def run(
    commands: Sequence[Sequence[str]], *, env: Mapping[str, str], sent: str = "", limit_seconds: float = 300
) -> Taken:
    """Run ``commands``, each reading what the one before writes, the first one ``sent``; kill them after the limit."""
    with TemporaryFile() as first, TemporaryFile() as last:
        first.write(sent.encode())
        first.seek(0)
        started = time.perf_counter()
        processes = _start(commands, env, first.fileno(), last.fileno())
        cpu_seconds, peak_bytes = _measured(processes, limit_seconds)
        seconds = time.perf_counter() - started
        last.seek(0)
        failed = any(process.returncode for process in processes)
        return Taken(seconds, cpu_seconds, peak_bytes, failed, last.read().decode())


def _measured(processes: Sequence["subprocess.Popen[bytes]"], limit_seconds: float) -> tuple[float, int]:
    """Wait for the end of all; their seconds of CPU and their peak of memory."""
    timer = threading.Timer(limit_seconds, _kill, [processes])
    timer.start()
    try:
        with _Watch([process.pid for process in processes]) as watch:
            cpu_seconds = sum(map(_end, processes))
        return cpu_seconds, sum(watch.peaks.values())
    finally:
        timer.cancel()
        _kill(processes)


def _start(
    commands: Sequence[Sequence[str]], env: Mapping[str, str], first: int, last: int
) -> list["subprocess.Popen[bytes]"]:
    processes: list[subprocess.Popen[bytes]] = []
    for command in commands:
        before = processes[-1].stdout if processes else first
        after = last if command is commands[-1] else subprocess.PIPE
        processes.append(
            subprocess.Popen(command, stdin=before, stdout=after, stderr=subprocess.DEVNULL, env=dict(env))
        )
        if len(processes) > 1:
            # Ours too, or the one before would never learn that its reader has gone.
            assert processes[-2].stdout
            processes[-2].stdout.close()
    return processes


def _end(process: "subprocess.Popen[bytes]") -> float:
    """Wait for its end; the seconds of CPU that it took."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _kill(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
