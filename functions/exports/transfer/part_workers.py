"""A thread pool that copies the parts of one upload, each from its own ranged GET to an UploadPart."""

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
    """Copies the parts ``numbers`` of ``upload`` until all are done, the time ends, or one fails permanently.

    Memory does not depend on the size of parts or file: each worker holds one or two chunks.
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
        """The parts that were copied. Raises the first failure; ListParts returns the parts that were stored before."""
        self._budget = self.retry_policy.time_left()
        worker_count = min(workers, len(self.numbers))
        if worker_count:
            with ThreadPoolExecutor(worker_count, thread_name_prefix="copy-part") as pool:
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
        except BaseException as error:  # a thread's exception would be lost; `run` raises it
            self._fail(error)

    def _next(self) -> int | None:
        """The next part to copy; None if none is left, there is no time for one, or another part has failed."""
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
        """Upload one part, with retries of S3's failures. The reader retries the source's failures itself."""
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
        """Whether to cancel part ``number``, so that the invocation does not end with many started parts and none done.

        Once half of the time is used, no part is done and this one would not finish in time, it is cancelled so that
        the first part in flight can finish: even over a slow connection, each invocation completes a part. With 8 parts
        of 16 MiB and 120 s, this happens below about 1 MB/s.
        """
        with self._lock:
            if self._cancel_rest or self.done or number == min(self._in_flight):
                return self._cancel_rest
            elapsed = self._budget - self.retry_policy.time_left()
            return elapsed > self._budget / 2 and self._in_flight[number].progress * self._budget < elapsed

    def _fail(self, error: BaseException) -> None:
        """Keep the first failure. Other workers finish their part in flight if a retry of the upload may succeed."""
        with self._lock:
            self._failure = self._failure or error
            self._cancel_rest = self._cancel_rest or not (isinstance(error, ExportsError) and is_retryable(error))
