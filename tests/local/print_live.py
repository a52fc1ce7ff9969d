"""Prints figures of long tests while they run."""

import pytest


class PrintLive:
    """Prints a line on the terminal, past pytest's capture."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, line: str) -> None:
        with self._capsys.disabled():
            print(f"\n{line}", end="", flush=True)
