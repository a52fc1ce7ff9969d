"""Workers that carry parts of one upload at the same time, each from a ranged GET of its own into an UploadPart."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from exports.errors import ExportsError
from exports.retry import OutOfTime, RetryPolicy, is_retryable
from exports.s3.multipart import ObjectStore, Part, Upload
from exports.transfer.range_reader import Cancelled, RangeReader, Source


@dataclass(slots=True)
class PartCopier:
    """Carries the parts ``numbers`` of ``upload`` until none is left, the time is spent, or one fails for good.

    Memory does not depend on the size of parts or file: a worker holds a chunk or two.
    """

    source: Source
    target: ObjectStore
    upload: Upload
    numbers: Sequence[int]
    retry_policy: RetryPolicy
    clock: Callable[[], float] = time.monotonic
    done: dict[int, Part] = field(default_factory=dict, init=False)
    _rest: Iterator[int] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _in_flight: dict[int, RangeReader] = field(default_factory=dict, init=False)
    _budget: float = field(default=0.0, init=False)
    _failure: BaseException | None = field(default=None, init=False)
    _cancel_rest: bool = field(default=False, init=False)
    _slowest: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._rest = iter(self.numbers)

    def run(self, workers: int) -> dict[int, Part]:
        """The parts that were carried. Raises the first failure; what arrived before it is S3's to tell."""
        self._budget = self.retry_policy.time_left()
        worker_count = min(workers, len(self.numbers))
        if worker_count:
            with ThreadPoolExecutor(worker_count, thread_name_prefix="carry") as pool:
                for _ in range(worker_count):
                    pool.submit(self._copy_parts)
        if self._failure is not None:
            raise self._failure
        return self.done

    def _copy_parts(self) -> None:
        try:
            while (number := self._next()) is not None:
                self._copy_part(number)
        except (OutOfTime, Cancelled):
            return
        except BaseException as error:  # a thread's exception would be lost; `work` raises it
            self._fail(error)

    def _next(self) -> int | None:
        """The next part to carry; None when there is none, no time for one more, or no use."""
        with self._lock:
            if self._failure is not None or self.retry_policy.time_left() <= self._slowest:
                return None
            return next(self._rest, None)

    def _copy_part(self, number: int) -> None:
        started = self.clock()
        part = self._upload_part(number)
        with self._lock:
            self.done[number] = part
            self._slowest = max(self._slowest, self.clock() - started)

    def _upload_part(self, number: int) -> Part:
        """One part, sent again when S3 failed to take it. The pipe has tried again whatever concerns the source."""
        first, last = self.upload.byte_range(number)
        failures = 0
        while True:
            reader = RangeReader(
                self.source, first, last, self.upload.etag, self.retry_policy, partial(self._should_cancel, number)
            )
            with self._lock:
                self._in_flight[number] = reader
            try:
                return self.target.put_part(self.upload.key, self.upload.upload_id, number, reader, len(reader))
            except ExportsError as error:
                if reader.failure is not None:
                    raise reader.failure from None
                failures += 1
                self.retry_policy.wait_or_raise(failures, error)
            finally:
                reader.close()
                with self._lock:
                    del self._in_flight[number]

    def _should_cancel(self, number: int) -> bool:
        """Whether to let go of part ``number``, so that the call does not end with many parts begun and none done.

        When half of the time is spent, no part is done and this one would not be in time either, it makes room for the
        first of those in hand: on a slow line, too, some part arrives in each call.
        """
        with self._lock:
            if self._cancel_rest or self.done or number == min(self._in_flight):
                return self._cancel_rest
            spent = self._budget - self.retry_policy.time_left()
            return spent > self._budget / 2 and self._in_flight[number].progress * self._budget < spent

    def _fail(self, error: BaseException) -> None:
        """Remember the first failure. Others finish the part they have in hand, unless the upload is lost anyway."""
        with self._lock:
            self._failure = self._failure or error
            self._cancel_rest = self._cancel_rest or not (isinstance(error, ExportsError) and is_retryable(error))
