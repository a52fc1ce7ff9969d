"""Network limits: a rate for each connection, a cap for all connections, and a latency before each response."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

BURST_SECONDS = 0.02
"""Unused rate that is carried over: compensates for a sleep that is too long, and is too short to matter otherwise."""


@dataclass(frozen=True, slots=True)
class Network:
    """Bytes per second: ``rate`` of one connection, ``cap`` of all connections of a server together; 0: no limit."""

    rate: float = 0
    cap: float = 0
    latency_seconds: float = 0


UNLIMITED = Network()


class RateLimiter:
    """Limits all its threads together to ``rate`` bytes per second; 0: no limit."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait_for(self, count: int) -> None:
        """Block until ``count`` bytes may have passed."""
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - BURST_SECONDS) + count / self._rate
            seconds = self._free_at - now
        if seconds > 0:
            time.sleep(seconds)


class Line:
    """Applies a ``Network`` to the connections of one server, so reads from one never slow down writes to another."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._total = RateLimiter(network.cap)

    def wait_for_response(self) -> None:
        time.sleep(self._network.latency_seconds)

    def connection(self) -> Callable[[int], None]:
        """A function for a new connection that blocks until the given number of bytes may have passed."""
        own = RateLimiter(self._network.rate)

        def wait_for(count: int) -> None:
            own.wait_for(count)
            self._total.wait_for(count)

        return wait_for
