"""How often a failed try is repeated and how long to wait between: backoff with full jitter, bounded by count and time.

It is the only place that repeats anything on the way of the bytes: the S3 client is built to try once
(:func:`exports.s3.bucket.s3_client`), so that two bounds never multiply.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from exports.errors import (
    ExportsError,
    NonRetryableError,
    Rejected,
    ServiceError,
    SourceChanged,
    SourceError,
    UrlExpired,
)

T = TypeVar("T")

RETRYABLE_CODES = frozenset(
    {
        "500",
        "502",
        "503",
        "504",
        "BadDigest",
        "ConditionalRequestConflict",
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "HTTPClientError",
        "IncompleteBody",
        "IncompleteReadError",
        "InternalError",
        "InternalException",
        "InternalFailure",
        "OperationAborted",
        "ProvisionedThroughputExceededException",
        "ReadTimeoutError",
        "RequestThrottled",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ResponseStreamingError",
        "ServiceUnavailable",
        "SSLError",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
"""Codes of AWS, and names of botocore's exceptions, after which the same call may well succeed.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""


class OutOfTime(SourceError):
    """The time of this call is spent in the middle of a read: nothing is wrong with the source."""

    def __init__(self) -> None:
        super().__init__("the time of this call is spent")


def is_retryable(error: ExportsError) -> bool:
    """Whether the very same try may succeed a little later."""
    match error:
        case UrlExpired() | SourceChanged() | OutOfTime() | NonRetryableError() | Rejected():
            return False
        case ServiceError(code=code):
            return code in RETRYABLE_CODES
        case _:
            return isinstance(error, SourceError)


def no_deadline() -> float:
    """Time left where nothing limits it."""
    return inf


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts`` tries with pauses drawn evenly from 0 to ``base * 2**n`` seconds, at most ``ceiling``.

    An error that carries ``retry_after`` (seconds that the other side asked for) is waited for at least that long. A
    pause that would not fit into ``time_left()`` is not begun: the error is raised, and the next call tries again.
    """

    attempts: int = 5
    base_seconds: float = 0.25
    ceiling_seconds: float = 20
    time_left: Callable[[], float] = no_deadline
    sleep: Callable[[float], None] = time.sleep
    random_between: Callable[[float, float], float] = random.uniform

    def run(self, call: Callable[[], T]) -> T:
        """The result of ``call``, tried again while its error may pass."""
        failures = 0
        while True:
            try:
                return call()
            except ExportsError as error:
                failures += 1
                self.wait_or_raise(failures, error)

    def wait_or_raise(self, failures: int, error: ExportsError) -> None:
        """Wait after the ``failures``-th failure in a row, or raise ``error`` when that would be no use."""
        if failures >= self.attempts or not is_retryable(error):
            raise error
        drawn = self.random_between(0, min(self.ceiling_seconds, self.base_seconds * 2**failures))
        seconds = max(drawn, getattr(error, "retry_after", 0.0))
        if seconds >= self.time_left():
            raise error
        self.sleep(seconds)
