"""A peer that trickles is noticed; one that waits for us is not blamed."""

import pytest

from exports.download.throughput import MIN_BYTES, WINDOW_SECONDS, ThroughputMonitor
from exports.errors import SourceError
from exports.retry import OutOfTime


def test_one_byte_a_second_is_too_slow_within_one_window() -> None:
    monitor = ThroughputMonitor()
    for _ in range(int(WINDOW_SECONDS) - 1):
        monitor.received(1, 1.0)

    with pytest.raises(SourceError, match="too slowly"):
        monitor.received(1, 1.0)


def test_slow_but_steady_is_let_be() -> None:
    monitor = ThroughputMonitor()

    for _ in range(200):
        monitor.received(MIN_BYTES // 20, 1.0)


def test_fast_bytes_before_a_stall_do_not_excuse_it_for_long() -> None:
    monitor = ThroughputMonitor()
    monitor.received(10**9, WINDOW_SECONDS)
    for _ in range(int(WINDOW_SECONDS) - 1):
        monitor.received(1, 1.0)

    with pytest.raises(SourceError, match="too slowly"):
        monitor.received(1, 1.0)


def test_time_between_reads_is_not_the_peers_fault() -> None:
    clock = iter(range(0, 10**9, 1000))
    monitor = ThroughputMonitor(clock=lambda: float(next(clock)))

    for _ in range(1000):
        monitor.received(1, 0.001)


def test_end_of_the_time_left_ends_a_read() -> None:
    left = iter([1.0, 0.5, 0.0])
    monitor = ThroughputMonitor(time_left=lambda: next(left))
    monitor.received(1000, 0.0)
    monitor.received(1000, 0.0)

    with pytest.raises(OutOfTime):
        monitor.received(1000, 0.0)
