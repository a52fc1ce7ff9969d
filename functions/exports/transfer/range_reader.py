"""A range of the source as a file to upload from: read once, front to back, through one small buffer."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from exports.errors import ExportsError, SourceError
from exports.retry import RetryPolicy

if TYPE_CHECKING:
    from exports.download.download import FullBody, Probe

RESET_RETRIES_AFTER_BYTES = 1024 * 1024
"""Bytes after which an earlier break is forgotten: a long part may break more often than a short one."""


class Source(Protocol):
    """Where the bytes of a copy come from: :class:`exports.download.download.Download`, or bytes in memory in tests."""

    def probe(self) -> "Probe": ...
    def whole(self) -> "AbstractContextManager[FullBody]": ...

    def read(self, first: int, last: int, etag: str) -> Iterator[bytes]:
        """Bytes ``first`` to ``last`` (inclusive) of the version ``etag``, once; ends early only by an error."""
        ...


class Cancelled(ExportsError):
    """The bytes are no longer wanted: another worker has failed, or needs the line for itself."""


class RangeReader:
    """Bytes ``first`` to ``last`` (inclusive) of the version ``etag``; a break is mended from the byte where it broke.

    It gives all of its bytes or raises, so what is uploaded from it is whole or does not arrive. ``failure`` keeps what
    it raised: botocore, through which the error passes, tells only that sending failed.
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
        self._at = first
        self._chunks: Iterator[bytes] | None = None
        self._chunk = io.BytesIO()
        self._failures = 0
        self._broke_at = first

    @property
    def progress(self) -> float:
        """How much of it has been read, from 0 to 1."""
        return (self._at - self._range[0]) / len(self)

    def __len__(self) -> int:
        first, last = self._range
        return last - first + 1

    def read(self, size: int = -1, /) -> bytes:
        """The next ``size`` bytes (below 0: all), fewer only at the end."""
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
        """Let go of the connection, if one is still open."""
        close = getattr(self._chunks, "close", None)
        if close:
            close()

    def _next(self) -> bytes:
        while self._at <= self._range[1]:
            if self._cancelled():
                raise Cancelled
            try:
                return self._receive()
            except SourceError as error:
                self._reconnect(error)
        return b""

    def _receive(self) -> bytes:
        if self._chunks is None:
            self._chunks = self._source.read(self._at, self._range[1], self._etag)
        chunk = next(self._chunks, b"")
        if not chunk:
            raise SourceError("the source ended too early")
        self._at += len(chunk)
        return chunk

    def _reconnect(self, error: SourceError) -> None:
        self._chunks = None
        if self._at - self._broke_at >= RESET_RETRIES_AFTER_BYTES:
            self._failures = 0
        self._failures += 1
        self._broke_at = self._at
        self._retry_policy.wait_or_raise(self._failures, error)
