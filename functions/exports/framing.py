"""How a part goes over the wire: aws-chunked, its CRC32 behind it, and no byte of it copied on the way.

botocore's own framing copies each chunk, and urllib3, which takes it for a file, copies it again in pieces of 16 KiB
with a TLS write each. What is sent here has the same form, but for a Content-Length in place of HTTP's own chunks:
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from exports.checksums import to_base64

FRAME = 1024 * 1024
"""Bytes of a frame, as botocore cuts them."""
TRAILER = "x-amz-checksum-crc32"


class Body(Protocol):
    """What is framed; it gives exactly the bytes that were declared, or raises."""

    def read(self, size: int = -1, /) -> bytes: ...


def frames(body: Body, size: int) -> Iterator[bytes]:
    """The ``size`` bytes of ``body`` in frames, and their CRC32; a body that ends early ends this early, too."""
    crc32 = 0
    end = b""
    for length in _lengths(size):
        yield end + b"%x\r\n" % length
        while length:
            piece = body.read(length)
            if not piece:
                return
            crc32 = zlib.crc32(piece, crc32)
            length -= len(piece)
            yield piece
        end = b"\r\n"
    yield end + _trailer(crc32)


def framed_size(size: int) -> int:
    """Bytes that :func:`frames` gives for ``size`` bytes."""
    return sum(len(b"%x\r\n\r\n" % length) + length for length in _lengths(size)) + len(_trailer(0))


def send_in_frames(request: Any, **_: object) -> None:
    """Take the place of botocore's framing in the AWSPreparedRequest of an UploadPart, right before it is sent.

    Should a later botocore frame otherwise, what it made is sent as it is.
    """
    body: Body | None = getattr(request.body, "_raw", None)
    size, trailer = (_text(request.headers.get(f"X-Amz-{name}")) for name in ("Decoded-Content-Length", "Trailer"))
    if body is None or not size or trailer != TRAILER:
        return
    del request.headers["Transfer-Encoding"]
    request.headers["Content-Length"] = str(framed_size(int(size)))
    request.body = frames(body, int(size))


def _text(header: bytes | str | None) -> str:
    return header.decode() if isinstance(header, bytes) else header or ""


def _lengths(size: int) -> Iterator[int]:
    return (min(FRAME, size - start) for start in range(0, size, FRAME))


def _trailer(crc32: int) -> bytes:
    return f"0\r\n{TRAILER}:{to_base64(crc32)}\r\n\r\n".encode()
