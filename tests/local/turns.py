"""Tests that run beside each other and tests that run alone, in however many processes."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class Alone:
    """The turn of somebody who runs alone."""

    def __init__(self, door: IO[str], floor: IO[str]) -> None:
        self._door = door
        self._floor = floor

    def let_others_in(self) -> None:
        """From here on beside others."""
        fcntl.flock(self._floor, fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)


class Turns:
    """Many may be on the floor, or one alone, who waits at the door and lets nobody pass meanwhile.

    Whoever dies gives the turn back: they are locks on files. Nobody may take a second turn while having one: somebody
    at the door would wait for the first, and the second for the door.
    """

    def __init__(self, folder: Path) -> None:
        self._door = folder / "door"
        self._floor = folder / "floor"

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        with self._door.open("w") as door, self._floor.open("w") as floor:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(floor, fcntl.LOCK_SH)
            fcntl.flock(door, fcntl.LOCK_UN)
            yield

    @contextmanager
    def alone(self) -> Iterator[Alone]:
        with self._door.open("w") as door, self._floor.open("w") as floor:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(floor, fcntl.LOCK_EX)
            yield Alone(door, floor)
