"""HTTP/1.1 as far as S3 clients use it: heads, and bodies in their framings, with no byte copied that need not be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ssl import SSLSocket
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

BUFFER = 64 * 1024


class Stream(Protocol):
    def some(self, most: int) -> memoryview:
        """At least one byte, at most ``most``; valid until the next call."""
        ...

    def line(self) -> bytes: ...


class HungUp(ConnectionError):
    """The other side ended the connection."""


@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` by their names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class Received:
    """What comes over a connection. TLS gives at most one record (16 KiB) at a time."""

    def __init__(self, connection: SSLSocket) -> None:
        self._connection = connection
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def some(self, most: int) -> memoryview:
        if self._start == self._end:
            self._start = self._end = 0
            self._fill()
        begin = self._start
        self._start = min(self._end, begin + most)
        return self._view[begin : self._start]

    def line(self) -> bytes:
        while (at := self._buffer.find(b"\r\n", self._start, self._end)) < 0:
            self._make_room()
            self._fill()
        line = bytes(self._view[self._start : at])
        self._start = at + 2
        return line

    def _make_room(self) -> None:
        if self._start:
            self._buffer[: self._end - self._start] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, self._end - self._start

    def _fill(self) -> None:
        count = self._connection.recv_into(self._view[self._end :])
        if not count:
            raise HungUp
        self._end += count


class Chunked:
    """The inside of HTTP's chunks."""

    def __init__(self, inner: Stream) -> None:
        self._inner = inner
        self._left = 0

    def some(self, most: int) -> memoryview:
        if not self._left:
            self._left = int(self._inner.line(), 16)
        block = self._inner.some(min(most, self._left))
        self._left -= len(block)
        if not self._left:
            self._inner_line_after(block)
        return block

    def _inner_line_after(self, block: memoryview) -> None:
        """Skip the line end that follows a chunk; it lies behind ``block``, which stays valid as long as it must."""
        self._owed = True

    def line(self) -> bytes:
        return _line(self)


def _line(stream: Stream) -> bytes:
    line = bytearray()
    while not line.endswith(b"\r\n"):
        line += stream.some(1)
    return bytes(line[:-2])
