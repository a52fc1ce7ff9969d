"""``until`` of the local tests: waits while there is progress, and gives up after a number of polls without any."""

from itertools import count

import pytest

from tests.local import waiting
from tests.local.waiting import NeverHappened, until


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_POLLS_WITHOUT_PROGRESS", 3)
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 0)


def test_the_first_true_result_is_returned() -> None:
    answers = iter([None, 0, "there"])

    assert until(lambda: next(answers), what="an answer") == "there"


def test_the_error_names_the_condition() -> None:
    polls = count()

    with pytest.raises(NeverHappened, match=r"^the end: not after 3 polls$"):
        until(lambda: bool(next(polls) < 0), what="the end")

    assert next(polls) == 3


def test_progress_extends_the_wait() -> None:
    polls, steps = count(), count()

    until(lambda: next(polls) == 100, what="the end", progress=lambda: next(steps) // 2)
