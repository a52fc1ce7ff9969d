"""The servers of this suite do no harm: they listen on loopback, end with the tests, and say how to install them."""

import os
import re
from pathlib import Path

import pytest

from tests.judges import servers

LISTENING = "0A"


def started_by(pid: int) -> set[int]:
    """The processes that ``pid`` has started, and those that they have."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    parents = {int(stat.split()[0]): int(stat.rpartition(") ")[2].split()[1]) for stat in stats}
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= more
    return found


def listening(pids: set[int]) -> list[str]:
    """The addresses, as the kernel writes them, on which these processes wait for connections."""
    sockets = {str(path.readlink()) for pid in pids for path in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc of Linux")
@pytest.mark.usefixtures("seaweedfs", "dynamodb_local")
def test_servers_listen_on_loopback_only() -> None:
    addresses = listening(started_by(os.getpid()))

    assert len(addresses) >= 10
    assert [each for each in addresses if not re.match("(0{16}FFFF0000)?0100007F:", each)] == []


def test_a_server_ends_with_its_block(tmp_path: Path) -> None:
    with servers.running(["/bin/sh", "-c", "echo $$; exec sleep 600"], folder=tmp_path) as process:
        servers.wait_until(lambda: (tmp_path / "log").read_text().endswith("\n"), process, folder=tmp_path)
        pid = int((tmp_path / "log").read_text())
        os.kill(pid, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(pytest.fail.Exception, match="no such option"),
        servers.running(["/bin/sh", "-c", "echo no such option"], folder=tmp_path) as process,
    ):
        servers.wait_until(lambda: False, process, folder=tmp_path)


def test_a_missing_tool_fails_in_a_line_that_says_how_to_install_it() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"^.venv-judges/nothing is missing: `make judges` installs it$"):
        servers.need(servers.ENVIRONMENT / "nothing")
