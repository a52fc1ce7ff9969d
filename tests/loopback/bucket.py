"""A bucket as S3 has it where a copy relies on it: parts, checksums, conditional writes, and calls that fail."""

import base64
import itertools
import ssl
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

from tests.loopback.server import Exchange, Request, Server

MIN_PART_SIZE = 5 * 1024 * 1024


def base64_crc32(crc32: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


@dataclass(frozen=True, slots=True)
class Part:
    """A part, or a small object, that arrived whole in chunks of these sizes; ``body`` in a bucket that keeps bytes."""

    size: int
    crc32: int
    chunks: Sequence[int]
    body: bytes = field(default=b"", repr=False)

    @property
    def checksum(self) -> str:
        return base64_crc32(self.crc32)

    @property
    def etag(self) -> str:
        return f'"{self.crc32:08x}"'


@dataclass(frozen=True, slots=True)
class Object:
    """``checksum`` is that of all bytes for an object that came in one, else that of the checksums of its parts."""

    parts: Sequence[Part]
    checksum: str

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def etag(self) -> str:
        return f'"{self.checksum}"'


@dataclass(slots=True)
class Upload:
    key: str
    parts: dict[int, Part] = field(default_factory=dict)


class Refused(Exception):
    """The call is answered with an error of S3."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(code)
        self.status = status
        self.headers = headers


class Call(Exchange):
    """One call of an S3 client, path style."""

    server: "BucketServer"

    def _dispatch(self) -> None:
        split = urlsplit(self.path)
        self.key = unquote(split.path).removeprefix("/bucket/")
        self.query = dict(parse_qsl(split.query, keep_blank_values=True))
        self.operation = self.command + "".join(f"?{each}" for each in ("uploads", "uploadId") if each in self.query)
        self.sent = self.received()
        self.answer_gets_lost = False
        with self.server.lock:
            self.server.requests.append(Request(self.operation, self.path, self.headers))
            faults = self.server.faults.get(self.operation)
            fault = faults.popleft() if faults else Call.perform
        try:
            fault(self)
        except Refused as refused:
            self.drain()
            self.say(refused.status, "Error", f"<Code>{refused}</Code><Message>no</Message>", **refused.headers)
        self.drain()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _dispatch  # noqa: N815 - the names that http.server looks for

    def perform(self) -> None:
        """Do what is asked for. Raises Refused."""
        operation = _OPERATIONS.get(self.operation)
        if operation is None:
            raise Refused(501, "NotImplemented")
        operation(self)

    def drain(self) -> None:
        """Read what is left of the body."""
        for _ in self.sent:
            pass

    def say(self, status: int, name: str = "", content: str = "", **headers: str) -> None:
        """Answer with a document, unless the answer gets lost."""
        if self.answer_gets_lost:
            self.cut()
        document = f"<{name}>{content}</{name}>" if name and self.command != "HEAD" else ""
        self.answer(status, document.encode(), **headers)

    def put(self) -> None:
        part = self._receive()
        self._land(Object([part], part.checksum))
        self.say(200, ETag=part.etag, x_amz_checksum_crc32=part.checksum)

    def look(self) -> None:
        found = self.server.stored.get(self.key)
        if found is None:
            raise Refused(404, "NotFound")
        self.head(
            200,
            Content_Length=found.size,
            ETag=found.etag,
            Last_Modified=formatdate(usegmt=True),
            x_amz_checksum_crc32=found.checksum,
        )

    def begin(self) -> None:
        with self.server.lock:
            upload_id = f"upload-{next(self.server.ids)}"
            self.server.uploads[upload_id] = Upload(self.key)
        name = "InitiateMultipartUploadResult"
        self.say(200, name, f"<BucketServer>bucket</BucketServer><Key>{self.key}</Key><UploadId>{upload_id}</UploadId>")

    def put_part(self) -> None:
        part = self._receive()
        self._upload().parts[int(self.query["partNumber"])] = part
        self.say(200, ETag=part.etag, x_amz_checksum_crc32=part.checksum)

    def list_uploads(self) -> None:
        listed = "".join(
            f"<Upload><Key>{upload.key}</Key><UploadId>{upload_id}</UploadId></Upload>"
            for upload_id, upload in self.server.uploads.copy().items()
        )
        self.say(200, "ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{listed}")

    def list_parts(self) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{part.size}</Size><ETag>{part.etag}</ETag>"
            f"<ChecksumCRC32>{part.checksum}</ChecksumCRC32></Part>"
            for number, part in sorted(self._upload().parts.items())
        )
        self.say(200, "ListPartsResult", f"<IsTruncated>false</IsTruncated>{listed}")

    def complete(self) -> None:
        asked = b"".join(map(bytes, self.sent))
        upload = self._upload()
        parts = [_named(each, upload.parts) for each in ElementTree.fromstring(asked).iterfind("{*}Part")]
        if any(part.size < MIN_PART_SIZE for part in parts[:-1]):
            raise Refused(400, "EntityTooSmall")
        composite = zlib.crc32(b"".join(part.crc32.to_bytes(4, "big") for part in parts))
        whole = Object(parts, f"{base64_crc32(composite)}-{len(parts)}")
        if int(self.headers.get("x-amz-mp-object-size", whole.size)) != whole.size:
            raise Refused(400, "InvalidRequest")
        self._land(whole)
        self.server.uploads.pop(self.query["uploadId"], None)
        name = "CompleteMultipartUploadResult"
        self.say(200, name, f"<BucketServer>bucket</BucketServer><Key>{self.key}</Key><ETag>{whole.etag}</ETag>")

    def abort(self) -> None:
        self._upload()
        self.server.uploads.pop(self.query["uploadId"], None)
        self.say(204)

    def _receive(self) -> Part:
        """Take a body as S3 does: refused unless it has the length that was declared and the CRC-32 that came along."""
        size = crc32 = 0
        kept: list[bytes] = []
        for block in self.sent:
            crc32, size = zlib.crc32(block, crc32), size + len(block)
            if self.server.keeps:
                kept.append(bytes(block))
            self.server.took(self, len(block))
        chunks, trailers = (self.chunks.sizes, self.chunks.trailers) if self.chunks else ([], {})
        part = Part(size, crc32, chunks, b"".join(kept))
        if size != int(self.headers.get("x-amz-decoded-content-length", self.headers.get("Content-Length", -1))):
            raise Refused(400, "IncompleteBody")
        sent = trailers.get("x-amz-checksum-crc32", self.headers.get("x-amz-checksum-crc32", part.checksum))
        if sent != part.checksum:
            raise Refused(400, "BadDigest")
        return part

    def _land(self, whole: Object) -> None:
        with self.server.lock:
            if self.key in self.server.stored and self.headers.get("If-None-Match") == "*":
                raise Refused(412, "PreconditionFailed")
            self.server.stored[self.key] = whole

    def _upload(self) -> Upload:
        upload = self.server.uploads.get(self.query["uploadId"])
        if upload is None:
            raise Refused(404, "NoSuchUpload")
        return upload


def _named(asked: ElementTree.Element, parts: Mapping[int, Part]) -> Part:
    """The part that a completion names by number, ETag and, if it has one, checksum. Raises Refused."""
    part = parts.get(int(asked.findtext("{*}PartNumber", "0")))
    if (
        part is None
        or asked.findtext("{*}ETag", "").strip('"') != part.etag.strip('"')
        or asked.findtext("{*}ChecksumCRC32", part.checksum) != part.checksum
    ):
        raise Refused(400, "InvalidPart")
    return part


_OPERATIONS: dict[str, Callable[[Call], None]] = {
    "PUT": Call.put,
    "HEAD": Call.look,
    "POST?uploads": Call.begin,
    "PUT?uploadId": Call.put_part,
    "GET?uploads": Call.list_uploads,
    "GET?uploadId": Call.list_parts,
    "POST?uploadId": Call.complete,
    "DELETE?uploadId": Call.abort,
}

Fault = Callable[[Call], None]


class BucketServer(Server):
    """``faults`` holds, for each operation such as ``PUT?uploadId``, what its next calls run into.

    Without ``keeps`` a part is only its size and its CRC-32.
    """

    def __init__(self, context: ssl.SSLContext, *, keeps: bool = True) -> None:
        super().__init__(context, Call)
        self.keeps = keeps
        self.uploads: dict[str, Upload] = {}
        self.stored: dict[str, Object] = {}
        self.faults: dict[str, deque[Fault]] = {}
        self.ids = itertools.count(1)

    @property
    def objects(self) -> dict[str, bytes]:
        """What is visible, by key."""
        return {key: b"".join(part.body for part in whole.parts) for key, whole in self.stored.items()}

    def took(self, call: Call, count: int) -> None:
        """Hear of bytes of a body that arrived."""


def refusing(status: int, code: str, *, rudely: bool = False, **headers: str) -> Fault:
    """An error instead of an answer; ``rudely``: before the body was read, so that the client may never read it."""

    def fault(call: Call) -> None:
        if rudely:
            call.say(status, "Error", f"<Code>{code}</Code><Message>no</Message>", **headers)
            call.cut()
        raise Refused(status, code, **headers)

    return fault


def hanging_up(call: Call) -> None:
    """Read a little of the body, then close the connection."""
    next(call.sent)
    call.cut()


def losing_the_answer(call: Call) -> None:
    """Do what was asked, and close the connection before saying so."""
    call.answer_gets_lost = True
    call.perform()
