"""Waiting for a condition, never for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.1


class NeverHappened(AssertionError):
    """What a test waited for did not come to be in time."""


def until(condition: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """The first answer of ``condition`` that is true. Raises NeverHappened, saying ``what``, after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {seconds:.0f} s")
        time.sleep(PAUSE_SECONDS)
    return answer
