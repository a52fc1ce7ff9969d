"""How long a failed try is repeated."""

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
    SourceError,
    UrlExpired,
)
from exports.model import Reason
from exports.retry import OutOfTime, is_retryable
from tests.unit.fakes import FakeClock

RETRYABLE_CODES: list[ExportsError] = [
    SourceError("x"),
    SourceBusy(503, 0.0),
    ServiceError("SlowDown"),
    ServiceError("500"),
]
LASTING: list[ExportsError] = [
    NonRetryableError("SlowDown"),
    ServiceError("NoSuchKey"),
    ServiceError("NoCredentialsError"),
    UrlExpired("x"),
    SourceChanged("x"),
    OutOfTime(),
    Rejected(Reason.GONE, "x"),
    ClaimLost("x"),
]


class Attempts:
    """A call that fails so often before it is done."""

    def __init__(self, failures: int, error: ExportsError) -> None:
        self.count = 0
        self._failures = failures
        self._error = error

    def __call__(self) -> str:
        self.count += 1
        if self.count <= self._failures:
            raise self._error
        return "done"


@pytest.mark.parametrize("error", RETRYABLE_CODES, ids=repr)
def test_passing_error_is_repeated(error: ExportsError) -> None:
    clock, call = FakeClock(), Attempts(2, error)

    assert clock.retry_policy().run(call) == "done"
    assert clock.pauses == [0.5, 1.0]


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_lasting_error_is_raised_at_once(error: ExportsError) -> None:
    clock, call = FakeClock(), Attempts(1, error)

    with pytest.raises(type(error)):
        clock.retry_policy().run(call)

    assert not is_retryable(error)
    assert call.count == 1
    assert not clock.pauses


def test_attempts_are_bounded() -> None:
    clock, call = FakeClock(), Attempts(99, SourceError("x"))

    with pytest.raises(SourceError):
        clock.retry_policy(3).run(call)

    assert call.count == 3


def test_pauses_grow_to_a_ceiling_and_are_drawn_from_zero() -> None:
    clock = FakeClock()
    longest = clock.retry_policy(10)

    for retry_policy in (longest, replace(longest, random_between=lambda low, high: low)):
        with pytest.raises(SourceError):
            retry_policy.run(Attempts(99, SourceError("x")))

    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0, *[0.0] * 9]


def test_what_the_other_side_asks_for_is_waited_at_least() -> None:
    clock = FakeClock()

    clock.retry_policy().run(Attempts(1, SourceBusy(503, 30.0)))

    assert clock.pauses == [30.0]


def test_pause_that_does_not_fit_into_the_time_left_is_not_begun() -> None:
    clock = FakeClock()

    with pytest.raises(SourceBusy):
        clock.retry_policy(time_left=lambda: 29.0).run(Attempts(1, SourceBusy(503, 30.0)))

    assert not clock.pauses
