"""Retries of failed calls: exponential backoff with full jitter, limited by the number of attempts and by time.

All data-path retries happen here; the S3 client's own retries are off (:func:`exports.s3.bucket.s3_client`), so that
two limits do not multiply.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from exports.errors import (
    ExportsError,
    ServiceError,
    SourceChanged,
    SourceDenied,
    SourceError,
    UrlExpired,
)

T = TypeVar("T")


class OutOfTime(SourceError):
    """The time for this invocation ran out during a read. Nothing is wrong with the source."""

    def __init__(self) -> None:
        super().__init__("the time for this invocation ran out")


def is_retryable(error: ExportsError) -> bool:
    """Whether a retry of the same call may succeed."""
    match error:
        case UrlExpired() | SourceDenied() | SourceChanged() | OutOfTime():
            return False
        case ServiceError():
            return error.retryable
        case _:
            return isinstance(error, SourceError)


def no_deadline() -> float:
    """The time left without a deadline: unlimited."""
    return inf


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts`` attempts. After failure ``n``, a random delay up to ``min(ceiling_seconds, base_seconds * 2**n)``.

    After an error with ``retry_after`` (seconds that the server asked for), the delay is at least that long. If a delay
    does not fit into ``time_left()``, the error is raised without a wait, and the next invocation retries.
    """

    attempts: int = 5
    base_seconds: float = 0.25
    ceiling_seconds: float = 20
    time_left: Callable[[], float] = no_deadline
    sleep: Callable[[float], None] = time.sleep
    random_between: Callable[[float, float], float] = random.uniform

    def run(self, call: Callable[[], T]) -> T:
        """Return the result of ``call``. Retry it after retryable errors."""
        failures = 0
        while True:
            try:
                return call()
            except ExportsError as error:
                failures += 1
                self.wait_or_raise(failures, error)

    def wait_or_raise(self, failures: int, error: ExportsError) -> None:
        """Wait after the ``failures``-th failure in a row, or raise ``error`` if a retry is useless or not allowed."""
        if failures >= self.attempts or not is_retryable(error):
            raise error
        delay = self.random_between(0, min(self.ceiling_seconds, self.base_seconds * 2**failures))
        seconds = max(delay, getattr(error, "retry_after", 0.0))
        if seconds >= self.time_left():
            raise error
        self.sleep(seconds)
