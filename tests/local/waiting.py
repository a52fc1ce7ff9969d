"""Waiting for a condition, never for luck or for so many seconds."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.1
PATIENCE_LOOKS = 3_000
"""Five minutes on an idle machine. On a busy one a look takes longer, as does what is waited for."""


class NeverHappened(AssertionError):
    """What a test waited for did not come to be."""


def until(condition: Callable[[], T | None], *, what: str, progress: Callable[[], object] = lambda: None) -> T:
    """The first answer of ``condition`` that is true.

    Raises NeverHappened, saying ``what``, after too many looks during which ``progress`` has answered the same.
    """
    seen, left = progress(), PATIENCE_LOOKS
    while not (answer := condition()):
        now = progress()
        seen, left = now, left - 1 if now == seen else PATIENCE_LOOKS
        if not left:
            raise NeverHappened(f"{what}: not after {PATIENCE_LOOKS:,} looks")
        time.sleep(PAUSE_SECONDS)
    return answer
