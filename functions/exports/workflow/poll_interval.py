"""How long until the next look at the exports of a batch."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from exports.settings import Settings

MAX_POLLS = 400
"""Looks that one batch may take: with :data:`MAX_STORES` it keeps a child's history below 20,000 events of 25,000."""
MAX_STORES = 400
"""Calls of storing that one batch may take: most exports need one, a large one several."""
NEW = timedelta(minutes=2)
"""Younger exports are looked at every ``wait_floor``."""
OLD = timedelta(hours=1)
"""Exports of this age are looked at every ``wait_ceiling``."""
BETWEEN = timedelta(minutes=1)
"""The wait from one age to the other, within floor and ceiling."""


def next_poll_at(
    now: datetime,
    *,
    requested_at: Iterable[datetime],
    deadline: datetime,
    polls: int,
    settings: Settings,
    jitter: float,
) -> datetime:
    """When to look again at exports requested at ``requested_at``, after ``polls`` looks.

    The wait depends on the age of the youngest export; where none is given, it is taken for new:

    - ``wait_floor`` (15 s) in its first two minutes,
    - a minute until it is an hour old, but no less than the floor and no more than the ceiling,
    - ``wait_ceiling`` (5 minutes) from then on.

    ``jitter`` (0 to 1) shortens that by up to a tenth, so that batches do not all look at the same moment. Once half of
    the looks are used, the others are spread evenly over the time that is left. The last look is at the deadline.
    """
    age = min((now - moment for moment in requested_at), default=timedelta())
    if age < NEW:
        wait = settings.wait_floor
    elif age < OLD:
        wait = min(max(BETWEEN, settings.wait_floor), settings.wait_ceiling)
    else:
        wait = settings.wait_ceiling
    wait *= 1 - jitter / 10
    if polls > MAX_POLLS // 2:
        wait = max(wait, (deadline - now) / max(MAX_POLLS - polls, 1))
    return max(now, min(now + wait, deadline))
