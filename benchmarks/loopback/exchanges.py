"""Connections of a server: TLS, one thread each, kept alive, slowed down and cut as the plan says."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from benchmarks.loopback.messages import Body, Received, Request, read_request
from benchmarks.loopback.pacing import Line
from benchmarks.loopback.plans import Cut, How

PACED = 256 * 1024
"""Bytes that are sent or received between two waits of a slow line."""
NO_LINGERING = struct.pack("ii", 1, 0)


class CutOff(Exception):
    """The connection was cut on purpose."""


@dataclass(slots=True)
class Exchange:
    """One request and the way to its answer."""

    request: Request
    sent: Body
    connection: ssl.SSLSocket
    wait_for: Callable[[int], None]
    latency_seconds: float

    def body(self) -> Iterator[memoryview]:
        """The body as it comes over the line; each block is valid until the next."""
        if "expect" in self.request.headers:
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        due = 0
        for block in self.sent.blocks():
            due += len(block)
            if due >= PACED:
                self.wait_for(due)
                due = 0
            yield block
        self.wait_for(due)

    def head(self, status: int, headers: Mapping[str, str | int]) -> None:
        """Begin the answer; its first byte comes late."""
        time.sleep(self.latency_seconds)
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {headers[name]}" for name in headers)]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode())

    def answer(self, status: int, body: str = "", **headers: str | int) -> None:
        """Answer with a small body. Names of headers have _ for -."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        self.head(status, {"Content-Length": len(body), **more})
        if self.request.method != "HEAD":
            self.connection.sendall(body.encode())

    def send(self, pieces: Iterable[memoryview]) -> None:
        for piece in pieces:
            self.wait_for(len(piece))
            self.connection.sendall(piece)

    def cut(self, cut: Cut) -> None:
        """End the connection as ``cut`` says. Raises CutOff."""
        if cut.how is How.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
        elif cut.how is How.CLOSED:
            self.connection.settimeout(1)
            with suppress(OSError, ValueError):
                self.connection.unwrap()
        raise CutOff


class Server:
    """Answers on a port of 127.0.0.1 until the process ends. ``line()`` is the network that new connections have."""

    def __init__(
        self, context: ssl.SSLContext, *, answer: Callable[[Exchange], None], line: Callable[[], Line]
    ) -> None:
        self._context = context
        self._answer = answer
        self._line = line
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            plain,
            suppress(OSError, CutOff),
            self._context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=True) as connection,
        ):
            self._converse(connection, self._line())

    def _converse(self, connection: ssl.SSLSocket, line: Line) -> None:
        stream, wait_for = Received(connection), line.connection()
        while True:
            request = read_request(stream)
            exchange = Exchange(request, Body(request, stream), connection, wait_for, line.latency_seconds)
            self._answer(exchange)
            for _ in exchange.sent.blocks():
                pass
            if request.headers.get("connection", "").lower() == "close":
                return
