"""How long until the next look at the exports of a batch."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

MAX_POLLS = 400
"""Looks that one batch may take: with :data:`MAX_STORES` it keeps a child's history below 20,000 events of 25,000."""
MAX_STORES = 400
"""Slices of storing that one batch may take: each export needs one, a huge one several."""
AGE_PER_WAIT = 20
"""An export is looked at again after a twentieth of its age, so it is noticed at most five per cent late."""


class Waits(Protocol):
    """The floor and the ceiling of the waits, as the stack sets them."""

    @property
    def wait_floor(self) -> timedelta: ...
    @property
    def wait_ceiling(self) -> timedelta: ...


def next_look(
    now: datetime, *, requested_at: Iterable[datetime], deadline: datetime, polls: int, waits: Waits, jitter: float
) -> datetime:
    """When to look again at exports requested at ``requested_at``, after ``polls`` looks.

    A short export should be noticed soon and a long one should cost little, and nobody says which is which; but what
    has run for an hour will hardly end within the next second. So the wait is a fixed part of the age of the youngest
    pending export, within the floor and the ceiling, ``jitter`` (0 to 1) spreading it by up to a tenth so that batches
    do not march in step. Once half of the looks are used up, the rest is spread evenly over the time that is left. The
    last look is at the deadline.
    """
    age = min((now - moment for moment in requested_at), default=timedelta())
    wait = min(max(age / AGE_PER_WAIT, waits.wait_floor), waits.wait_ceiling)
    wait *= 1 + (jitter - 0.5) / 5
    if polls > MAX_POLLS // 2:
        wait = max(wait, (deadline - now) / max(MAX_POLLS - polls, 1))
    return max(now, min(now + wait, deadline))
