"""Workers that carry parts of one upload at the same time, each from a ranged GET of its own into an UploadPart."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from exports.errors import ExportsError
from exports.pipes import Pipe, Source, Stopped
from exports.retries import OutOfTime, Patience, may_pass
from exports.uploads import Bucket, Part, Upload


@dataclass(slots=True)
class Crew:
    """Carries the parts ``numbers`` of ``upload`` until none is left, the time is spent, or one fails for good.

    Memory does not depend on the size of parts or file: a worker holds a chunk or two.
    """

    source: Source
    target: Bucket
    upload: Upload
    numbers: Sequence[int]
    patience: Patience
    clock: Callable[[], float] = time.monotonic
    done: dict[int, Part] = field(default_factory=dict, init=False)
    _rest: Iterator[int] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _in_hand: dict[int, Pipe] = field(default_factory=dict, init=False)
    _given: float = field(default=0.0, init=False)
    _failure: BaseException | None = field(default=None, init=False)
    _drop: bool = field(default=False, init=False)
    _slowest: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._rest = iter(self.numbers)

    def work(self, workers: int) -> dict[int, Part]:
        """The parts that were carried. Raises the first failure; what arrived before it is S3's to tell."""
        self._given = self.patience.time_left()
        hands = min(workers, len(self.numbers))
        if hands:
            with ThreadPoolExecutor(hands, thread_name_prefix="carry") as pool:
                for _ in range(hands):
                    pool.submit(self._carry_on)
        if self._failure is not None:
            raise self._failure
        return self.done

    def _carry_on(self) -> None:
        try:
            while (number := self._next()) is not None:
                self._carry(number)
        except (OutOfTime, Stopped):
            return
        except BaseException as error:  # a thread's exception would be lost; `work` raises it
            self._fail(error)

    def _next(self) -> int | None:
        """The next part to carry; None when there is none, no time for one more, or no use."""
        with self._lock:
            if self._failure is not None or self.patience.time_left() <= self._slowest:
                return None
            return next(self._rest, None)

    def _carry(self, number: int) -> None:
        started = self.clock()
        part = self._deliver(number)
        with self._lock:
            self.done[number] = part
            self._slowest = max(self._slowest, self.clock() - started)

    def _deliver(self, number: int) -> Part:
        """One part, sent again when S3 failed to take it. The pipe has tried again whatever concerns the source."""
        first, last = self.upload.span(number)
        failures = 0
        while True:
            pipe = Pipe(self.source, first, last, self.upload.etag, self.patience, partial(self._unwanted, number))
            with self._lock:
                self._in_hand[number] = pipe
            try:
                return self.target.put_part(self.upload.key, self.upload.upload_id, number, pipe, len(pipe))
            except ExportsError as error:
                if pipe.failure is not None:
                    raise pipe.failure from None
                failures += 1
                self.patience.pause(failures, error)
            finally:
                pipe.close()
                with self._lock:
                    del self._in_hand[number]

    def _unwanted(self, number: int) -> bool:
        """Whether to let go of part ``number``, so that the call does not end with many parts begun and none done.

        When half of the time is spent, no part is done and this one would not be in time either, it makes room for the
        first of those in hand: on a slow line, too, some part arrives in each call.
        """
        with self._lock:
            if self._drop or self.done or number == min(self._in_hand):
                return self._drop
            spent = self._given - self.patience.time_left()
            return spent > self._given / 2 and self._in_hand[number].share * self._given < spent

    def _fail(self, error: BaseException) -> None:
        """Remember the first failure. Others finish the part they have in hand, unless the upload is lost anyway."""
        with self._lock:
            self._failure = self._failure or error
            self._drop = self._drop or not (isinstance(error, ExportsError) and may_pass(error))
