"""A loopback server that misbehaves on purpose: an export behind a link, over TLS, with one fault a request."""

import os
import re
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET_PATH = "canary-in-the-path"
SECRET_QUERY = "canary-in-the-signature"
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True)
class Request:
    """A GET as it arrived."""

    host: str
    path: str
    range: str
    if_match: str
    headers: Mapping[str, str] = field(repr=False)


class Exchange(BaseHTTPRequestHandler):
    """One GET being answered: what faults are made of."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        headers = self.headers
        self.server.seen(
            Request(
                headers["Host"], self.path, headers.get("Range", ""), headers.get("If-Match", ""), dict(headers.items())
            )
        )
        with suppress(OSError):
            self.server.next_fault()(self)

    def span(self) -> tuple[int, int]:
        """First and last byte that were asked for, within the body."""
        found = _RANGE.fullmatch(self.headers.get("Range", ""))
        last = len(self.server.body) - 1
        return (int(found[1]), min(int(found[2]), last)) if found else (0, last)

    def wanted(self) -> bytes:
        first, last = self.span()
        return self.server.body[first : last + 1]

    def head(self, status: int, **headers: str | int) -> None:
        """Send the status line and ``headers``, their names with _ for -."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def range_head(self, length: int | None = None, **headers: str | int) -> None:
        """Send the head of a ranged answer, with another ``length`` than it has if one is given."""
        first, last = self.span()
        self.head(
            206,
            Content_Length=last - first + 1 if length is None else length,
            Content_Range=f"bytes {first}-{last}/{len(self.server.body)}",
            **{"ETag": self.server.etag, **headers},
        )

    def plain(self, status: int, body: bytes, **headers: str | int) -> None:
        self.head(status, Content_Length=len(body), **headers)
        self.wfile.write(body)

    def hang_up(self) -> None:
        """Close the connection in good order, as if all had been said."""
        self.close_connection = True

    def reset(self) -> None:
        """Cut the connection as a crash would: with RST, without a TLS goodbye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


Fault = Callable[[Exchange], None]


def well(exchange: Exchange) -> None:
    """No fault: answers as S3 does."""
    wanted = exchange.headers.get("If-Match", "")
    if wanted and wanted != exchange.server.etag:
        exchange.plain(412, b"")
    elif not exchange.server.body:
        exchange.plain(416, b"", Content_Range="bytes */0")
    else:
        exchange.range_head()
        exchange.wfile.write(exchange.wanted())


class Server(ThreadingHTTPServer):
    """Serves ``body`` at any path. ``faults`` are used up one by one; ``always`` answers when there is none left."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, context: ssl.SSLContext, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.body = body
        self.etag = '"v1"'
        self.faults: deque[Fault] = deque()
        self.always: Fault = well
        self.requests: list[Request] = []
        self._context = context
        self._lock = threading.Lock()

    @property
    def link(self) -> str:
        """A link as the service gives it: path and query are secret."""
        return (
            f"https://localhost:{self.server_port}/{SECRET_PATH}/export.zip"
            f"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SECRET_QUERY}"
        )

    def seen(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def next_fault(self) -> Fault:
        with self._lock:
            return self.faults.popleft() if self.faults else self.always

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the thread of the request, so that a client that refuses our certificate stops nobody else."""
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up in these tests."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run ``server`` in a thread until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reset_before_headers(exchange: Exchange) -> None:
    exchange.reset()


def cut_after(count: int) -> Fault:
    """The declared length is true, but only ``count`` bytes come."""

    def fault(exchange: Exchange) -> None:
        exchange.range_head()
        exchange.wfile.write(exchange.wanted()[:count])
        exchange.hang_up()

    return fault


def reset_after(count: int) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.range_head()
        exchange.wfile.write(exchange.wanted()[:count])
        exchange.reset()

    return fault


def chunked(count: int | None = None) -> Fault:
    """All of it in chunks and without ranges; with ``count``, cut after so many bytes."""

    def fault(exchange: Exchange) -> None:
        body = exchange.server.body
        exchange.head(200, Transfer_Encoding="chunked", ETag=exchange.server.etag)
        for chunk in (body[at : at + 10_000] for at in range(0, len(body[:count]), 10_000)):
            exchange.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if count is None:
            exchange.wfile.write(b"0\r\n\r\n")
        else:
            exchange.hang_up()

    return fault


def no_length(count: int | None = None) -> Fault:
    """All of it, or ``count`` bytes, and then the connection closes: HTTP/1.0's way of saying that this was it."""

    def fault(exchange: Exchange) -> None:
        exchange.head(200, Connection="close")
        exchange.wfile.write(exchange.server.body[:count])
        exchange.hang_up()

    return fault


def no_ranges(length: int | None = None, **headers: str | int) -> Fault:
    """200 to a ranged GET, with a true length, or with another ``length`` than the body has."""

    def fault(exchange: Exchange) -> None:
        body = exchange.server.body
        exchange.head(200, Content_Length=len(body) if length is None else length, **headers)
        exchange.wfile.write(body)
        exchange.hang_up()

    return fault


def trickle(exchange: Exchange) -> None:
    """One byte in each TLS record, so that each receive gets one; no waiting: the test's clock does that."""
    exchange.range_head()
    for byte in exchange.wanted():
        exchange.wfile.write(bytes((byte,)))


def trickling_headers(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 206 OK\r\n")
    for byte in b"X-Padding: " + b"x" * 60_000 + b"\r\n":
        exchange.wfile.write(bytes((byte,)))


def silence(until: threading.Event, *, after: int = 0) -> Fault:
    """Headers, ``after`` bytes of the body (-1: not even headers) and then nothing, until the test is over."""

    def fault(exchange: Exchange) -> None:
        if after >= 0:
            exchange.range_head()
            exchange.wfile.write(exchange.wanted()[:after])
        until.wait(30)
        exchange.reset()

    return fault


def status(code: int, body: bytes = b"", **headers: str | int) -> Fault:
    return lambda exchange: exchange.plain(code, body, **headers)


def redirect(location: str) -> Fault:
    return status(302, Location=location)


def page(body: bytes, content_type: str) -> Fault:
    """Some server's page instead of the export, with status 200."""
    return status(200, body, Content_Type=content_type)


def changes_to(body: bytes, etag: str) -> Fault:
    """From this request on the source is another one."""

    def fault(exchange: Exchange) -> None:
        exchange.server.body, exchange.server.etag = body, etag
        well(exchange)

    return fault


def ignoring_if_match(exchange: Exchange) -> None:
    exchange.range_head()
    exchange.wfile.write(exchange.wanted())
