"""Background processes: found again, ended with their children, never mistaken for another."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.stack.processes import GatedProcess, Process

CHILD_AND_ITSELF = "sleep 60 & echo $! > child; echo ready > ready; wait"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GatedProcess]:
    gate = GatedProcess(
        "sample", ["/bin/sh", "-c", CHILD_AND_ITSELF], env=os.environ, cwd=tmp_path, log=tmp_path / "log"
    )
    yield gate
    gate.process.end()


def test_nothing_runs_before_the_gate_opens(gate: GatedProcess, tmp_path: Path) -> None:
    assert gate.process.alive
    assert not (tmp_path / "ready").exists()

    gate.open()

    _wait_until((tmp_path / "ready").exists)


def test_it_is_the_same_process_behind_the_gate(gate: GatedProcess, tmp_path: Path) -> None:
    gate.open()
    _wait_until((tmp_path / "ready").exists)

    assert gate.process.alive


def test_end_takes_the_children_along(gate: GatedProcess, tmp_path: Path) -> None:
    gate.open()
    _wait_until((tmp_path / "ready").exists)

    gate.process.end()

    assert not gate.process.alive
    assert not _runs(int((tmp_path / "child").read_text()))


def test_children_that_outlive_their_leader_are_ended(gate: GatedProcess, tmp_path: Path) -> None:
    gate.open()
    _wait_until((tmp_path / "ready").exists)
    os.kill(gate.process.pid, 9)
    _wait_until(lambda: not gate.process.alive)

    gate.process.end()

    assert not _runs(int((tmp_path / "child").read_text()))


def test_ending_twice_is_fine(gate: GatedProcess) -> None:
    gate.process.end()
    gate.process.end()

    assert not gate.process.alive


def test_another_process_of_the_same_id_is_left_alone(gate: GatedProcess) -> None:
    impostor = replace(gate.process, started="an earlier boot 1")

    impostor.end()

    assert not impostor.alive
    assert gate.process.alive


def test_a_process_that_never_was_is_not_alive() -> None:
    assert not Process("ghost", 2**22 + 1, "some boot 1").alive


def test_a_starter_that_dies_before_opening_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import os; from pathlib import Path; from local.stack.processes import GatedProcess\n"
        f"gate = GatedProcess('orphan', ['sleep', '60'], env=os.environ, cwd=Path('.'), log=Path({str(tmp_path / 'log')!r}))\n"
        "print(gate.process.pid, flush=True); os._exit(1)"
    )

    pid = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).stdout)

    _wait_until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    """Zombies do not run: nobody may be there to collect them."""
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
