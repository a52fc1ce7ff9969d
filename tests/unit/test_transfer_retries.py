"""How long a failed try is repeated."""

from dataclasses import replace

import pytest

from exports.errors import (
    CallRefused,
    ClaimLost,
    ExportsError,
    LinkExpired,
    Rejected,
    ServiceError,
    SourceChanged,
    SourceError,
)
from exports.links import SourceBusy
from exports.model import Reason
from exports.retries import OutOfTime, may_pass
from tests.unit.fakes import FakeClock

PASSING: list[ExportsError] = [SourceError("x"), SourceBusy(503, 0.0), ServiceError("SlowDown"), ServiceError("500")]
LASTING: list[ExportsError] = [
    CallRefused("SlowDown"),
    ServiceError("NoSuchKey"),
    ServiceError("NoCredentialsError"),
    LinkExpired("x"),
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


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_passing_error_is_repeated(error: ExportsError) -> None:
    clock, call = FakeClock(), Attempts(2, error)

    assert clock.patience().run(call) == "done"
    assert clock.pauses == [0.5, 1.0]


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_lasting_error_is_raised_at_once(error: ExportsError) -> None:
    clock, call = FakeClock(), Attempts(1, error)

    with pytest.raises(type(error)):
        clock.patience().run(call)

    assert not may_pass(error)
    assert call.count == 1
    assert not clock.pauses


def test_attempts_are_bounded() -> None:
    clock, call = FakeClock(), Attempts(99, SourceError("x"))

    with pytest.raises(SourceError):
        clock.patience(3).run(call)

    assert call.count == 3


def test_pauses_grow_to_a_ceiling_and_are_drawn_from_zero() -> None:
    clock = FakeClock()
    longest = clock.patience(10)

    for patience in (longest, replace(longest, draw=lambda low, high: low)):
        with pytest.raises(SourceError):
            patience.run(Attempts(99, SourceError("x")))

    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0, *[0.0] * 9]


def test_what_the_other_side_asks_for_is_waited_at_least() -> None:
    clock = FakeClock()

    clock.patience().run(Attempts(1, SourceBusy(503, 30.0)))

    assert clock.pauses == [30.0]


def test_pause_that_does_not_fit_into_the_time_left_is_not_begun() -> None:
    clock = FakeClock()

    with pytest.raises(SourceBusy):
        clock.patience(time_left=lambda: 29.0).run(Attempts(1, SourceBusy(503, 30.0)))

    assert not clock.pauses
