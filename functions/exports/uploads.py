"""One multipart upload: what is kept of it between calls, its parts, and who takes which of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from exports.errors import ServiceError

MIB = 1024 * 1024

SMALLEST_PART = 5 * MIB
"""S3 refuses a smaller part, the last one aside."""
MOST_PARTS = 10_000
LARGEST_OBJECT = 5 * 1024 * 1024 * MIB
"""5 TiB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
USUAL_PART = 16 * MIB
"""Large enough that the calls around a part cost little, small enough that a killed call loses little."""
FEWEST_PARTS = 8
"""A file that would make fewer parts of the usual size gets smaller ones, so that every worker has one."""


MOST_SLICES = 40
"""As many as an inline Map of the workflow runs at once."""


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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The time of this call is spent; ``slices`` calls at once may share what is left."""

    slices: int = 1


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
    def part_count(self) -> int:
        return -(-self.size // self.part_size)

    def span(self, number: int) -> tuple[int, int]:
        """First and last byte (inclusive) of part ``number``, counted from 1."""
        first = (number - 1) * self.part_size
        return first, min(first + self.part_size, self.size) - 1

    def length(self, number: int) -> int:
        first, last = self.span(number)
        return last - first + 1

    def missing(self, there: Iterable[int], part_slice: tuple[int, int] = (0, 1)) -> Iterator[int]:
        """Numbers of the parts of slice ``(i, n)``, those with ``number % n == i``, that are not ``there`` yet."""
        index, slices = part_slice
        present = frozenset(there)
        return (n for n in range(1, self.part_count + 1) if n % slices == index and n not in present)

    def fitting(self, there: Mapping[int, Part]) -> dict[int, Part]:
        """The parts that are as long as they should be and whose checksum is known; others are carried again."""
        wanted = range(1, self.part_count + 1)
        return {n: part for n, part in there.items() if n in wanted and part.size == self.length(n) and part.crc32}


def slices_for(size: int, slice_bytes: int) -> int:
    """How many calls at once share work on ``size`` bytes: one for each ``slice_bytes`` begun (0: one for all)."""
    return min(MOST_SLICES, max(1, -(-size // slice_bytes))) if slice_bytes else 1


def part_size_for(size: int, usual: int = USUAL_PART) -> int:
    """Bytes of each part of a file of ``size`` bytes: within S3's limits for every size up to 5 TiB, whole MiB.

    At most ``usual`` as long as 10,000 such parts hold the file.
    """
    wanted = min(usual, size // FEWEST_PARTS)
    least = max(SMALLEST_PART, -(-size // MOST_PARTS))
    return -(-max(wanted, least) // MIB) * MIB
