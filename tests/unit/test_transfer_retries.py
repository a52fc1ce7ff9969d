"""How long a failed try is repeated."""

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
from exports.retries import OutOfTime, Patience, may_pass

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


class Slept:
    def __init__(self) -> None:
        self.pauses: list[float] = []

    def patience(self, *, attempts: int = 5, time_left: float = 1e9, share: float = 1.0) -> Patience:
        return Patience(
            attempts,
            time_left=lambda: time_left - sum(self.pauses),
            sleep=self.pauses.append,
            draw=lambda low, high: low + share * (high - low),
        )


def failing(times: int, error: ExportsError) -> "Attempts":
    return Attempts(times, error)


class Attempts:
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
    slept, call = Slept(), failing(2, error)

    assert slept.patience().run(call) == "done"
    assert slept.pauses == [0.5, 1.0]


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_lasting_error_is_raised_at_once(error: ExportsError) -> None:
    slept, call = Slept(), failing(1, error)

    with pytest.raises(type(error)):
        slept.patience().run(call)

    assert not may_pass(error)
    assert call.count == 1
    assert not slept.pauses


def test_attempts_are_bounded() -> None:
    slept, call = Slept(), failing(99, SourceError("x"))

    with pytest.raises(SourceError):
        slept.patience(attempts=3).run(call)

    assert call.count == 3


def test_pauses_grow_to_a_ceiling_and_are_drawn_from_zero() -> None:
    slept = Slept()
    with pytest.raises(SourceError):
        slept.patience(attempts=10).run(failing(99, SourceError("x")))
    none = Slept()
    with pytest.raises(SourceError):
        none.patience(attempts=10, share=0.0).run(failing(99, SourceError("x")))

    assert slept.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]
    assert none.pauses == [0.0] * 9


def test_what_the_other_side_asks_for_is_waited_at_least() -> None:
    slept = Slept()

    slept.patience().run(failing(1, SourceBusy(503, 30.0)))

    assert slept.pauses == [30.0]


def test_pause_that_does_not_fit_into_the_time_left_is_not_begun() -> None:
    slept = Slept()

    with pytest.raises(SourceBusy):
        slept.patience(time_left=29.0).run(failing(1, SourceBusy(503, 30.0)))

    assert not slept.pauses
