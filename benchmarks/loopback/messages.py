"""HTTP/1.1 as far as S3 clients use it: heads, and bodies in their framings, with no byte copied that need not be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ssl import SSLSocket
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

BUFFER = 64 * 1024
NOTHING = memoryview(b"")


class Stream(Protocol):
    def some(self, most: int) -> memoryview:
        """At least one byte, at most ``most``, or none at the end; valid until the next call."""
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


class Counted:
    """The next ``count`` bytes of ``inner``, and then nothing."""

    def __init__(self, inner: Stream, count: int) -> None:
        self._inner = inner
        self._left = count

    def some(self, most: int) -> memoryview:
        if not self._left:
            return NOTHING
        block = self._inner.some(min(most, self._left))
        self._left -= len(block)
        return block

    def line(self) -> bytes:
        return _line(self)


class Chunked:
    """The inside of chunks, and the trailers behind them: HTTP frames so, and aws-chunked within HTTP does as well."""

    def __init__(self, inner: Stream) -> None:
        self.trailers: dict[str, str] = {}
        self._inner = inner
        self._left = 0
        self._begun = self._ended = False

    def some(self, most: int) -> memoryview:
        if not self._left and not self._ended:
            self._next_chunk()
        if self._ended:
            return NOTHING
        block = self._inner.some(min(most, self._left))
        self._left -= len(block)
        return block

    def line(self) -> bytes:
        return _line(self)

    def _next_chunk(self) -> None:
        if self._begun:
            self._inner.line()
        self._begun = True
        self._left = int(self._inner.line().partition(b";")[0], 16)
        if not self._left:
            self._ended = True
            while line := self._inner.line():
                self.trailers.update([_header(line)])


def _line(stream: Stream) -> bytes:
    line = bytearray()
    while not line.endswith(b"\r\n"):
        byte = stream.some(1)
        if not byte:
            raise HungUp
        line += byte
    return bytes(line[:-2])


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()


def read_request(stream: Stream) -> Request:
    """The next head; the body, if there is one, is still to be read. Raises HungUp when no more comes."""
    method, target, _ = stream.line().decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while line := stream.line():
        headers.update([_header(line)])
    split = urlsplit(target)
    return Request(method, unquote(split.path), dict(parse_qsl(split.query, keep_blank_values=True)), headers)


class Body:
    """What follows a head, out of its framings. ``trailers`` are there once it was read."""

    def __init__(self, request: Request, stream: Stream) -> None:
        headers = request.headers
        chunked = "chunked" in headers.get("transfer-encoding", "")
        self._outer = Chunked(stream) if chunked else Counted(stream, int(headers.get("content-length", 0)))
        self._aws = Chunked(self._outer) if "aws-chunked" in headers.get("content-encoding", "") else None

    @property
    def trailers(self) -> Mapping[str, str]:
        return self._aws.trailers if self._aws else {}

    def blocks(self) -> Iterator[memoryview]:
        """Its bytes, each block valid until the next."""
        for stream in (self._aws, self._outer):
            while stream and (block := stream.some(BUFFER)):
                yield block
