"""How fast bytes pass: a rate for each connection, a cap for the whole machine, and a delay before each answer."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

BURST_SECONDS = 0.02
"""Of unused rate that is saved: enough to make up for a sleep that lasted too long, too little to matter."""


@dataclass(frozen=True, slots=True)
class Network:
    """Bytes a second: ``rate`` of a connection, ``cap`` of all connections of a server together; 0: no limit."""

    rate: float = 0
    cap: float = 0
    latency_seconds: float = 0


UNLIMITED = Network()


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


class Line:
    """A network at work. What is read never slows down what is written: each server has a line of its own."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._machine = Pace(network.cap)

    def wait_for_answer(self) -> None:
        time.sleep(self._network.latency_seconds)

    def connection(self) -> Callable[[int], None]:
        """What waits until so many bytes have passed over a new connection."""
        own = Pace(self._network.rate)

        def wait_for(count: int) -> None:
            own.wait_for(count)
            self._machine.wait_for(count)

        return wait_for
