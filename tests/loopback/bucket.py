"""A loopback bucket with the features of S3 that a copy uses: parts, checksums, conditional writes and failures.

Like S3, it ranks the objects and delete markers of a key by the time when their upload was created or their request
arrived. It completes an upload that is outranked with 200, but the object of the higher rank stays the current one:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#distributedmpupload
"""

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

from tests.loopback.server import PIECE, Exchange, Request, Server

MIN_PART_SIZE = 5 * 1024 * 1024


def base64_crc32(crc32: int) -> str:
    """The checksum in the form that S3 uses."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


@dataclass(frozen=True, slots=True)
class Part:
    """A complete part or small object. ``chunks`` are the sizes of its chunks; ``body`` is empty without ``keeps``."""

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
    """``checksum`` is the CRC-32 of all bytes of a single upload, else the checksum of the checksums of the parts."""

    parts: Sequence[Part]
    checksum: str

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def body(self) -> bytes:
        return b"".join(part.body for part in self.parts)

    @property
    def etag(self) -> str:
        return f'"{self.checksum}"'


@dataclass(slots=True)
class Upload:
    key: str
    rank: int
    parts: dict[int, Part] = field(default_factory=dict)


class S3Error(Exception):
    """The response to the call is this error of S3."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(code)
        self.status = status
        self.headers = headers


class Call(Exchange):
    """One call of an S3 client, with a path-style URL."""

    server: "BucketServer"

    def _dispatch(self) -> None:
        split = urlsplit(self.path)
        self.key = unquote(split.path).removeprefix("/bucket/")
        self.query = dict(parse_qsl(split.query, keep_blank_values=True))
        self.operation = self.command + "".join(f"?{each}" for each in ("uploads", "uploadId") if each in self.query)
        self.sent = self.received()
        self.response_gets_lost = False
        with self.server.lock:
            self.server.requests.append(Request(self.operation, self.path, self.headers))
            faults = self.server.faults.get(self.operation)
            fault = faults.popleft() if faults else Call.perform
        try:
            fault(self)
        except S3Error as error:
            self.drain()
            self.respond(error.status, "Error", f"<Code>{error}</Code><Message>no</Message>", **error.headers)
        self.drain()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _dispatch  # noqa: N815 - the names that http.server requires

    def perform(self) -> None:
        """Run the operation. Raises S3Error."""
        operation = _OPERATIONS.get(self.operation)
        if operation is None:
            raise S3Error(501, "NotImplemented")
        operation(self)

    def drain(self) -> None:
        """Read the rest of the body."""
        for _ in self.sent:
            pass

    def respond(self, status: int, name: str = "", content: str = "", **headers: str) -> None:
        """Send the response, with a document if ``name`` is given, unless the response gets lost."""
        if self.response_gets_lost:
            self.cut()
        document = f"<{name}>{content}</{name}>" if name and self.command != "HEAD" else ""
        self.answer(status, document.encode(), **headers)

    def put(self) -> None:
        part = self._receive()
        self._store(Object([part], part.checksum), next(self.server.ids))
        self.respond(200, ETag=part.etag, x_amz_checksum_crc32=part.checksum)

    def get_object(self) -> None:
        """Send the object or a range of it, from its first to its last byte. Needs a server with ``keeps``."""
        found = self.server.stored.get(self.key)
        if found is None:
            raise S3Error(404, "NoSuchKey")
        asked = self.headers.get("Range", "")
        first, last = map(int, asked.removeprefix("bytes=").split("-")) if asked else (0, found.size - 1)
        if asked and first >= found.size:
            raise S3Error(416, "InvalidRange")
        body = memoryview(found.body)[first : last + 1]
        self.head(206 if asked else 200, Content_Length=len(body), ETag=found.etag)
        for at in range(0, len(body), PIECE):
            self.send(body[at : at + PIECE])

    def head_object(self) -> None:
        found = self.server.stored.get(self.key)
        if found is None:
            raise S3Error(404, "NotFound")
        self.head(
            200,
            Content_Length=found.size,
            ETag=found.etag,
            Last_Modified=formatdate(usegmt=True),
            x_amz_checksum_crc32=found.checksum,
        )

    def delete_object(self) -> None:
        with self.server.lock:
            self.server.stored.pop(self.key, None)
            self.server.ranks[self.key] = next(self.server.ids)
        self.respond(204)

    def begin(self) -> None:
        with self.server.lock:
            rank = next(self.server.ids)
            upload_id = f"upload-{rank}"
            self.server.uploads[upload_id] = Upload(self.key, rank)
        name = "InitiateMultipartUploadResult"
        self.respond(200, name, f"<Bucket>bucket</Bucket><Key>{self.key}</Key><UploadId>{upload_id}</UploadId>")

    def put_part(self) -> None:
        part = self._receive()
        self._upload().parts[int(self.query["partNumber"])] = part
        self.respond(200, ETag=part.etag, x_amz_checksum_crc32=part.checksum)

    def list_uploads(self) -> None:
        listed = "".join(
            f"<Upload><Key>{upload.key}</Key><UploadId>{upload_id}</UploadId></Upload>"
            for upload_id, upload in self.server.uploads.copy().items()
        )
        self.respond(200, "ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{listed}")

    def list_parts(self) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{part.size}</Size><ETag>{part.etag}</ETag>"
            f"<ChecksumCRC32>{part.checksum}</ChecksumCRC32></Part>"
            for number, part in sorted(self._upload().parts.items())
        )
        self.respond(200, "ListPartsResult", f"<IsTruncated>false</IsTruncated>{listed}")

    def complete(self) -> None:
        document = b"".join(map(bytes, self.sent))
        upload = self._upload()
        parts = [_find(each, upload.parts) for each in ElementTree.fromstring(document).iterfind("{*}Part")]
        if any(part.size < MIN_PART_SIZE for part in parts[:-1]):
            raise S3Error(400, "EntityTooSmall")
        composite = zlib.crc32(b"".join(part.crc32.to_bytes(4, "big") for part in parts))
        completed = Object(parts, f"{base64_crc32(composite)}-{len(parts)}")
        if int(self.headers.get("x-amz-mp-object-size", completed.size)) != completed.size:
            raise S3Error(400, "InvalidRequest")
        self._store(completed, upload.rank)
        self.server.uploads.pop(self.query["uploadId"], None)
        name = "CompleteMultipartUploadResult"
        self.respond(200, name, f"<Bucket>bucket</Bucket><Key>{self.key}</Key><ETag>{completed.etag}</ETag>")

    def abort(self) -> None:
        self._upload()
        self.server.uploads.pop(self.query["uploadId"], None)
        self.respond(204)

    def _receive(self) -> Part:
        """Receive a body. Raises S3Error if its length or its CRC-32 is not the declared one, as S3 does."""
        size = crc32 = 0
        blocks: list[bytes] = []
        for block in self.sent:
            crc32, size = zlib.crc32(block, crc32), size + len(block)
            if self.server.keeps:
                blocks.append(bytes(block))
            self.server.took(self, len(block))
        chunks, trailers = (self.chunks.sizes, self.chunks.trailers) if self.chunks else ([], {})
        part = Part(size, crc32, chunks, b"".join(blocks))
        if size != int(self.headers.get("x-amz-decoded-content-length", self.headers.get("Content-Length", -1))):
            raise S3Error(400, "IncompleteBody")
        sent = trailers.get("x-amz-checksum-crc32", self.headers.get("x-amz-checksum-crc32", part.checksum))
        if sent != part.checksum:
            raise S3Error(400, "BadDigest")
        return part

    def _store(self, item: Object, rank: int) -> None:
        with self.server.lock:
            current, condition = self.server.stored.get(self.key), self.headers.get("If-Match")
            if condition and not current:
                raise S3Error(404, "NoSuchKey")
            if current and (condition or current.etag) != current.etag:
                raise S3Error(412, "PreconditionFailed")
            if current and self.headers.get("If-None-Match") == "*":
                raise S3Error(412, "PreconditionFailed")
            if rank > self.server.ranks.get(self.key, 0):
                self.server.stored[self.key], self.server.ranks[self.key] = item, rank

    def _upload(self) -> Upload:
        upload = self.server.uploads.get(self.query["uploadId"])
        if upload is None:
            raise S3Error(404, "NoSuchUpload")
        return upload


def _find(element: ElementTree.Element, parts: Mapping[int, Part]) -> Part:
    """The part with the number, the ETag and, if given, the checksum of ``element``. Raises S3Error."""
    part = parts.get(int(element.findtext("{*}PartNumber", "0")))
    if (
        part is None
        or element.findtext("{*}ETag", "").strip('"') != part.etag.strip('"')
        or element.findtext("{*}ChecksumCRC32", part.checksum) != part.checksum
    ):
        raise S3Error(400, "InvalidPart")
    return part


_OPERATIONS: dict[str, Callable[[Call], None]] = {
    "GET": Call.get_object,
    "PUT": Call.put,
    "HEAD": Call.head_object,
    "DELETE": Call.delete_object,
    "POST?uploads": Call.begin,
    "PUT?uploadId": Call.put_part,
    "GET?uploads": Call.list_uploads,
    "GET?uploadId": Call.list_parts,
    "POST?uploadId": Call.complete,
    "DELETE?uploadId": Call.abort,
}

Fault = Callable[[Call], None]


class BucketServer(Server):
    """``faults`` has the faults of the next calls, by operation such as ``PUT?uploadId``.

    Without ``keeps``, a part has only its size and its CRC-32, no bytes.
    """

    def __init__(self, context: ssl.SSLContext, *, keeps: bool = True) -> None:
        super().__init__(context, Call)
        self.keeps = keeps
        self.uploads: dict[str, Upload] = {}
        self.stored: dict[str, Object] = {}
        self.ranks: dict[str, int] = {}
        """Rank of the current object or delete marker of a key."""
        self.faults: dict[str, deque[Fault]] = {}
        self.ids = itertools.count(1)

    @property
    def objects(self) -> dict[str, bytes]:
        """Visible objects, by key."""
        return {key: item.body for key, item in self.stored.items()}

    def took(self, call: Call, count: int) -> None:
        """Hook for subclasses: ``count`` bytes of a body arrived."""


def refusing(status: int, code: str, *, before_body: bool = False, **headers: str) -> Fault:
    """An error response. With ``before_body``, it is sent before the body is read, so the client may not read it."""

    def fault(call: Call) -> None:
        if before_body:
            call.respond(status, "Error", f"<Code>{code}</Code><Message>no</Message>", **headers)
            call.cut()
        raise S3Error(status, code, **headers)

    return fault


def hanging_up(call: Call) -> None:
    """Read the start of the body, then close the connection."""
    next(call.sent)
    call.cut()


def losing_the_response(call: Call) -> None:
    """Run the operation, then close the connection without a response."""
    call.response_gets_lost = True
    call.perform()
