"""The retry policy: which errors are retried, how often, and after which pauses."""

from dataclasses import replace

import pytest

from exports.download.download import SourceBusy
from exports.errors import (
    ClaimLost,
    ExportsError,
    NonRetryableError,
    Rejected,
    ServiceError,
    SourceChanged,
    SourceDenied,
    SourceError,
    UrlExpired,
)
from exports.model import Reason
from exports.retry import OutOfTime, is_retryable
from exports.s3.multipart import UploadGone
from tests.unit.fakes import FakeClock

RETRYABLE: list[ExportsError] = [
    SourceError("x"),
    SourceBusy(503, 0.0),
    ServiceError("SlowDown"),
    ServiceError("500"),
    ServiceError("ExpiredToken"),
]
PERMANENT: list[ExportsError] = [
    NonRetryableError("SlowDown"),
    NonRetryableError("NoSuchKey"),
    UploadGone(),
    UrlExpired("x"),
    SourceDenied("x"),
    SourceChanged("x"),
    OutOfTime(),
    Rejected(Reason.GONE, "x"),
    ClaimLost("x"),
]


class Attempts:
    """A call that fails ``failures`` times before it succeeds."""

    def __init__(self, failures: int, error: ExportsError) -> None:
        self.count = 0
        self._failures = failures
        self._error = error

    def __call__(self) -> str:
        self.count += 1
        if self.count <= self._failures:
            raise self._error
        return "done"


@pytest.mark.parametrize("error", RETRYABLE, ids=repr)
def test_retryable_error_is_retried(error: ExportsError) -> None:
    clock, call = FakeClock(), Attempts(2, error)

    assert clock.retry_policy().run(call) == "done"
    assert clock.pauses == [0.5, 1.0]


@pytest.mark.parametrize("error", PERMANENT, ids=repr)
def test_permanent_error_is_raised_at_once(error: ExportsError) -> None:
    clock, call = FakeClock(), Attempts(1, error)

    with pytest.raises(type(error)):
        clock.retry_policy().run(call)

    assert not is_retryable(error)
    assert call.count == 1
    assert not clock.pauses


def test_attempts_are_limited() -> None:
    clock, call = FakeClock(), Attempts(99, SourceError("x"))

    with pytest.raises(SourceError):
        clock.retry_policy(3).run(call)

    assert call.count == 3


def test_pauses_grow_to_a_maximum_with_full_jitter() -> None:
    clock = FakeClock()
    maximum = clock.retry_policy(10)

    for retry_policy in (maximum, replace(maximum, random_between=lambda low, high: low)):
        with pytest.raises(SourceError):
            retry_policy.run(Attempts(99, SourceError("x")))

    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0, *[0.0] * 9]


def test_retry_after_is_the_minimum_pause() -> None:
    clock = FakeClock()

    clock.retry_policy().run(Attempts(1, SourceBusy(503, 30.0)))

    assert clock.pauses == [30.0]


def test_no_retry_if_the_pause_exceeds_the_time_left() -> None:
    clock = FakeClock()

    with pytest.raises(SourceBusy):
        clock.retry_policy(time_left=lambda: 29.0).run(Attempts(1, SourceBusy(503, 30.0)))

    assert not clock.pauses
