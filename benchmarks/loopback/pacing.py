"""How fast bytes may pass: one bucket of tokens for each connection, one for the whole machine, and a first delay."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

BURST_SECONDS = 0.02
"""Of tokens that are saved up: enough to make good for a sleep that lasted too long, too little to matter."""


class Pace:
    """Lets ``rate`` bytes a second pass, shared by all threads that ask; 0: any number."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait_for(self, count: int) -> None:
        """Return when ``count`` bytes would have passed."""
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - BURST_SECONDS) + count / self._rate
            seconds = self._free_at - now
        if seconds > 0:
            time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Line:
    """What the network is like. Each server has one: what is read never slows down what is written."""

    machine: Pace
    rate: float = 0
    latency_seconds: float = 0

    def connection(self) -> Callable[[int], None]:
        """Waits until so many bytes have passed over a new connection."""
        own = Pace(self.rate)

        def wait_for(count: int) -> None:
            own.wait_for(count)
            self.machine.wait_for(count)

        return wait_for
