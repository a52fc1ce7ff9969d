"""Sockets that notice a peer which trickles: a read that takes for ever must fail while there is time to say so.

A socket's timeout bounds the wait for the next byte only, so one byte a second passes it for ever, in headers as in a
body. Here all receiving is timed.
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
"""Least that must come in each window: 1 KiB/s, far below any link that is worth waiting for."""


@dataclass(slots=True)
class ThroughputMonitor:
    """Counts a connection's bytes against the time spent waiting for them, not against the time between reads."""

    time_left: Callable[[], float] = no_deadline
    clock: Callable[[], float] = time.monotonic
    window_seconds: float = WINDOW_SECONDS
    least_bytes: int = MIN_BYTES
    _waited: float = field(default=0.0, init=False)
    _came: int = field(default=0, init=False)

    def received(self, count: int, seconds: float) -> None:
        """``count`` bytes came after a wait of ``seconds``. Raises OutOfTime, or SourceError when it is too slow."""
        if self.time_left() <= 0:
            raise OutOfTime
        self._waited += seconds
        self._came += count
        if self._waited < self.window_seconds:
            return
        if self._came < self.least_bytes:
            raise SourceError("the source sends too slowly to go on")
        self._waited, self._came = 0.0, 0


class MonitoredSocket(ssl.SSLSocket):
    """A TLS socket that tells ``monitor`` of what it receives. Made by a context whose ``sslsocket_class`` it is."""

    monitor: ThroughputMonitor | None = None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if self.monitor is None:
            return super().recv_into(buffer, nbytes, flags)
        started = self.monitor.clock()
        count = super().recv_into(buffer, nbytes, flags)
        self.monitor.received(count, self.monitor.clock() - started)
        return count
