"""A file at a presigned URL, as S3 serves it: GET only, no unsigned x-amz headers, ranges, If-Match."""

import re
import ssl
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from html import escape

from tests.loopback.content import Bytes
from tests.loopback.server import PIECE, Exchange, How, Request, Server

SECRET_PATH = "canary-in-the-path"
SECRET_QUERY = "canary-in-the-signature"
CHUNK = 16 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Style(StrEnum):
    """Ways to answer a GET."""

    RANGES = "ranges"
    LENGTH = "length"
    """The full body with its length, whatever range is requested."""
    CHUNKED = "chunked"
    """The full body in chunks, without a length."""


class Get(Exchange):
    """One GET, answered with ``body`` or with a fault."""

    server: "SourceServer"
    body: Bytes
    etag: str

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server requires
        self.body, self.etag = self.server.body, self.server.etag
        with self.server.lock:
            self.server.requests.append(Request("GET", self.path, self.headers))
            fault = self.server.faults.popleft() if self.server.faults else self.server.always
        fault(self)

    def changes_to(self, body: Bytes, etag: str) -> None:
        """Replace the source from now on."""
        self.server.body = self.body = body
        self.server.etag = self.etag = etag

    def deny(self, status: int, code: str, message: str) -> None:
        """Send an error document of S3, which quotes the URL as that of SignatureDoesNotMatch does."""
        members = (
            f"<Code>{code}</Code><Message>{message}</Message><CanonicalRequest>{escape(self.path)}</CanonicalRequest>"
        )
        self.answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{members}</Error>'.encode())

    def byte_range(self) -> tuple[int, int]:
        """First byte of the requested range, and the byte after its last, within the body."""
        found = _RANGE.fullmatch(self.headers.get("Range", ""))
        if not found:
            return 0, len(self.body)
        return int(found[1]), min(int(found[2] or len(self.body)) + 1, len(self.body))

    def requested_bytes(self) -> bytes:
        first, end = self.byte_range()
        return bytes(self.body[first:end])

    def range_head(self, length: int | None = None) -> None:
        """Send the head of a ranged response, with its correct length or with ``length``."""
        first, end = self.byte_range()
        self.head(
            206,
            Content_Length=end - first if length is None else length,
            Content_Range=f"bytes {first}-{end - 1}/{len(self.body)}",
            ETag=self.etag,
        )

    def serve(self, style: Style = Style.RANGES, *, until: int | None = None, how: How = How.LOST) -> None:
        """Send the response; with ``until``, the connection ends in the way of ``how`` before that byte of the body."""
        if style is Style.RANGES and self._send_error():
            return
        first, end = self.byte_range() if style is Style.RANGES else (0, len(self.body))
        if style is Style.CHUNKED:
            self.head(200, Transfer_Encoding="chunked", ETag=self.etag)
        elif "Range" in self.headers and style is Style.RANGES:
            self.range_head()
        else:
            self.head(200, Content_Length=len(self.body), ETag=self.etag)
        self._send(first, end if until is None else until, chunked=style is Style.CHUNKED)
        if until is not None:
            self.cut(how)
        if style is Style.CHUNKED:
            self.send(b"0\r\n\r\n")

    def _send_error(self) -> bool:
        if any(name.lower().startswith("x-amz-") for name in self.headers):
            self.deny(403, "AccessDenied", "There were headers present in the request which were not signed")
        elif self.headers.get("If-Match", self.etag) != self.etag:
            self.answer(412)
        elif "Range" in self.headers and self.byte_range()[0] >= len(self.body):
            self.answer(416, Content_Range=f"bytes */{len(self.body)}")
        else:
            return False
        return True

    def _send(self, first: int, end: int, *, chunked: bool) -> None:
        size = CHUNK if chunked else PIECE
        for at in range(first, end, size):
            piece = self.body[at : min(at + size, end)]
            self.send(b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")) if chunked else piece)
            self.server.sent(self, len(piece))


Fault = Callable[[Get], None]


def well(exchange: Get) -> None:
    """No fault: the response is that of S3."""
    exchange.serve()


class SourceServer(Server):
    """Serves ``body`` at any path. Each request uses one of ``faults``; after the last one, ``always`` answers."""

    def __init__(self, context: ssl.SSLContext, body: Bytes = b"") -> None:
        super().__init__(context, Get)
        self.body = body
        self.etag = '"v1"'
        self.faults: deque[Fault] = deque()
        self.always: Fault = well

    @property
    def download_url(self) -> str:
        """A download URL as the service returns it, with secrets in its path and query."""
        return (
            f"{self.endpoint}/{SECRET_PATH}/export.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SECRET_QUERY}"
        )

    def sent(self, exchange: Get, count: int) -> None:
        """Hook for subclasses: ``count`` bytes of the body were sent."""
