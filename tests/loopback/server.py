"""HTTP/1.1 over TLS on a port of 127.0.0.1, with a thread for each connection, rate limits and cut connections."""

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
"""Bytes that are sent or received between two waits for the rate limit."""
UNBOUNDED = 1 << 62


class How(StrEnum):
    """Ways in which a connection ends too early."""

    RESET = "reset"
    """With a TCP reset, as when the server crashes."""
    CLOSED = "closed"
    """With a TLS close_notify alert, as after a complete response."""
    LOST = "lost"
    """Without a TLS close_notify alert."""


class Ended(ConnectionError):
    """A fault cut the connection, or the client ended it."""


@dataclass(frozen=True)
class Request:
    """A received request. ``operation`` is its method and the query that selects the operation, as ``PUT?uploadId``."""

    operation: str
    path: str
    headers: Message = field(repr=False)


class Exchange(BaseHTTPRequestHandler):
    """One connection. The ``do_`` methods of a subclass answer its requests."""

    protocol_version = "HTTP/1.1"
    rbufsize = BUFFER
    disable_nagle_algorithm = True
    connection: ssl.SSLSocket
    server: "Server"

    chunks: "Chunks | None" = None
    """The innermost chunks of the body of the last request, or None."""

    def setup(self) -> None:
        super().setup()
        self._line = self.server.line
        self._wait_for = self._line.connection()

    def head(self, status: int, **headers: str | int) -> None:
        """Send the status and ``headers``, in whose names _ stands for -."""
        self._line.wait_for_response()
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
        """Blocks of the request body, each valid until the next. Sets ``chunks`` if the body is chunked."""
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
        """Log nothing."""


class Chunks(io.RawIOBase):
    """Decodes chunks, whose format is the same in HTTP and in aws-chunked; records their ``sizes`` and ``trailers``."""

    def __init__(self, inner: io.BufferedIOBase) -> None:
        self.sizes: list[int] = []
        self.trailers: dict[str, str] = {}
        self._inner = inner
        self._left = 0
        self._started = self._ended = False

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
        if self._started:
            self._read_line()
        self._started = True
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
    """Records every request. ``line`` is the network of new connections."""

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
        """Run the TLS handshake in the thread of the request: a client that rejects the certificate blocks no other."""
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)


@contextmanager
def serving(server: Server) -> Iterator[None]:
    """Run ``server`` in a thread until the context ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
