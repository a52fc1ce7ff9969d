"""A bucket that keeps of every part its size and CRC-32, which is enough to tell whether an object is the source."""

import base64
import itertools
import re
import threading
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from benchmarks.loopback.content import Content
from benchmarks.loopback.exchanges import Exchange
from benchmarks.loopback.pacing import Line, Pace
from benchmarks.loopback.plans import File, Plan

SIDE = "bucket"
SMALLEST_PART = 5 * 1024 * 1024
_PART = re.compile(rb"<PartNumber>(\d+)</PartNumber>")


@dataclass(frozen=True, slots=True)
class Part:
    size: int
    crc32: int

    @property
    def checksum(self) -> str:
        """As S3 writes it."""
        return base64.b64encode(self.crc32.to_bytes(4, "big")).decode()

    @property
    def etag(self) -> str:
        return f'"{self.crc32:08x}-1"'


@dataclass(slots=True)
class Uploading:
    key: str
    parts: dict[int, Part] = field(default_factory=dict)


class Refused(Exception):
    """The call is answered with an error of S3."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status


class Bucket:
    """Answers ``/bucket/<key>`` as boto3, the AWS CLI, rclone and object_store send their calls, path style.

    An object is compared with the plan's file of the same name.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._forget()

    def _forget(self) -> None:
        self._plan = Plan(Line(Pace(0)), {})
        self._objects: dict[str, list[Part]] = {}
        self._uploads: dict[str, Uploading] = {}
        self._calls: Counter[str] = Counter()

    def line(self) -> Line:
        return self._plan.line

    def plan(self, told: Mapping[str, Any]) -> None:
        self._forget()
        self._plan = Plan.of(told, SIDE)

    def tell(self) -> dict[str, Any]:
        """What became of each file, the bytes that arrived for it, and the calls that were made."""
        return {
            name: {"state": self._state(name, file), "received": file.moved, "open": self._open(name)}
            for name, file in self._plan.files.items()
        } | {"calls": dict(self._calls)}

    def _open(self, key: str) -> int:
        return sum(upload.key == key for upload in self._uploads.values())

    def _state(self, key: str, file: File) -> str:
        parts = self._objects.get(key)
        if parts is None:
            return "absent"
        at = 0
        for part in parts:
            if self._content.crc32(at, at + part.size) != part.crc32:
                return "different"
            at += part.size
        return "identical" if at == file.size else "different"

    def answer(self, exchange: Exchange) -> None:
        request = exchange.request
        name = request.method + "".join(f"?{each}" for each in ("uploads", "uploadId") if each in request.query)
        self._calls[name] += 1
        try:
            _OPERATIONS.get(name, Bucket._unknown)(self, exchange, request.path.removeprefix("/bucket/"))
        except Refused as refused:
            exchange.answer(refused.status, f"<Error><Code>{refused}</Code><Message>no</Message></Error>")

    def _unknown(self, exchange: Exchange, key: str) -> None:
        raise Refused(501, "NotImplemented")

    def _put(self, exchange: Exchange, key: str) -> None:
        part = self._receive(exchange, key)
        with self._lock:
            self._unless_there(exchange, key)
            self._objects[key] = [part]
        exchange.answer(200, ETag=part.etag, x_amz_checksum_crc32=part.checksum)

    def _begin(self, exchange: Exchange, key: str) -> None:
        upload_id = f"upload-{next(self._ids)}"
        self._uploads[upload_id] = Uploading(key)
        exchange.answer(
            200,
            "<InitiateMultipartUploadResult>"
            f"<Bucket>bucket</Bucket><Key>{key}</Key><UploadId>{upload_id}</UploadId>"
            "</InitiateMultipartUploadResult>",
        )

    def _put_part(self, exchange: Exchange, key: str) -> None:
        part = self._receive(exchange, key)
        self._upload(exchange).parts[int(exchange.request.query["partNumber"])] = part
        exchange.answer(200, ETag=part.etag, x_amz_checksum_crc32=part.checksum)

    def _list(self, exchange: Exchange, key: str) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{part.size}</Size><ETag>{part.etag}</ETag>"
            f"<ChecksumCRC32>{part.checksum}</ChecksumCRC32></Part>"
            for number, part in sorted(self._upload(exchange).parts.items())
        )
        exchange.answer(200, f"<ListPartsResult><IsTruncated>false</IsTruncated>{listed}</ListPartsResult>")

    def _list_uploads(self, exchange: Exchange, key: str) -> None:
        listed = "".join(
            f"<Upload><Key>{upload.key}</Key><UploadId>{upload_id}</UploadId></Upload>"
            for upload_id, upload in self._uploads.items()
        )
        exchange.answer(200, f"<ListMultipartUploadsResult>{listed}</ListMultipartUploadsResult>")

    def _complete(self, exchange: Exchange, key: str) -> None:
        wanted = [int(each) for each in _PART.findall(b"".join(map(bytes, exchange.body())))]
        upload = self._upload(exchange)
        parts = [upload.parts[number] for number in wanted if number in upload.parts]
        if len(parts) != len(wanted):
            raise Refused(400, "InvalidPart")
        if any(part.size < SMALLEST_PART for part in parts[:-1]):
            raise Refused(400, "EntityTooSmall")
        size = sum(part.size for part in parts)
        if int(exchange.request.headers.get("x-amz-mp-object-size", size)) != size:
            raise Refused(400, "InvalidRequest")
        with self._lock:
            self._unless_there(exchange, key)
            self._objects[key] = parts
        self._uploads.pop(exchange.request.query["uploadId"], None)
        exchange.answer(
            200,
            f"<CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>{key}</Key><ETag>{_etag(parts)}</ETag>"
            "</CompleteMultipartUploadResult>",
        )

    def _abort(self, exchange: Exchange, key: str) -> None:
        self._upload(exchange)
        self._uploads.pop(exchange.request.query["uploadId"], None)
        exchange.answer(204)

    def _look(self, exchange: Exchange, key: str) -> None:
        parts = self._objects.get(key)
        if parts is None:
            raise Refused(404, "NotFound")
        exchange.head(
            200,
            {
                "Content-Length": sum(part.size for part in parts),
                "ETag": _etag(parts),
                "Last-Modified": formatdate(usegmt=True),
            },
        )

    def _receive(self, exchange: Exchange, key: str) -> Part:
        """Take a body as S3 does: refused unless it has the length that was declared and the CRC-32 behind it."""
        size = crc32 = 0
        file = self._plan.files.get(key)
        for block in exchange.body():
            crc32, size = zlib.crc32(block, crc32), size + len(block)
            if file and (cut := file.move(len(block))):
                exchange.cut(cut)
        part = Part(size, crc32)
        headers = exchange.request.headers
        if size != int(headers.get("x-amz-decoded-content-length", headers.get("content-length", -1))):
            raise Refused(400, "IncompleteBody")
        if exchange.sent.trailers.get("x-amz-checksum-crc32", part.checksum) != part.checksum:
            raise Refused(400, "BadDigest")
        return part

    def _unless_there(self, exchange: Exchange, key: str) -> None:
        if key in self._objects and exchange.request.headers.get("if-none-match") == "*":
            raise Refused(412, "PreconditionFailed")

    def _upload(self, exchange: Exchange) -> Uploading:
        upload = self._uploads.get(exchange.request.query["uploadId"])
        if upload is None:
            raise Refused(404, "NoSuchUpload")
        return upload


def _etag(parts: list[Part]) -> str:
    return f'"{sum(part.crc32 for part in parts) & 0xFFFFFFFF:08x}-{len(parts)}"'


_OPERATIONS = {
    "PUT": Bucket._put,
    "HEAD": Bucket._look,
    "POST?uploads": Bucket._begin,
    "PUT?uploadId": Bucket._put_part,
    "GET?uploads": Bucket._list_uploads,
    "GET?uploadId": Bucket._list,
    "POST?uploadId": Bucket._complete,
    "DELETE?uploadId": Bucket._abort,
}
