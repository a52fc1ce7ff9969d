"""How many workers carry at once: fewer once the processor, not the line, is what they wait for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LOOK_SECONDS = 0.05
"""Between two looks at the processor."""
IDLE, BUSY = 0.6, 0.95
"""Seconds of processor time in a second, below which more workers help, and above which they only get in the way: as
Python runs one thread at a time, each has to wait for the others after every 16 KiB that TLS gives it.
"""


@dataclass(slots=True)
class Turnstile:
    """Lets ``most`` workers in, half as many after each look at a busy processor, twice as many after an idle one.

    Slow connections leave the processor idle, and many of them are quicker than one. On a fast line a worker or two
    carry all that can be encrypted, and take less of the processor for it than eight.
    """

    most: int
    clock: Callable[[], float] = time.monotonic
    processor: Callable[[], float] = time.process_time
    allowed: int = field(init=False)
    _inside: int = field(default=0, init=False)
    _looked: tuple[float, float] = field(init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    def __post_init__(self) -> None:
        self.allowed = self.most
        self._looked = self.clock(), self.processor()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until there is room for one more worker, and hold its place."""
        with self._changed:
            self.look()
            while self._inside >= self.allowed:
                self._changed.wait(LOOK_SECONDS)
                self.look()
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify()

    def look(self) -> None:
        """Allow more or fewer, if the last look is long enough ago."""
        (then, worked), (now, works) = self._looked, (self.clock(), self.processor())
        if now - then < LOOK_SECONDS:
            return
        self._looked = now, works
        busy = (works - worked) / (now - then)
        if busy < IDLE:
            self.allowed = min(self.most, self.allowed * 2)
        elif busy > BUSY:
            self.allowed = max(1, self.allowed // 2)
