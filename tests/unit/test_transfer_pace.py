"""A peer that trickles is noticed; one that waits for us is not blamed."""

import pytest

from exports.errors import SourceError
from exports.pace import LEAST_BYTES, WINDOW_SECONDS, Pace
from exports.retries import OutOfTime


def test_one_byte_a_second_is_too_slow_within_one_window() -> None:
    pace = Pace()
    for _ in range(int(WINDOW_SECONDS) - 1):
        pace.received(1, 1.0)

    with pytest.raises(SourceError, match="too slowly"):
        pace.received(1, 1.0)


def test_slow_but_steady_is_let_be() -> None:
    pace = Pace()

    for _ in range(200):
        pace.received(LEAST_BYTES // 20, 1.0)


def test_fast_bytes_before_a_stall_do_not_excuse_it_for_long() -> None:
    pace = Pace()
    pace.received(10**9, WINDOW_SECONDS)
    for _ in range(int(WINDOW_SECONDS) - 1):
        pace.received(1, 1.0)

    with pytest.raises(SourceError, match="too slowly"):
        pace.received(1, 1.0)


def test_time_between_reads_is_not_the_peers_fault() -> None:
    clock = iter(range(0, 10**9, 1000))
    pace = Pace(clock=lambda: float(next(clock)))

    for _ in range(1000):
        pace.received(1, 0.001)


def test_end_of_the_time_left_ends_a_read() -> None:
    left = iter([1.0, 0.5, 0.0])
    pace = Pace(time_left=lambda: next(left))
    pace.received(1000, 0.0)
    pace.received(1000, 0.0)

    with pytest.raises(OutOfTime):
        pace.received(1000, 0.0)
