"""What the steps of a tick share: its time, how much of it is left, and calls of the service that failed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exports.aws.client_errors import aws_message
from exports.collecting.account_state import CallFailure
from exports.collecting.agents import OutcomeUnknown
from exports.errors import NonRetryableError, ServiceError

Log = Callable[..., None]
"""Logs a message with its fields."""


@dataclass(slots=True)
class Invocation:
    """``now`` is the time of the tick, ``has_time`` whether there is time left for more calls.

    ``log`` logs a warning, ``info`` what is no fault.

    A call of the service that fails is left to the next tick, and ends no other work of this one. ``failure`` is the
    last one, or the first one that was refused: a permission is missing, or a setting is wrong. A start whose outcome
    is unknown counts only if no other call failed. In an outage, not every tick starts exports, and a failure lasts
    only if it is that of the same call.
    """

    now: datetime
    has_time: Callable[[], bool]
    log: Log
    info: Log
    failure: CallFailure | None = None

    @property
    def is_refused(self) -> bool:
        """Whether a call was refused: no export is started after it."""
        return self.failure is not None and self.failure.refused

    def note(self, error: ServiceError, operation: str, message: str, **fields: str) -> None:
        """Log and keep the failure of a call."""
        self.log(message, error=error.code, **fields)
        refused = isinstance(error, NonRetryableError)
        counts = self.failure is None or not isinstance(error, OutcomeUnknown)
        if counts and not self.is_refused:
            self.failure = CallFailure(operation, error.code, aws_message(error), self.now, refused)
