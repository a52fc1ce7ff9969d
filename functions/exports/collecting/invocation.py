"""What the steps of a tick share: its time, how much of it is left, and calls of the service that failed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exports.errors import NonRetryableError, ServiceError

Log = Callable[..., None]
"""Logs a warning with its fields."""


@dataclass(slots=True)
class Invocation:
    """``now`` is the time of the tick, ``has_time`` whether there is time left for more calls.

    A call of the service that fails is left to the next tick, and ends no other work of this one. ``error`` is a
    permission that is missing, or a setting that is wrong: no export is started after it.
    """

    now: datetime
    has_time: Callable[[], bool]
    log: Log
    error: NonRetryableError | None = None

    def note(self, error: ServiceError, message: str) -> None:
        """Log the failure of a call, and keep it if no retry can mend it."""
        self.log(message, error=error.code)
        if isinstance(error, NonRetryableError):
            self.error = error
