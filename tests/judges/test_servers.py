"""The servers of this suite do no harm: they listen on loopback, end with the tests, and say how to install them."""

import os
import re
from pathlib import Path

import pytest

from tests.judges import servers
from tests.listening import LOOPBACK, listening, started_by


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc of Linux")
@pytest.mark.usefixtures("seaweedfs", "dynamodb_local")
def test_servers_listen_on_loopback_only() -> None:
    addresses = listening(started_by(os.getpid()))

    assert len(addresses) >= 10
    assert [each for each in addresses if not re.match(LOOPBACK, each)] == []


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
