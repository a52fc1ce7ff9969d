"""A source below the minimum throughput is an error; time between reads does not count."""

import pytest

from exports.download.throughput import MIN_BYTES, WINDOW_SECONDS, ThroughputMonitor
from exports.errors import SourceError
from exports.retry import OutOfTime


def test_one_byte_a_second_is_too_slow_within_one_window() -> None:
    monitor = ThroughputMonitor()
    for _ in range(int(WINDOW_SECONDS) - 1):
        monitor.record(1, 1.0)

    with pytest.raises(SourceError, match="too slowly"):
        monitor.record(1, 1.0)


def test_slow_but_sufficient_throughput_is_accepted() -> None:
    monitor = ThroughputMonitor()

    for _ in range(200):
        monitor.record(MIN_BYTES // 20, 1.0)


def test_a_stall_after_fast_bytes_is_detected_within_one_window() -> None:
    monitor = ThroughputMonitor()
    monitor.record(10**9, WINDOW_SECONDS)
    for _ in range(int(WINDOW_SECONDS) - 1):
        monitor.record(1, 1.0)

    with pytest.raises(SourceError, match="too slowly"):
        monitor.record(1, 1.0)


def test_time_between_reads_does_not_count() -> None:
    clock = iter(range(0, 10**9, 1000))
    monitor = ThroughputMonitor(clock=lambda: float(next(clock)))

    for _ in range(1000):
        monitor.record(1, 0.001)


def test_a_read_ends_when_no_time_is_left() -> None:
    left = iter([1.0, 0.5, 0.0])
    monitor = ThroughputMonitor(time_left=lambda: next(left))
    monitor.record(1000, 0.0)
    monitor.record(1000, 0.0)

    with pytest.raises(OutOfTime):
        monitor.record(1000, 0.0)
