"""How long a test waits: as long as something moves, and so many looks when nothing does."""

from itertools import count

import pytest

from tests.local import waiting
from tests.local.waiting import NeverHappened, until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_LOOKS", 3)
    monkeypatch.setattr(waiting, "PAUSE_SECONDS", 0)


def test_the_first_true_answer_is_given() -> None:
    answers = iter([None, 0, "there"])

    assert until(lambda: next(answers), what="an answer") == "there"


def test_what_never_happens_is_named() -> None:
    looks = count()

    with pytest.raises(NeverHappened, match=r"^the end: not after 3 looks$"):
        until(lambda: bool(next(looks) < 0), what="the end")

    assert next(looks) == 3


def test_whatever_moves_is_waited_for() -> None:
    looks, steps = count(), count()

    until(lambda: next(looks) == 100, what="the end", progress=lambda: next(steps) // 2)
