"""A byte range of the source as a file object for an upload: read once, in order, through a small buffer."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from exports.errors import ExportsError, SourceError
from exports.retry import RetryPolicy

if TYPE_CHECKING:
    from exports.download.download import FullBody, Probe

RESET_RETRIES_AFTER_BYTES = 1024 * 1024
"""Bytes after which the failure count restarts: a long part may see more interruptions than a short one."""


class Source(Protocol):
    """What a copy reads from: :class:`exports.download.download.Download`, or bytes in memory in tests."""

    def probe(self) -> "Probe": ...
    def full_body(self) -> "AbstractContextManager[FullBody]": ...

    def read(self, first: int, last: int, etag: str) -> Iterator[bytes]:
        """Bytes ``first`` to ``last`` (inclusive) of the version ``etag``: one attempt, all of them or an error."""
        ...


class Cancelled(ExportsError):
    """The bytes are no longer needed: another worker has failed, or needs the whole bandwidth."""


class RangeReader:
    """Bytes ``first`` to ``last`` (inclusive) of the version ``etag``. After an interruption, it resumes at that byte.

    It returns all of its bytes or raises, so an upload from it is complete or fails. ``failure`` is the error that it
    raised: botocore, which the error passes through, reports only that sending failed.
    """

    def __init__(
        self,
        source: Source,
        first: int,
        last: int,
        etag: str,
        retry_policy: RetryPolicy,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.failure: ExportsError | None = None
        self._source = source
        self._range = first, last
        self._etag = etag
        self._retry_policy = retry_policy
        self._cancelled = cancelled
        self._position = first
        self._chunks: Iterator[bytes] | None = None
        self._chunk = io.BytesIO()
        self._failures = 0
        self._failed_at = first

    @property
    def progress(self) -> float:
        """The fraction of the range that has been read, from 0 to 1."""
        return (self._position - self._range[0]) / len(self)

    def __len__(self) -> int:
        first, last = self._range
        return last - first + 1

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes (negative: all), fewer only at the end."""
        wanted = len(self) if size < 0 else size
        try:
            data = self._chunk.read(wanted)
            while len(data) < wanted and (chunk := self._next()):
                self._chunk = io.BytesIO(chunk)
                data += self._chunk.read(wanted - len(data))
        except ExportsError as error:
            self.failure = error
            raise
        return data

    def close(self) -> None:
        """Close the connection, if one is open."""
        close = getattr(self._chunks, "close", None)
        if close:
            close()

    def _next(self) -> bytes:
        while self._position <= self._range[1]:
            if self._cancelled():
                raise Cancelled
            try:
                return self._receive()
            except SourceError as error:
                self._reconnect(error)
        return b""

    def _receive(self) -> bytes:
        if self._chunks is None:
            self._chunks = self._source.read(self._position, self._range[1], self._etag)
        chunk = next(self._chunks, b"")
        if not chunk:
            raise SourceError("the source ended too early")
        self._position += len(chunk)
        return chunk

    def _reconnect(self, error: SourceError) -> None:
        self._chunks = None
        if self._position - self._failed_at >= RESET_RETRIES_AFTER_BYTES:
            self._failures = 0
        self._failures += 1
        self._failed_at = self._position
        self._retry_policy.wait_or_raise(self._failures, error)
