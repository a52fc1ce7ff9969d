"""HTTP/1.1 over TLS on a port of 127.0.0.1: a thread for each connection, slowed down or cut when that is wanted."""

import io
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

from tests.loopback.network import UNLIMITED, Line

BUFFER = 64 * 1024
PIECE = 256 * 1024
"""Bytes that are sent or received between two waits of a slow network."""
UNBOUNDED = 1 << 62


class How(StrEnum):
    """How a connection ends too early."""

    RESET = "reset"
    """As a crash of the server ends it."""
    CLOSED = "closed"
    """With a TLS goodbye, as if all had been said."""
    LOST = "lost"
    """Without one."""


class Ended(ConnectionError):
    """The connection was cut on purpose, or the client ended it."""


@dataclass(frozen=True)
class Request:
    """A request as it arrived: ``operation`` is its method and what else tells it from others, as ``PUT?uploadId``."""

    operation: str
    path: str
    headers: Message = field(repr=False)


class Exchange(BaseHTTPRequestHandler):
    """One connection, whose requests are answered by the ``do_`` methods of a subclass."""

    protocol_version = "HTTP/1.1"
    rbufsize = BUFFER
    disable_nagle_algorithm = True
    connection: ssl.SSLSocket
    server: "Server"

    chunks: "Chunks | None" = None
    """The inner ones of the last request's body, if it came in such."""

    def setup(self) -> None:
        super().setup()
        self._line = self.server.line
        self._wait_for = self._line.connection()

    def head(self, status: int, **headers: str | int) -> None:
        """Begin the answer, with ``headers``, their names with _ for -."""
        self._line.wait_for_answer()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def answer(self, status: int, body: bytes = b"", **headers: str | int) -> None:
        self.head(status, Content_Length=len(body), **headers)
        self.send(body)

    def send(self, piece: bytes | memoryview) -> None:
        self._wait_for(len(piece))
        self.connection.sendall(piece)

    def cut(self, how: How = How.LOST) -> NoReturn:
        """End the connection."""
        if how is How.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how is How.CLOSED:
            self.connection.settimeout(1)
            with suppress(OSError, ValueError):
                self.connection.unwrap()
        raise Ended

    def received(self) -> Iterator[memoryview]:
        """The body of the request as it comes, each block valid until the next. Sets ``chunks`` if it has any."""
        streams: list[io.BufferedIOBase] = [self.rfile]
        left = int(self.headers.get("Content-Length", 0))
        for header in ("Transfer-Encoding", "Content-Encoding"):
            if "chunked" in self.headers.get(header, ""):
                self.chunks = Chunks(streams[-1])
                streams.append(io.BufferedReader(self.chunks, BUFFER))
                left = UNBOUNDED
        view = memoryview(bytearray(PIECE))
        due = 0
        for stream in reversed(streams[1:] or streams):
            while left and (count := stream.readinto(view[:left])):
                left -= count
                due += count
                if due >= PIECE:
                    self._wait_for(due)
                    due = 0
                yield view[:count]
        if left and len(streams) == 1:
            raise Ended
        self._wait_for(due)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Chunks(io.RawIOBase):
    """The inside of chunks, which are framed alike in HTTP and in aws-chunked within it: ``sizes``, and trailers."""

    def __init__(self, inner: io.BufferedIOBase) -> None:
        self.sizes: list[int] = []
        self.trailers: dict[str, str] = {}
        self._inner = inner
        self._left = 0
        self._begun = self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and not self._ended:
            self._next_chunk()
        if self._ended:
            return 0
        count = self._inner.readinto(memoryview(buffer)[: self._left])
        if not count:
            raise Ended
        self._left -= count
        return count

    def _next_chunk(self) -> None:
        if self._begun:
            self._read_line()
        self._begun = True
        self._left = int(self._read_line().partition(";")[0], 16)
        if self._left:
            self.sizes.append(self._left)
        else:
            self._ended = True
            while line := self._read_line():
                name, _, value = line.partition(":")
                self.trailers[name.strip().lower()] = value.strip()

    def _read_line(self) -> str:
        line = self._inner.readline()
        if not line.endswith(b"\r\n"):
            raise Ended
        return line[:-2].decode("latin-1")


class Server(ThreadingHTTPServer):
    """Notes every request. ``line`` is the network of connections that begin from now on."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context: ssl.SSLContext, exchange: type[Exchange]) -> None:
        super().__init__(("127.0.0.1", 0), exchange)
        self.line = Line(UNLIMITED)
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self._context = context

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self.server_port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the thread of the request, so that a client that refuses our certificate stops nobody else."""
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)


@contextmanager
def serving(server: Server) -> Iterator[None]:
    """Run ``server`` in a thread until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
