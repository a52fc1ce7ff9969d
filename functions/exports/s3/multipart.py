"""The interface of the bucket, and one multipart upload: its stored state, its parts and their sizes."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from exports.errors import ServiceError
from exports.s3.crc32 import from_base64, to_base64

if TYPE_CHECKING:
    from _typeshed import SupportsRead, SupportsWrite

MIB = 1024 * 1024

MIN_PART_SIZE = 5 * MIB
"""S3 rejects a smaller part, except the last one."""
MAX_PARTS = 10_000
MAX_OBJECT_SIZE = 5 * 1024 * 1024 * MIB
"""5 TiB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

SMALL_FILE_BYTES = 8 * MIB
"""Up to this size, one stream and one PutObject are faster than a multipart upload. Parts of a stream of unknown length
have this size, too: one of them is in memory."""
PART_SIZE = 16 * MIB
"""Large enough that the requests per part cost little, small enough that a killed invocation loses little."""
WORKERS = 8
"""How many parts are copied at once. Medians of four copies of 256 MiB on two busy cores, with 4 and 8 workers:

- 75 MB/s for the whole machine, as for one Lambda function: 3.90 and 3.96 s, 1.24 and 1.30 s of CPU
- the same with 15 MB/s per connection and 120 ms to the first byte, as from another Region: 6.76 and 5.24 s
- peak memory: 62 and 70 MB
"""


class UploadGone(ServiceError):
    """The multipart upload cannot be completed, only a new one: it was completed or aborted, has expired, or the object
    at its key has changed since the upload was created.

    Not retryable in this invocation; the next attempt of the task creates a new upload.
    """

    retryable = False

    def __init__(self) -> None:
        super().__init__("NoSuchUpload")


@dataclass(frozen=True, slots=True)
class Part:
    """A part as S3 reports it; ``crc32`` is base64 of four big-endian bytes, verified by S3 on receipt."""

    number: int
    size: int
    etag: str
    crc32: str


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """A multipart upload of ``size`` bytes whose parts are all there: only its completion makes the object visible."""

    key: str
    upload_id: str
    parts: tuple[Part, ...]
    size: int


class PendingWriter(Protocol):
    """Takes the bytes of a pending upload. ``upload`` is set at the end of the block of ``pending_writer``."""

    upload: PendingUpload

    def write(self, data: bytes, /) -> object: ...


def composite_checksum(parts: Sequence[Part]) -> str:
    """S3's checksum of a multipart upload with these parts in their order: CRC-32 of their CRC-32s, and their number.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    crcs = b"".join(from_base64(part.crc32).to_bytes(4, "big") for part in parts)
    return f"{to_base64(zlib.crc32(crcs))}-{len(parts)}"


class ObjectStore(Protocol):
    """The bucket: :class:`exports.s3.bucket.Bucket`, which documents each method, or one in memory in tests."""

    def size(self, key: str) -> int | None: ...
    def etag(self, key: str) -> str: ...
    def matches(self, key: str, size: int, checksum: str) -> bool: ...
    def read(self, key: str, first: int, last: int) -> Iterator[bytes]: ...
    def read_json(self, key: str) -> Any | None: ...
    def put_json(self, key: str, document: Any) -> None: ...
    def put_json_if_absent(self, key: str, document: Any) -> bool: ...
    def delete(self, key: str) -> None: ...
    def put_if_absent(self, key: str, body: bytes) -> bool: ...
    def writer(self, key: str) -> "AbstractContextManager[SupportsWrite[bytes]]": ...
    def pending_writer(self, key: str) -> AbstractContextManager[PendingWriter]: ...
    def publish(self, upload: PendingUpload) -> bool: ...
    def create_upload(self, key: str) -> str: ...
    def parts(self, key: str, upload_id: str) -> dict[int, Part]: ...
    def put_part(self, key: str, upload_id: str, number: int, body: "SupportsRead[bytes]", size: int) -> Part: ...
    def complete(self, key: str, upload_id: str, parts: Sequence[Part], size: int, replaces: str = "") -> None: ...
    def abort(self, key: str, upload_id: str) -> None: ...
    def abort_all(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A copy in progress. It is stored in the catalog, so that a later invocation can resume it.

    ``etag`` and ``size`` are the source's. ``crc32`` is of the whole file, ``checksum`` is what S3 will report of the
    object. Both are known once all parts are uploaded, and are stored before the upload is completed, because S3 no
    longer lists the parts afterwards. ``replaces`` is the ETag of the object that was at the key before the upload was
    created, empty if there was none.
    """

    key: str
    upload_id: str
    etag: str
    size: int
    part_size: int
    crc32: str = ""
    checksum: str = ""
    replaces: str = ""

    @property
    def numbers(self) -> range:
        """The part numbers, from 1."""
        return range(1, -(-self.size // self.part_size) + 1)

    def byte_range(self, number: int) -> tuple[int, int]:
        """First and last byte (inclusive) of part ``number``."""
        first = (number - 1) * self.part_size
        return first, min(first + self.part_size, self.size) - 1

    def length(self, number: int) -> int:
        first, last = self.byte_range(number)
        return last - first + 1

    def valid_parts(self, uploaded: Mapping[int, Part]) -> dict[int, Part]:
        """The parts that have the right length and a checksum. Others are copied again."""
        return {
            n: part for n, part in uploaded.items() if n in self.numbers and part.size == self.length(n) and part.crc32
        }


def part_size_for(size: int) -> int:
    """The part size in bytes for a file of ``size`` bytes: whole MiB, within S3's limits for any size up to 5 TiB.

    A file with fewer parts of ``PART_SIZE`` than workers gets smaller parts.
    """
    preferred = min(PART_SIZE, size // WORKERS)
    minimum = max(MIN_PART_SIZE, -(-size // MAX_PARTS))
    return -(-max(preferred, minimum) // MIB) * MIB
