"""The interval until the next poll of a batch."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from exports.settings import Settings

MAX_POLLS = 400
"""Polls of one batch. With the next two it keeps a child's history below 20,000 events; the limit is 25,000."""
MAX_STORES = 400
"""Invocations of Store export for one batch. Most exports need one, a large export needs several."""
RESERVED_STORES = 2
"""Of these, those that are kept for each pending export, so that an export that never finishes uses up no other's."""
MAX_RETRIES = 1_500
"""Retries of the tasks of one batch before its last poll. Lambda would have to throttle most invocations for hours."""
NEW = timedelta(minutes=2)
"""Exports younger than this are polled every ``wait_floor``."""
OLD = timedelta(hours=1)
"""Exports of this age or older are polled every ``wait_ceiling``."""
BETWEEN = timedelta(minutes=1)
"""The interval between the two ages, within floor and ceiling."""


def next_poll_at(
    now: datetime,
    *,
    requested_at: Iterable[datetime],
    deadline: datetime,
    polls: int,
    settings: Settings,
    jitter: float,
) -> datetime:
    """When to poll exports requested at ``requested_at`` again, after ``polls`` polls.

    The interval depends on the age of the youngest export; without any export, the age is 0:

    - ``wait_floor`` (15 s) in its first two minutes,
    - a minute until it is an hour old, but no less than the floor and no more than the ceiling,
    - ``wait_ceiling`` (5 minutes) from then on.

    ``jitter`` (0 to 1) shortens it by up to a tenth, so that batches do not all poll at the same time. Once half of
    the polls are used, the others are spread evenly over the remaining time. The last poll is at the deadline.
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
