"""Waits for conditions, never for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.1
MAX_POLLS_WITHOUT_PROGRESS = 3_000
"""Five minutes on an idle machine. On a busy one, each poll takes longer, and so does the condition."""


class NeverHappened(AssertionError):
    """The condition of a test did not become true."""


def until(condition: Callable[[], T | None], *, what: str, progress: Callable[[], object] = lambda: None) -> T:
    """Poll ``condition`` until its result is true, and return the result.

    Raises NeverHappened with ``what`` after MAX_POLLS_WITHOUT_PROGRESS polls without a change of ``progress``.
    """
    seen, left = progress(), MAX_POLLS_WITHOUT_PROGRESS
    while not (result := condition()):
        now = progress()
        seen, left = now, left - 1 if now == seen else MAX_POLLS_WITHOUT_PROGRESS
        if not left:
            raise NeverHappened(f"{what}: not after {MAX_POLLS_WITHOUT_PROGRESS:,} polls")
        time.sleep(PAUSE_SECONDS)
    return result
