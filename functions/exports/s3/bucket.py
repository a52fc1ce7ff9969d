"""The bucket: objects that are whole or not there at all, written once and never over one another."""

import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError

from exports.aws.client_errors import aws_call, error_code
from exports.errors import NonRetryableError, ServiceError
from exports.retry import RetryPolicy
from exports.s3.crc32 import crc32_of_parts, from_base64, to_base64
from exports.s3.multipart import Part, UploadGone
from exports.s3.object_writer import ObjectWriter

if TYPE_CHECKING:
    from _typeshed import SupportsRead
    from boto3.session import Session
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")

CHUNK = 256 * 1024
"""Bytes that are read at once: a part is never in memory as a whole."""
PIECE = 64 * 1024
"""Bytes that botocore sends as one chunk. S3 refuses less than 8 KiB, and 1 MiB, its default, costs a copy by 8 workers
another 16 MB of memory and, as what is left of a chunk is copied whenever 16 KiB are passed on, a fifth more CPU."""
NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
ALREADY_THERE = frozenset({"412", "PreconditionFailed"})
NO_UPLOAD = frozenset({"404", "NoSuchUpload"})


class ObjectConflict(NonRetryableError):
    """Another object lies at the key; it is never written over."""

    def __init__(self) -> None:
        super().__init__("ObjectDiffers")


class SlowDown(ServiceError):
    """S3 asked to be left alone for ``retry_after`` seconds."""

    def __init__(self, code: str, retry_after: float) -> None:
        super().__init__(code)
        self.retry_after = retry_after


def s3_client(session: "Session", *, connections: int = 16) -> "S3Client":
    """An S3 client that tries once, gives up on a silent socket, and asks for no checksum but those named in a call.

    It tries once because :class:`Bucket` repeats calls itself: botocore cannot repeat an UploadPart whose body comes
    from a socket, and hides the code of the failure behind UnseekableStreamError when it tries.
    """
    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=connections,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client("s3", config=config)


class Bucket:
    """Objects of one bucket. Every call names the bucket's expected owner and leaves as ServiceError when it fails.

    An object that is there already is adopted when its size and its CRC-32 are those of what was to be written: a key
    depends on the export alone, so whoever wrote it wrote the same export. Any other stays as it is, and is an error;
    with ``overwrite`` it is removed for ours, once all of ours is there.
    """

    def __init__(
        self,
        client: "S3Client",
        *,
        bucket: str,
        owner: str,
        retry_policy: RetryPolicy | None = None,
        overwrite: bool = False,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._owner = owner
        self._retry_policy = retry_policy or RetryPolicy()
        self._overwrite = overwrite

    def with_retry_policy(self, retry_policy: RetryPolicy, *, overwrite: bool = False) -> "Bucket":
        """The same bucket for one call, which repeats nothing that ``patience.time_left()`` does not allow."""
        return Bucket(
            self._client, bucket=self._bucket, owner=self._owner, retry_policy=retry_policy, overwrite=overwrite
        )

    def size(self, key: str) -> int | None:
        """Bytes of the object at ``key``; None when there is none."""
        answer = self._find(self._client.head_object, Key=key)
        return None if answer is None else int(answer["ContentLength"])

    def read(self, key: str, first: int, last: int) -> Iterator[bytes]:
        """Bytes ``first`` to ``last`` (inclusive), at most 256 KiB at a time; goes on where a connection breaks."""
        failures = 0
        while first <= last:
            try:
                for chunk in self._stream(key, first, last):
                    first += len(chunk)
                    failures = 0
                    yield chunk
            except ServiceError as error:
                failures += 1
                self._retry_policy.wait_or_raise(failures, error)

    def read_json(self, key: str) -> Any | None:
        """The document at ``key``; None when there is none."""

        def document() -> Any:
            answer = self._once(self._client.get_object, Key=key)
            with aws_call(), closing(answer["Body"]) as body:
                return json.loads(body.read())

        try:
            return self._retry_policy.run(document)
        except ServiceError as error:
            if error.code in NOT_FOUND:
                return None
            raise

    def put_json(self, key: str, document: Any) -> None:
        """Write the document, over an earlier one if there is one."""
        self._put(key, _json(document), ContentType="application/json")

    def put_json_once(self, key: str, document: Any) -> bool:
        """Write the document unless one is there; False: it was there already (or an answer to us got lost)."""
        try:
            self._put(key, _json(document), ContentType="application/json", IfNoneMatch="*")
        except ServiceError as error:
            if error.code in ALREADY_THERE:
                return False
            raise
        return True

    def put_once(self, key: str, body: bytes) -> None:
        """Write a small object whole, or adopt the same one that is there already."""
        crc32 = zlib.crc32(body)
        self._write_once(
            key,
            lambda: self._put(key, body, IfNoneMatch="*"),
            lambda: self._accept_existing(key, len(body), crc32, to_base64(crc32)),
            overwrite=self._overwrite,
        )

    @contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        """Write a stream whose length is not known yet; nothing is visible unless the block ends without an error."""
        writer = ObjectWriter(self, key)
        try:
            yield writer
            writer.finish()
        except BaseException:
            with suppress(ServiceError):
                writer.abort()
            raise

    def begin(self, key: str) -> str:
        """Begin a multipart upload, its parts checked by CRC32, and return its id."""
        create = self._client.create_multipart_upload
        answer = self._call(create, Key=key, ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE")
        return str(answer["UploadId"])

    def parts(self, key: str, upload_id: str) -> dict[int, Part]:
        """Every part that S3 has of the upload, by number. Raises UploadGone."""
        found: dict[int, Part] = {}
        marker: dict[str, int] = {}
        while True:
            with _upload_known():
                page = self._call(self._client.list_parts, Key=key, UploadId=upload_id, **marker)
            for part in page.get("Parts", ()):
                found[part["PartNumber"]] = Part(
                    part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumCRC32", "")
                )
            if not page.get("IsTruncated"):
                return found
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    def put_part(self, key: str, upload_id: str, number: int, body: "SupportsRead[bytes]", size: int) -> Part:
        """Send one part of ``size`` bytes, once: whoever gives the body knows how to give it again. Raises UploadGone.

        The length is declared up front, so a body that ends early or raises can never become a part. Behind the body
        goes its CRC32 (botocore's aws-chunked), which S3 compares with what arrived.
        """
        with _upload_known():
            answer = self._once(
                self._client.upload_part,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=_Pieces(body, size),
                ContentLength=size,
                ChecksumAlgorithm="CRC32",
            )
        return Part(number, size, str(answer["ETag"]), str(answer["ChecksumCRC32"]))

    def put_buffer(self, key: str, upload_id: str, number: int, buffer: io.BytesIO) -> Part:
        """Send what lies in ``buffer`` as one part, again if need be."""
        size = buffer.tell()

        def send() -> Part:
            buffer.seek(0)
            return self.put_part(key, upload_id, number, buffer, size)

        return self._retry_policy.run(send)

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], size: int) -> None:
        """Make the object visible, if its parts add up to ``size``; adopts the same one that is there already.

        Lets go of other uploads of the key then: a call that was killed between beginning one and noting it left it.
        """
        ordered = sorted(parts, key=lambda part: part.number)
        ordered_parts: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32} for part in ordered
        ]

        def write() -> None:
            self._call(
                self._client.complete_multipart_upload,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": ordered_parts},
                MpuObjectSize=size,
                IfNoneMatch="*",
            )

        try:
            self._write_once(
                key, write, lambda: self._accept_existing_upload(key, size, ordered), overwrite=self._overwrite
            )
        except ServiceError as error:
            if error.code not in NO_UPLOAD:
                raise
            # Completed by somebody else, or by ourselves when the answer got lost.
            self._accept_existing_upload(key, size, ordered)
        self._abort_all(key)

    def _write_once(
        self, key: str, write: Callable[[], object], adopt: Callable[[], object], *, overwrite: bool
    ) -> None:
        """``write``, or ``adopt`` what is there: it may be ours, its answer lost. What differs makes room once."""
        try:
            write()
        except ServiceError as error:
            if error.code not in ALREADY_THERE:
                raise
            try:
                adopt()
            except ObjectConflict:
                if not overwrite:
                    raise
                self.delete(key)
                self._write_once(key, write, adopt, overwrite=False)

    def _abort_all(self, key: str) -> None:
        page = self._call(self._client.list_multipart_uploads, Prefix=key)
        for upload in page.get("Uploads", ()):
            if upload["Key"] == key:
                self.abort(key, upload["UploadId"])

    def abort(self, key: str, upload_id: str) -> None:
        """Let go of an upload and its parts; one that is gone already is fine."""
        with suppress(UploadGone), _upload_known():
            self._call(self._client.abort_multipart_upload, Key=key, UploadId=upload_id)

    def delete(self, key: str) -> None:
        """Take the object away; in a versioned bucket it stays readable as an earlier version. None there is fine."""
        self._call(self._client.delete_object, Key=key)

    def _accept_existing_upload(self, key: str, size: int, parts: Sequence[Part]) -> None:
        crcs = [(from_base64(part.crc32), part.size) for part in parts]
        composite = zlib.crc32(b"".join(crc.to_bytes(4, "big") for crc, _ in crcs))
        self._accept_existing(key, size, crc32_of_parts(crcs), f"{to_base64(composite)}-{len(parts)}")

    def _accept_existing(self, key: str, size: int, crc32: int, checksum: str) -> None:
        """Accept what lies at the key if it is ``size`` bytes with ``crc32``: by the checksum that S3 keeps, or read.

        S3's checksum of an upload in parts depends on where they were cut, so another one tells nothing.
        """
        there = self._find(self._client.head_object, Key=key, ChecksumMode="ENABLED")
        if there is None:
            raise UploadGone
        if there["ContentLength"] != size:
            raise ObjectConflict
        if there.get("ChecksumCRC32") != checksum and self._crc32(key, size) != crc32:
            raise ObjectConflict

    def _crc32(self, key: str, size: int) -> int:
        crc32 = 0
        for chunk in self.read(key, 0, size - 1):
            crc32 = zlib.crc32(chunk, crc32)
        return crc32

    def _put(self, key: str, body: bytes, **more: Any) -> None:
        self._call(self._client.put_object, Key=key, Body=body, ChecksumAlgorithm="CRC32", **more)

    def _stream(self, key: str, first: int, last: int) -> Iterator[bytes]:
        answer = self._once(self._client.get_object, Key=key, Range=f"bytes={first}-{last}")
        with closing(answer["Body"]) as body:
            while True:
                with aws_call():
                    chunk: bytes = body.read(CHUNK)
                if not chunk:
                    break
                first += len(chunk)
                yield chunk
        if first <= last:
            raise ServiceError("IncompleteReadError")

    def _find(self, operation: Callable[..., Mapping[str, Any]], **request: Any) -> Mapping[str, Any] | None:
        try:
            return self._call(operation, **request)
        except ServiceError as error:
            if error.code in NOT_FOUND:
                return None
            raise

    def _call(self, operation: Callable[..., T], **request: Any) -> T:
        return self._retry_policy.run(lambda: self._once(operation, **request))

    def _once(self, operation: Callable[..., T], **request: Any) -> T:
        with aws_call():
            try:
                return operation(Bucket=self._bucket, ExpectedBucketOwner=self._owner, **request)
            except ClientError as error:
                seconds = _retry_after(error)
                if not seconds:
                    raise
                raise SlowDown(error_code(error), seconds) from None


class _Pieces:
    """``size`` bytes of a body in pieces as botocore sends them best, of a length that it need not seek for."""

    def __init__(self, body: "SupportsRead[bytes]", size: int) -> None:
        self._body = body
        self._size = size

    def __len__(self) -> int:
        return self._size

    def read(self, size: int) -> bytes:
        return self._body.read(min(size, PIECE))


@contextmanager
def _upload_known() -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        if error.code in NO_UPLOAD:
            raise UploadGone from None
        raise


def _retry_after(error: ClientError) -> float:
    """Seconds that S3 asked for, 0 when it did not."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    value = headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _json(document: Any) -> bytes:
    """In one line, because manifests are rows of the table ``exports``."""
    return json.dumps(document, ensure_ascii=False).encode()
