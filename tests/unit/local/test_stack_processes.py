"""Background processes: identified by PID and start time, and ended with their children."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.stack.processes import GatedProcess, Process

START_CHILD = "sleep 60 & echo $! > child; echo ready > ready; wait"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GatedProcess]:
    gate = GatedProcess("sample", ["/bin/sh", "-c", START_CHILD], env=os.environ, cwd=tmp_path, log=tmp_path / "log")
    yield gate
    gate.process.end()


def test_the_command_runs_only_after_open(gate: GatedProcess, tmp_path: Path) -> None:
    assert gate.process.alive
    assert not (tmp_path / "ready").exists()

    gate.open()

    _wait_until((tmp_path / "ready").exists)


def test_the_process_is_the_same_after_open(gate: GatedProcess, tmp_path: Path) -> None:
    gate.open()
    _wait_until((tmp_path / "ready").exists)

    assert gate.process.alive


def test_end_ends_the_children(gate: GatedProcess, tmp_path: Path) -> None:
    gate.open()
    _wait_until((tmp_path / "ready").exists)

    gate.process.end()

    assert not gate.process.alive
    assert not _runs(int((tmp_path / "child").read_text()))


def test_end_ends_children_of_a_killed_process(gate: GatedProcess, tmp_path: Path) -> None:
    gate.open()
    _wait_until((tmp_path / "ready").exists)
    os.kill(gate.process.pid, 9)
    _wait_until(lambda: not gate.process.alive)

    gate.process.end()

    assert not _runs(int((tmp_path / "child").read_text()))


def test_end_can_be_repeated(gate: GatedProcess) -> None:
    gate.process.end()
    gate.process.end()

    assert not gate.process.alive


def test_a_process_with_a_reused_pid_is_not_ended(gate: GatedProcess) -> None:
    other = replace(gate.process, started="an earlier boot 1")

    other.end()

    assert not other.alive
    assert gate.process.alive


def test_a_pid_that_does_not_exist_is_not_alive() -> None:
    assert not Process("ghost", 2**22 + 1, "some boot 1").alive


def test_a_process_ends_if_its_starter_dies_before_open(tmp_path: Path) -> None:
    script = (
        "import os; from pathlib import Path; from local.stack.processes import GatedProcess\n"
        f"gate = GatedProcess('orphan', ['sleep', '60'], env=os.environ, cwd=Path('.'), "
        f"log=Path({str(tmp_path / 'log')!r}))\n"
        "print(gate.process.pid, flush=True); os._exit(1)"
    )

    pid = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).stdout)

    _wait_until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    """Whether the process runs. A zombie, whose parent may never wait for it, does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc here, or gone since
        return not Path("/proc").exists()


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 10 s"
        time.sleep(0.01)
