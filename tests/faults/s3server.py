"""A loopback S3 that keeps multipart uploads in memory, or only counts them, and fails when it is told to."""

import base64
import io
import re
import ssl
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_PART = re.compile(rb"<PartNumber>(\d+)</PartNumber>")


@dataclass
class Received:
    """A part that arrived whole."""

    size: int
    crc32: str
    body: bytes


@dataclass
class Uploading:
    key: str
    parts: dict[int, Received] = field(default_factory=dict)


class Call(BaseHTTPRequestHandler):
    """One request of an S3 client, path style."""

    protocol_version = "HTTP/1.1"
    server: "S3Server"

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()

    def _dispatch(self) -> None:
        split = urlsplit(self.path)
        self.key = split.path.removeprefix("/bucket/")
        self.query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        name = self.command + "".join(f"?{each}" for each in ("uploads", "uploadId") if each in self.query)
        self.server.called(name)
        fault = self.server.next_fault(name)
        if fault is None or not fault(self):
            getattr(self, _OPERATIONS[name])()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _dispatch  # noqa: N815 - the names that http.server looks for

    def begin(self) -> None:
        self.answer(200, f"<R><UploadId>{self.server.begin(self.key)}</UploadId></R>")

    def put_part(self) -> None:
        crc32, size, kept = 0, 0, []
        for chunk in self.body():
            crc32, size = zlib.crc32(chunk, crc32), size + len(chunk)
            if self.server.keeps:
                kept.append(chunk)
        checksum = base64.b64encode(crc32.to_bytes(4, "big")).decode()
        if (
            size != int(self.headers["X-Amz-Decoded-Content-Length"])
            or self.trailer != f"x-amz-checksum-crc32:{checksum}"
        ):
            self.refuse(400, "IncompleteBody")
            return
        upload = self.server.uploads.get(self.query["uploadId"])
        if upload is None:
            self.refuse(404, "NoSuchUpload")
            return
        upload.parts[int(self.query["partNumber"])] = Received(size, checksum, b"".join(kept))
        self.answer(200, "", ETag=f'"{checksum}"', x_amz_checksum_crc32=checksum)

    def list_uploads(self) -> None:
        listed = "".join(
            f"<Upload><Key>{upload.key}</Key><UploadId>{upload_id}</UploadId></Upload>"
            for upload_id, upload in self.server.uploads.items()
        )
        self.answer(200, f"<R><IsTruncated>false</IsTruncated>{listed}</R>")

    def list_parts(self) -> None:
        upload = self.server.uploads.get(self.query["uploadId"])
        if upload is None:
            self.refuse(404, "NoSuchUpload")
            return
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{part.size}</Size><ETag>x</ETag>"
            f"<ChecksumCRC32>{part.crc32}</ChecksumCRC32></Part>"
            for number, part in sorted(upload.parts.items())
        )
        self.answer(200, f"<R><IsTruncated>false</IsTruncated>{listed}</R>")

    def complete(self) -> None:
        wanted = [int(each) for each in _PART.findall(self.rfile.read(int(self.headers["Content-Length"])))]
        upload = self.server.uploads.pop(self.query["uploadId"], None)
        if upload is None:
            self.refuse(404, "NoSuchUpload")
            return
        assert sum(upload.parts[n].size for n in wanted) == int(self.headers["x-amz-mp-object-size"])
        assert self.headers["If-None-Match"] == "*"
        self.server.objects[upload.key] = b"".join(upload.parts[n].body for n in wanted)
        crcs = b"".join(base64.b64decode(upload.parts[n].crc32) for n in wanted)
        composite = base64.b64encode(zlib.crc32(crcs).to_bytes(4, "big")).decode()
        self.server.checksums[upload.key] = f"{composite}-{len(wanted)}"
        self.answer(200, "<R><ETag>x</ETag></R>")

    def abort(self) -> None:
        self.server.uploads.pop(self.query["uploadId"], None)
        self.answer(204, "")

    def look(self) -> None:
        """HEAD: the length is the object's, though no body follows; the checksum is the composite of its parts."""
        there = self.key in self.server.objects
        self.send_response(200 if there else 404)
        self.send_header("Content-Length", str(len(self.server.objects.get(self.key, b""))))
        self.send_header("x-amz-checksum-crc32", self.server.checksums.get(self.key, ""))
        self.end_headers()

    def body(self) -> Iterator[bytes]:
        """The body out of its frames (aws-chunked inside HTTP's own chunks), and keep their sizes and the trailer."""
        frames = self.server.frames[self.path] = []
        wire = io.BufferedReader(Chunks(self.rfile))
        while size := int(_line(wire), 16):
            frames.append(size)
            yield from _exactly(wire, size)
            _line(wire)
        self.trailer = _line(wire)
        _line(wire)
        wire.read()

    def refuse(self, status: int, code: str, **headers: str) -> None:
        """Answer with an error; the connection closes, as what was sent may not have been read."""
        self.close_connection = True
        self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>", **headers)

    def answer(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Chunks(io.RawIOBase):
    """What the chunks of an HTTP body hold."""

    def __init__(self, wire: Any) -> None:
        self._wire = wire
        self._left = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io gives no other
        if self._ended:
            return 0
        if not self._left:
            self._left = int(_line(self._wire), 16)
        self._ended = not self._left
        count: int = self._wire.readinto(buffer[: self._left])
        if self._left and not count:
            raise ConnectionError("the client hung up")
        self._left -= count
        if not self._left:
            _line(self._wire)
        return count


def _exactly(wire: Any, size: int) -> Iterator[bytes]:
    while size:
        chunk = wire.read(min(size, 64 * 1024))
        if not chunk:
            raise ConnectionError("the client hung up")
        size -= len(chunk)
        yield chunk


def _line(wire: Any) -> str:
    line: bytes = wire.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the client hung up")
    return line[:-2].decode()


_OPERATIONS = {
    "HEAD": "look",
    "POST?uploads": "begin",
    "PUT?uploadId": "put_part",
    "GET?uploads": "list_uploads",
    "GET?uploadId": "list_parts",
    "POST?uploadId": "complete",
    "DELETE?uploadId": "abort",
}

Fault = Callable[[Call], bool]
"""Whether it has answered; False lets the call go on."""


class S3Server(ThreadingHTTPServer):
    """``faults`` holds, for each operation such as ``PUT?uploadId``, what the next calls of it run into."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, context: ssl.SSLContext, *, keeps: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.keeps = keeps
        self.uploads: dict[str, Uploading] = {}
        self.objects: dict[str, bytes] = {}
        self.checksums: dict[str, str] = {}
        self.faults: dict[str, deque[Fault]] = {}
        self.calls: list[str] = []
        self.frames: dict[str, list[int]] = {}
        """Sizes of the frames of each part, by the path of its request."""
        self._context = context
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self.server_port}"

    def begin(self, key: str) -> str:
        with self._lock:
            upload_id = f"upload-{len(self.calls)}"
            self.uploads[upload_id] = Uploading(key)
        return upload_id

    def called(self, name: str) -> None:
        with self._lock:
            self.calls.append(name)

    def next_fault(self, name: str) -> Fault | None:
        with self._lock:
            waiting = self.faults.get(name)
            return waiting.popleft() if waiting else None

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up in these tests."""


def refusing(status: int, code: str, *, rudely: bool = False, **headers: str) -> Fault:
    """An error instead of an answer; ``rudely``: before the body was read, so that the client may never read it."""

    def fault(call: Call) -> bool:
        if "X-Amz-Trailer" in call.headers and not rudely:
            deque(call.body(), maxlen=0)
        call.refuse(status, code, **headers)
        return True

    return fault


def hanging_up(call: Call) -> bool:
    """Read a little of the body, then close the connection."""
    call.rfile.read(100_000)
    call.close_connection = True
    return True


def losing_the_answer(call: Call) -> bool:
    """Do what was asked, and close the connection before saying so."""
    call.wfile = open("/dev/null", "wb")  # noqa: SIM115, PTH123
    getattr(call, _OPERATIONS[call.command + "?uploadId"])()
    call.close_connection = True
    return True
