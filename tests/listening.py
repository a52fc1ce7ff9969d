"""The addresses on which processes listen, from /proc of Linux."""

from collections.abc import Iterable
from pathlib import Path

LISTENING = "0A"
LOOPBACK = "(0{16}FFFF0000)?0100007F:"
"""A regular expression for 127.0.0.1 as the kernel writes it, also as a part of an IPv6 address."""


def started_by(pid: int) -> set[int]:
    """The processes that ``pid`` has started, and those that they have."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    parents = {int(stat.split()[0]): int(stat.rpartition(") ")[2].split()[1]) for stat in stats}
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= more
    return found


def listening(pids: Iterable[int]) -> list[str]:
    """The addresses, as the kernel writes them, on which these processes wait for connections."""
    sockets = {str(path.readlink()) for pid in pids for path in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets]
