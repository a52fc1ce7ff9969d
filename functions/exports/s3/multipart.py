"""What the domain needs of the bucket, and one multipart upload: what is kept of it, its parts, how large they are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from exports.errors import ServiceError

if TYPE_CHECKING:
    from _typeshed import SupportsRead, SupportsWrite

MIB = 1024 * 1024

MIN_PART_SIZE = 5 * MIB
"""S3 refuses a smaller part, the last one aside."""
MAX_PARTS = 10_000
MAX_OBJECT_SIZE = 5 * 1024 * 1024 * MIB
"""5 TiB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

SMALL = 8 * MIB
"""Up to here one stream and one PutObject are quicker than an upload of parts. Parts of what comes without its length
have this size, too: one of them lies in memory."""
PART_SIZE = 16 * MIB
"""Large enough that the calls around a part cost little, small enough that a killed call loses little."""
WORKERS = 8
"""How many parts are carried at once. Medians of four copies of 256 MiB on two busy cores, by 4 and by 8 workers:

- 75 MB/s for the whole machine, as one Lambda has it: 3.90 and 3.96 s, 1.24 and 1.30 s of CPU
- the same with 15 MB/s a connection and 120 ms to the first byte, as from another region: 6.76 and 5.24 s
- peak memory: 62 and 70 MB
"""


class UploadGone(ServiceError):
    """The multipart upload was completed, aborted, or expired: S3 does not know it (any more)."""

    def __init__(self) -> None:
        super().__init__("NoSuchUpload")


@dataclass(frozen=True, slots=True)
class Part:
    """A part as S3 has it; ``crc32`` is base64 of four big-endian bytes and was verified by S3 on arrival."""

    number: int
    size: int
    etag: str
    crc32: str


class ObjectStore(Protocol):
    """Where objects lie: :class:`exports.s3.bucket.Bucket`, which documents each method, or one in memory in tests."""

    def size(self, key: str) -> int | None: ...
    def read(self, key: str, first: int, last: int) -> Iterator[bytes]: ...
    def read_json(self, key: str) -> Any | None: ...
    def put_json(self, key: str, document: Any) -> None: ...
    def put_json_once(self, key: str, document: Any) -> bool: ...
    def delete(self, key: str) -> None: ...
    def writer(self, key: str) -> "AbstractContextManager[SupportsWrite[bytes]]": ...
    def begin(self, key: str) -> str: ...
    def parts(self, key: str, upload_id: str) -> dict[int, Part]: ...
    def put_part(self, key: str, upload_id: str, number: int, body: "SupportsRead[bytes]", size: int) -> Part: ...
    def complete(self, key: str, upload_id: str, parts: Sequence[Part], size: int) -> None: ...
    def abort(self, key: str, upload_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A copy that was begun: kept in the catalog, so that a later call goes on where this one ended.

    ``etag`` and ``size`` are the source's. ``crc32`` covers the whole file and is known once every part is there; it is
    kept before the upload is completed, because S3 forgets the parts then.
    """

    key: str
    upload_id: str
    etag: str
    size: int
    part_size: int
    crc32: str = ""

    @property
    def numbers(self) -> range:
        """Of its parts, counted from 1."""
        return range(1, -(-self.size // self.part_size) + 1)

    def byte_range(self, number: int) -> tuple[int, int]:
        """First and last byte (inclusive) of part ``number``."""
        first = (number - 1) * self.part_size
        return first, min(first + self.part_size, self.size) - 1

    def length(self, number: int) -> int:
        first, last = self.byte_range(number)
        return last - first + 1

    def valid_parts(self, there: Mapping[int, Part]) -> dict[int, Part]:
        """The parts that are as long as they should be and whose checksum is known; others are carried again."""
        return {
            n: part for n, part in there.items() if n in self.numbers and part.size == self.length(n) and part.crc32
        }


def part_size_for(size: int) -> int:
    """Bytes of each part of a file of ``size`` bytes: within S3's limits for every size up to 5 TiB, whole MiB.

    A file that would make fewer parts of the usual size than there are workers gets smaller ones.
    """
    wanted = min(PART_SIZE, size // WORKERS)
    least = max(MIN_PART_SIZE, -(-size // MAX_PARTS))
    return -(-max(wanted, least) // MIB) * MIB
