"""Background processes that outlive the one who started them, and that can be ended for certain."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.stack.errors import LocalAwsFailed

GATE = 'read -r _ && { ulimit -S -n 8192 2>/dev/null; exec "$@" </dev/null; }'
"""Waits for one line before it turns into the command. Who dies before having saved the process id leaves nothing:
end of input ends the gate."""

_children: dict[int, "subprocess.Popen[bytes]"] = {}
"""Those that this very process started: they stay zombies until it has asked for their exit code."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that leads a group of its own, known by its id together with the moment of its start."""

    name: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it still runs, and is not another that was given the same id."""
        return not _is_zombie(self.pid) and _started(self.pid) == self.started

    def end(self, *, patience_seconds: float = 10) -> None:
        """End it with all its children at once; nothing they hold is worth waiting for."""
        if not self._is_ours():
            return
        _signal_group(self.pid)
        deadline = time.monotonic() + patience_seconds
        while _members(self.pid):
            if time.monotonic() > deadline:
                raise LocalAwsFailed(f"{self.name} (process {self.pid}) does not end")
            time.sleep(0.02)
        if child := _children.pop(self.pid, None):
            child.wait()

    def _is_ours(self) -> bool:
        """Whether the group of that id is ours. It outlives its leader, whose id no process gets meanwhile."""
        now = _started(self.pid)
        return now == self.started if now else self.started.startswith(_boot())


class GatedProcess:
    """A process that waits to become ``command``. Save ``process`` first, then ``open()``."""

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
        """Let it run."""
        assert self._popen.stdin
        with self._popen.stdin as line:
            line.write(b"\n")


def _started(pid: int) -> str | None:
    """Boot and moment of start, which together with the id name a process for good; nothing when there is none."""
    if (stat := _stat(pid)) is not None:
        return f"{_boot()} {stat[19]}"
    return None if Path("/proc/self/stat").exists() else _started_says_ps(pid)


def _started_says_ps(pid: int) -> str | None:
    """For macOS, which has no /proc."""
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return f"{_boot()} {answer.stdout.strip()}" if answer.stdout.strip() else None


def _boot() -> str:
    """What changes when the machine restarts, where it can be had."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "this boot"


def _stat(pid: int | str) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on; the name before it may hold anything, parentheses too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None


def _is_zombie(pid: int) -> bool:
    return (_stat(pid) or [""])[0] == "Z"


def _members(group: int) -> bool:
    """Whether any process of the group runs. Zombies do not: in a container they may never be collected."""
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
