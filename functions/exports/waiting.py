"""How long until the next look at the exports of a batch."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import sqrt
from typing import Protocol

MAX_POLLS = 400
"""Looks that one batch may take: with :data:`MAX_STORES` it keeps a child's history below 20,000 events of 25,000."""
MAX_STORES = 400
"""Slices of storing that one batch may take: each export needs one, a huge one several."""
WAIT_SQUARED_PER_AGE = timedelta(seconds=3.24)
"""The wait is the root of this times the age: 44 s at ten minutes, 108 s at an hour, 5 minutes at eight hours."""


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

    A look costs the same whenever it is taken, and its absence costs the delay of whatever ends meanwhile. Nobody says
    how long an export takes, nor of what kind it is before it is there; what has run for an hour is as likely to end
    within the next hour as what has run for a minute within the next minute. With a chance to end that falls with the
    age like that, cost and delay together are least when the wait grows with the square root of the age. It is the age
    of the youngest pending export, within the floor and the ceiling, ``jitter`` (0 to 1) spreading it by up to a tenth
    so that batches do not march in step. Once half of the looks are used up, the rest is spread evenly over the time
    that is left. The last look is at the deadline.
    """
    age = min((now - moment for moment in requested_at), default=timedelta())
    grown = timedelta(seconds=sqrt(max(age / timedelta(seconds=1), 0) * WAIT_SQUARED_PER_AGE.total_seconds()))
    wait = min(max(grown, waits.wait_floor), waits.wait_ceiling)
    wait *= 1 + (jitter - 0.5) / 5
    if polls > MAX_POLLS // 2:
        wait = max(wait, (deadline - now) / max(MAX_POLLS - polls, 1))
    return max(now, min(now + wait, deadline))
