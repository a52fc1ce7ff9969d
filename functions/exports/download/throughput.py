"""Minimum throughput: a read from a source that sends too slowly fails while there is time left to report it.

A socket's timeout limits only the wait for the next byte. A source that sends one byte a second never exceeds it, in
headers or body. The monitor measures the time of all receiving.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exports.errors import SourceError
from exports.retry import OutOfTime, no_deadline

WINDOW_SECONDS = 20.0
MIN_BYTES = 20 * 1024
"""Minimum bytes in each window: 1 KiB/s, far below any useful connection."""


@dataclass(slots=True)
class ThroughputMonitor:
    """Compares a connection's bytes with the time spent waiting for them. Time between reads does not count."""

    time_left: Callable[[], float] = no_deadline
    clock: Callable[[], float] = time.monotonic
    window_seconds: float = WINDOW_SECONDS
    min_bytes: int = MIN_BYTES
    _waited: float = field(default=0.0, init=False)
    _bytes: int = field(default=0, init=False)

    def record(self, count: int, seconds: float) -> None:
        """Record ``count`` bytes received in ``seconds``. Raises OutOfTime, or SourceError if they are too few."""
        if self.time_left() <= 0:
            raise OutOfTime
        self._waited += seconds
        self._bytes += count
        if self._waited < self.window_seconds:
            return
        if self._bytes < self.min_bytes:
            raise SourceError("the source sends too slowly")
        self._waited, self._bytes = 0.0, 0


class MonitoredSocket(ssl.SSLSocket):
    """A TLS socket that reports received bytes to ``monitor``. It is the ``sslsocket_class`` of the TLS context."""

    monitor: ThroughputMonitor | None = None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if self.monitor is None:
            return super().recv_into(buffer, nbytes, flags)
        started = self.monitor.clock()
        count = super().recv_into(buffer, nbytes, flags)
        self.monitor.record(count, self.monitor.clock() - started)
        return count
