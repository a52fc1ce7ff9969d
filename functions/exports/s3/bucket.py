"""A wrapper of one S3 bucket: objects are complete or absent, written once and not overwritten."""

import io
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError

from exports.aws.client_errors import aws_call, client_error
from exports.errors import NonRetryableError, ServiceError
from exports.retry import RetryPolicy
from exports.s3.crc32 import crc32_of_parts, from_base64, to_base64
from exports.s3.multipart import Part, PendingUpload, UploadGone, composite_checksum
from exports.s3.object_writer import ObjectWriter, PendingObjectWriter

if TYPE_CHECKING:
    from _typeshed import SupportsRead
    from boto3.session import Session
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")
Writer = TypeVar("Writer", bound=ObjectWriter)

CHUNK = 256 * 1024
"""Bytes per read: a part is never in memory as a whole."""
PIECE = 64 * 1024
"""Bytes that botocore sends as one chunk. S3 rejects less than 8 KiB. The default of 1 MiB costs a copy with 8 workers
another 16 MB of memory and 20% more CPU, because the rest of a chunk is copied for every 16 KiB that are sent."""
NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
PRECONDITION_FAILED = frozenset({"412", "PreconditionFailed"})
NO_SUCH_UPLOAD = frozenset({"404", "NoSuchUpload"})
CONFLICT = "ConditionalRequestConflict"
"""The object changed during a conditional write (409). The write can be tried again, a multipart upload only from its
start: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html#API_CompleteMultipartUpload_RequestSyntax"""
CONDITION_FAILED = PRECONDITION_FAILED | {"NoSuchKey", CONFLICT}
"""Answers to a conditional write after the object has changed; 404 NoSuchKey to If-Match if there is none any more:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html#conditional-error-response"""


class ObjectConflict(NonRetryableError):
    """A different object exists at the key, and is not overwritten."""

    def __init__(self) -> None:
        super().__init__("ObjectDiffers")


class SlowDown(ServiceError):
    """S3 asked for a delay of ``retry_after`` seconds."""

    def __init__(self, code: str, retry_after: float) -> None:
        super().__init__(code)
        self.retry_after = retry_after


def s3_client(session: "Session", *, connections: int = 16) -> "S3Client":
    """An S3 client without retries, with timeouts, and with only those checksums that a call requests.

    :class:`Bucket` does the retries: botocore cannot retry an UploadPart whose body comes from a socket. When it tries,
    UnseekableStreamError hides the error code.
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
    """Objects of one bucket. Every call names the bucket's expected owner and raises ServiceError if it fails.

    An existing object is accepted if its size and CRC-32 equal those of the object to write: a key depends only on the
    export, so another run wrote the same export. A different object stays, and ObjectConflict is raised. With
    ``overwrite``, it is replaced once the new upload is complete, by a write on condition of its ETag: of two writers,
    one replaces it, and the other sees that it has changed.

    An object to replace is never deleted, and is looked at before the upload that replaces it is created. S3 ranks the
    objects of a key by the time when their upload was created, or their PUT arrived, and delete markers likewise; an
    upload that is outranked is completed with 200 all the same, and its object never becomes the current one:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#distributedmpupload
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
        self.overwrite = overwrite

    def with_retry_policy(self, retry_policy: RetryPolicy, *, overwrite: bool = False) -> "Bucket":
        """The same bucket for one invocation, without retries that ``retry_policy.time_left()`` does not allow."""
        return Bucket(
            self._client, bucket=self._bucket, owner=self._owner, retry_policy=retry_policy, overwrite=overwrite
        )

    def size(self, key: str) -> int | None:
        """The size in bytes of the object at ``key``; None if there is none."""
        existing = self._head(key)
        return None if existing is None else int(existing["ContentLength"])

    def etag(self, key: str) -> str:
        """The ETag of the object at ``key``, in quotes; empty if there is none."""
        existing = self._head(key)
        return "" if existing is None else str(existing["ETag"])

    def matches(self, key: str, size: int, checksum: str) -> bool:
        """Whether the object at ``key`` has ``size`` bytes and this checksum, as S3 reports it."""
        existing = self._head(key)
        return existing is not None and _matches(existing, size, checksum)

    def read(self, key: str, first: int, last: int) -> Iterator[bytes]:
        """Bytes ``first`` to ``last`` (inclusive), at most 256 KiB at a time; resumes after a lost connection."""
        failures = 0
        while first <= last:
            try:
                for chunk in self._get_range(key, first, last):
                    first += len(chunk)
                    failures = 0
                    yield chunk
            except ServiceError as error:
                failures += 1
                self._retry_policy.wait_or_raise(failures, error)

    def read_json(self, key: str) -> Any | None:
        """The JSON document at ``key``; None if there is none."""

        def document() -> Any:
            response = self._call_once(self._client.get_object, Key=key)
            with aws_call(), closing(response["Body"]) as body:
                return json.loads(body.read())

        try:
            return self._retry_policy.run(document)
        except ServiceError as error:
            if error.code in NOT_FOUND:
                return None
            raise

    def put_json(self, key: str, document: Any) -> None:
        """Write the document. An existing one is overwritten."""
        self._put(key, _json(document), ContentType="application/json")

    def put_json_file(self, key: str, file: IO[bytes]) -> None:
        """Write the document in ``file``, which may be larger than the memory. An existing one is overwritten."""
        put = partial(self._client.put_object, Key=key, ChecksumAlgorithm="CRC32", ContentType="application/json")

        def send() -> None:
            file.seek(0)
            self._call_once(put, Body=file)

        self._retry_policy.run(send)

    def put_page(self, key: str, page: bytes) -> None:
        """Write a page in HTML that no browser keeps. An existing one is overwritten, also that of another run."""
        self._put(key, page, ContentType="text/html; charset=utf-8", CacheControl="no-store")

    def put_json_if_absent(self, key: str, document: Any) -> bool:
        """Write the document unless an object exists. The result is that of ``put_if_absent``."""
        return self.put_if_absent(key, _json(document), ContentType="application/json")

    def put_if_absent(self, key: str, body: bytes, **options: Any) -> bool:
        """Write a small object unless one exists, whatever its bytes.

        False: one existed, or the response to an earlier attempt was lost. ``options`` are those of PutObject.
        """
        try:
            self._put(key, body, IfNoneMatch="*", **options)
        except ServiceError as error:
            if error.code in PRECONDITION_FAILED:
                return False
            raise
        return True

    def put_or_verify(self, key: str, body: bytes) -> None:
        """Write a small object, or accept the same object if it exists."""
        self._retry_policy.run(lambda: self._put_or_verify_once(key, body))

    def _put_or_verify_once(self, key: str, body: bytes) -> None:
        """One attempt. Raises ServiceError with the code CONFLICT if the object changes meanwhile."""
        put = partial(self._client.put_object, Key=key, Body=body, ChecksumAlgorithm="CRC32")
        try:
            self._call_once(put, IfNoneMatch="*")
        except ServiceError as error:
            if error.code not in PRECONDITION_FAILED:
                raise
            existing = self._head_once(key)
            if existing is None:
                raise ServiceError(CONFLICT) from None
            if self._is_same(key, existing, len(body), zlib.crc32(body)):
                return
            if not self.overwrite:
                raise ObjectConflict from None
            self._replace(put, existing["ETag"])

    def _replace(self, put: Callable[..., object], etag: str) -> None:
        try:
            self._call_once(put, IfMatch=etag)
        except ServiceError as error:
            raise (ServiceError(CONFLICT) if error.code in CONDITION_FAILED else error) from None

    def writer(self, key: str) -> AbstractContextManager[ObjectWriter]:
        """Write a stream of unknown length. The object is visible only after the block ends without an error."""
        return _finished_or_aborted(ObjectWriter(self, key))

    def pending_writer(self, key: str) -> AbstractContextManager[PendingObjectWriter]:
        """Write a stream of unknown length that is not empty, and make nothing visible.

        After the block ends without an error, ``upload`` of the writer can be passed to ``publish``, also by a later
        invocation.
        """
        return _finished_or_aborted(PendingObjectWriter(self, key))

    def create_upload(self, key: str) -> str:
        """Create a multipart upload with CRC32 checksums of its parts, and return its id."""
        create = self._client.create_multipart_upload
        response = self._call(create, Key=key, ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE")
        return str(response["UploadId"])

    def parts(self, key: str, upload_id: str) -> dict[int, Part]:
        """All uploaded parts by number. Raises UploadGone."""
        found: dict[int, Part] = {}
        marker: dict[str, int] = {}
        while True:
            with _raise_upload_gone():
                page = self._call(self._client.list_parts, Key=key, UploadId=upload_id, **marker)
            for part in page.get("Parts", ()):
                found[part["PartNumber"]] = Part(
                    part["PartNumber"], part["Size"], part["ETag"], part.get("ChecksumCRC32", "")
                )
            if not page.get("IsTruncated"):
                return found
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    def put_part(self, key: str, upload_id: str, number: int, body: "SupportsRead[bytes]", size: int) -> Part:
        """Upload one part of ``size`` bytes. No retries: only the caller can read the body again. Raises UploadGone.

        The length is declared first, so a body that ends early or raises cannot become a part. It is that of the body:
        with the parameter ContentLength, botocore 1.36.7 signs a header that servers drop from a chunked request. The
        CRC32 follows the body (botocore's aws-chunked), and S3 compares it with the received bytes.
        """
        with _raise_upload_gone():
            response = self._call_once(
                self._client.upload_part,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=_SizedBody(body, size),
                ChecksumAlgorithm="CRC32",
            )
        return Part(number, size, str(response["ETag"]), str(response["ChecksumCRC32"]))

    def put_buffer(self, key: str, upload_id: str, number: int, buffer: io.BytesIO) -> Part:
        """Upload the content of ``buffer`` as one part, with retries."""
        size = buffer.tell()

        def send() -> Part:
            buffer.seek(0)
            return self.put_part(key, upload_id, number, buffer, size)

        return self._retry_policy.run(send)

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], size: int, replaces: str = "") -> None:
        """Complete the upload if its parts add up to ``size``, or accept the same object if it exists.

        ``replaces`` is the ETag of the object that was at the key before the upload was created, empty if there was
        none. With ``overwrite``, this object is replaced, and no other. Raises UploadGone if the object has changed.

        Then aborts other uploads of the key: an invocation killed between creating and saving an upload leaves it.
        """
        ordered = sorted(parts, key=lambda part: part.number)
        replaces = replaces if self.overwrite else ""
        if not (replaces and self.matches(key, size, composite_checksum(ordered))):
            try:
                self._complete(
                    key, upload_id, ordered, size, {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
                )
            except UploadGone:
                # Completed by another run, or by this one if the response was lost.
                self._accept_existing_upload(key, size, ordered)
        self.abort_all(key)

    def publish(self, upload: PendingUpload) -> bool:
        """Make a pending upload visible, unless there is an object at its key, which is kept whatever its bytes are.

        True: there is an object now, of this upload or of another writer. False: there is none, and the upload is gone
        (it was aborted or has expired, or an object at its key has been deleted meanwhile), so it must be made again.

        No upload of the key is left behind: once there is an object, no other one can be completed.
        """
        try:
            self._complete(upload.key, upload.upload_id, upload.parts, upload.size, {"IfNoneMatch": "*"})
        except UploadGone:
            if self.size(upload.key) is None:
                self.abort(upload.key, upload.upload_id)
                return False
        self.abort_all(upload.key)
        return True

    def _complete(
        self, key: str, upload_id: str, parts: Sequence[Part], size: int, condition: Mapping[str, str]
    ) -> None:
        completed_parts: list[CompletedPartTypeDef] = [
            {"PartNumber": part.number, "ETag": part.etag, "ChecksumCRC32": part.crc32} for part in parts
        ]

        def write() -> None:
            with _raise_upload_gone(NO_SUCH_UPLOAD | CONDITION_FAILED):
                self._call_once(
                    self._client.complete_multipart_upload,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={"Parts": completed_parts},
                    MpuObjectSize=size,
                    **condition,
                )

        self._retry_policy.run(write)

    def abort_all(self, key: str) -> None:
        """Abort every upload of the key. S3 lists those of this very key before those of keys that begin with it."""
        page = self._call(self._client.list_multipart_uploads, Prefix=key)
        for upload in page.get("Uploads", ()):
            if upload["Key"] == key:
                self.abort(key, upload["UploadId"])

    def abort(self, key: str, upload_id: str) -> None:
        """Abort an upload and delete its parts. An upload that no longer exists is not an error."""
        with suppress(UploadGone), _raise_upload_gone():
            self._call(self._client.abort_multipart_upload, Key=key, UploadId=upload_id)

    def delete(self, key: str) -> None:
        """Delete the object; a versioned bucket keeps it as an earlier version. A missing object is not an error."""
        self._call(self._client.delete_object, Key=key)

    def _accept_existing_upload(self, key: str, size: int, parts: Sequence[Part]) -> None:
        """Accept the object at the key if it equals the upload, else raise UploadGone or ObjectConflict.

        S3's checksum of a multipart upload depends on the part sizes, so a different one proves nothing. Reading the
        object does, and is left out where it may be replaced: it can take longer than an invocation.
        """
        existing = self._head(key)
        if existing is not None and _matches(existing, size, composite_checksum(parts)):
            return
        if existing is None or self.overwrite:
            raise UploadGone
        if not self._is_same(key, existing, size, crc32_of_parts((from_base64(p.crc32), p.size) for p in parts)):
            raise ObjectConflict

    def _is_same(self, key: str, existing: Mapping[str, Any], size: int, crc32: int) -> bool:
        """Whether an existing object has ``size`` bytes and ``crc32``, by S3's checksum or by reading it."""
        if _matches(existing, size, to_base64(crc32)):
            return True
        return existing["ContentLength"] == size and self._crc32(key, size) == crc32

    def _crc32(self, key: str, size: int) -> int:
        crc32 = 0
        for chunk in self.read(key, 0, size - 1):
            crc32 = zlib.crc32(chunk, crc32)
        return crc32

    def _put(self, key: str, body: bytes, **options: Any) -> None:
        self._call(self._client.put_object, Key=key, Body=body, ChecksumAlgorithm="CRC32", **options)

    def _get_range(self, key: str, first: int, last: int) -> Iterator[bytes]:
        response = self._call_once(self._client.get_object, Key=key, Range=f"bytes={first}-{last}")
        with closing(response["Body"]) as body:
            while True:
                with aws_call():
                    chunk: bytes = body.read(CHUNK)
                if not chunk:
                    break
                first += len(chunk)
                yield chunk
        if first <= last:
            raise ServiceError("IncompleteReadError")

    def _head(self, key: str) -> Mapping[str, Any] | None:
        """Size, ETag and checksum of the object at the key; None if there is none."""
        return self._retry_policy.run(lambda: self._head_once(key))

    def _head_once(self, key: str) -> Mapping[str, Any] | None:
        try:
            return self._call_once(self._client.head_object, Key=key, ChecksumMode="ENABLED")
        except ServiceError as error:
            if error.code in NOT_FOUND:
                return None
            raise

    def _call(self, operation: Callable[..., T], **request: Any) -> T:
        return self._retry_policy.run(lambda: self._call_once(operation, **request))

    def _call_once(self, operation: Callable[..., T], **request: Any) -> T:
        with aws_call():
            try:
                return operation(Bucket=self._bucket, ExpectedBucketOwner=self._owner, **request)
            except ClientError as error:
                failed, seconds = client_error(error), _retry_after(error)
                if not seconds or isinstance(failed, NonRetryableError):
                    raise
                raise SlowDown(failed.code, seconds) from None


class _SizedBody:
    """A body of ``size`` bytes in pieces of the best size for botocore, with a length that needs no seek."""

    def __init__(self, body: "SupportsRead[bytes]", size: int) -> None:
        self._body = body
        self._size = size

    def __len__(self) -> int:
        return self._size

    def read(self, size: int) -> bytes:
        return self._body.read(min(size, PIECE))


@contextmanager
def _finished_or_aborted(writer: Writer) -> Iterator[Writer]:
    """Finish the writer after the block, or abort it if the block or its end raises."""
    try:
        yield writer
        writer.finish()
    except BaseException:
        with suppress(ServiceError):
            writer.abort()
        raise


@contextmanager
def _raise_upload_gone(codes: Collection[str] = NO_SUCH_UPLOAD) -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        if error.code in codes:
            raise UploadGone from None
        raise


def _matches(existing: Mapping[str, Any], size: int, checksum: str) -> bool:
    return existing["ContentLength"] == size and existing.get("ChecksumCRC32") == checksum


def _retry_after(error: ClientError) -> float:
    """The seconds of S3's Retry-After header, 0 without one."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    value = headers.get("retry-after", "")
    return float(value) if value.isdecimal() else 0.0


def _json(document: Any) -> bytes:
    """The document in ASCII: a terminal that prints it obeys no control or bidirectional character of a name."""
    return json.dumps(document).encode()
