"""Background processes that outlive their parent, and that can be killed with all their children."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.stack.errors import LocalAwsFailed

GATE = 'read -r _ && { ulimit -S -n 8192 2>/dev/null; exec "$@" </dev/null; }'
"""Waits for one line, then executes the command. If the parent ends before it has saved the process id, the input
ends, and with it this shell."""

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""The children of this process. They stay zombies until it reads their exit code."""


@dataclass(frozen=True, slots=True)
class Process:
    """The leader of a process group, identified by its process id and its start time."""

    name: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs, and is not another process with the same id."""
        return not _is_zombie(self.pid) and _started(self.pid) == self.started

    def end(self, *, timeout_seconds: float = 10) -> None:
        """Kill it and all its children at once. They have no state that is worth a graceful end."""
        if not self._is_ours():
            return
        _signal_group(self.pid)
        deadline = time.monotonic() + timeout_seconds
        while _has_members(self.pid):
            if time.monotonic() > deadline:
                raise LocalAwsFailed(f"{self.name} (process {self.pid}) did not end")
            time.sleep(0.02)
        if child := _children.pop(self.pid, None):
            child.wait()

    def _is_ours(self) -> bool:
        """Whether the process group is ours. It can outlive its leader, whose id is not reused meanwhile."""
        now = _started(self.pid)
        return now == self.started if now else self.started.startswith(_boot())


class GatedProcess:
    """A process that waits before it executes ``command``. Save ``process`` first, then call ``open()``."""

    def __init__(self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path):
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                ["/bin/sh", "-c", GATE, name, *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        _children[self._popen.pid] = self._popen
        self.process = Process(name, self._popen.pid, _started(self._popen.pid) or "gone")

    def open(self) -> None:
        """Execute the command."""
        assert self._popen.stdin
        with self._popen.stdin as line:
            line.write(b"\n")


def _started(pid: int) -> str | None:
    """Boot id and start time, which identify a process together with its id. None if there is no such process."""
    if (stat := _stat(pid)) is not None:
        return f"{_boot()} {stat[19]}"
    return None if Path("/proc/self/stat").exists() else _started_from_ps(pid)


def _started_from_ps(pid: int) -> str | None:
    """For macOS, which has no /proc."""
    result = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return f"{_boot()} {result.stdout.strip()}" if result.stdout.strip() else None


def _boot() -> str:
    """An id that changes when the machine restarts, where there is one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "this boot"


def _stat(pid: int | str) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on. The name before it can contain anything, even parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None


def _is_zombie(pid: int) -> bool:
    return (_stat(pid) or [""])[0] == "Z"


def _has_members(group: int) -> bool:
    """Whether any process of the group runs. Zombies do not count: in a container they may never be reaped."""
    if not Path("/proc/self/stat").exists():
        return _group_exists(group)
    stats = (_stat(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return any(stat is not None and stat[2] == str(group) and stat[0] != "Z" for stat in stats)


def _group_exists(group: int) -> bool:
    if child := _children.get(group):
        child.poll()
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _signal_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
