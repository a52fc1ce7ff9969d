"""As many workers carry at once as gain something by it."""

import threading
from contextlib import ExitStack

import pytest

from exports.turnstile import LOOK_SECONDS, Turnstile


class Machine:
    """A clock and a processor that is busy for a given share of the time."""

    def __init__(self) -> None:
        self.now = self.worked = 0.0

    def passes(self, seconds: float, *, busy: float) -> None:
        self.now += seconds
        self.worked += seconds * busy


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def turnstile(machine: Machine) -> Turnstile:
    return Turnstile(8, clock=lambda: machine.now, processor=lambda: machine.worked)


def seen(turnstile: Turnstile, machine: Machine, *busy: float) -> list[int]:
    """How many are allowed after each look at a processor that was that busy."""
    allowed = []
    for share in busy:
        machine.passes(LOOK_SECONDS * 2, busy=share)
        turnstile.look()
        allowed.append(turnstile.allowed)
    return allowed


def test_all_workers_carry_on_a_slow_line(turnstile: Turnstile, machine: Machine) -> None:
    assert seen(turnstile, machine, 0.1, 0.5, 0.8) == [8, 8, 8]


def test_on_a_fast_line_fewer_carry_but_never_none(turnstile: Turnstile, machine: Machine) -> None:
    assert seen(turnstile, machine, 1.0, 1.1, 1.0, 1.0) == [4, 2, 1, 1]


def test_when_the_line_gets_slow_all_come_back(turnstile: Turnstile, machine: Machine) -> None:
    assert seen(turnstile, machine, 1.0, 1.0, 1.0, 0.8, 0.2, 0.2, 0.2, 0.2) == [4, 2, 1, 1, 2, 4, 8, 8]


def test_a_moment_tells_nothing(turnstile: Turnstile, machine: Machine) -> None:
    machine.passes(LOOK_SECONDS / 2, busy=1.0)
    turnstile.look()

    assert turnstile.allowed == 8


def test_no_more_are_inside_than_are_allowed(turnstile: Turnstile, machine: Machine) -> None:
    entered = threading.Event()

    def enter() -> None:
        with turnstile.turn():
            entered.set()

    with ExitStack() as inside:
        for _ in range(4):
            inside.enter_context(turnstile.turn())
        machine.passes(1, busy=1.0)
        turnstile.look()
        waiting = threading.Thread(target=enter)
        waiting.start()
        assert not entered.wait(3 * LOOK_SECONDS)
    waiting.join(timeout=10)

    assert entered.is_set()
