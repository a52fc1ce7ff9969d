"""Iterates over the members of a raw object, including those of inner zip files, and applies every limit."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from exports.datasets.detection import APPLE_DOUBLE, is_added_by_archiver
from exports.errors import Rejected
from exports.formats import sniffing, zip_reader
from exports.formats.csv_text import encoding_of, in_utf_8, read_sample
from exports.formats.zip_reader import Entry, ObjectSlice
from exports.keys import Keys
from exports.model import RawObject, Reason
from exports.s3.multipart import ObjectStore
from exports.unpack.filenames import Filenames, manifest_name

MAX_ZIP_DEPTH = 3
"""Levels of inner zip files that are unpacked. A deeper one is rejected: unread, its data would be lost silently."""
MAX_INNER_ZIPS = 100
"""Inner zip files of all levels together. Each invocation reads the directories of all of them before it resumes."""
MAX_NAME_CHARACTERS = 10_000_000
"""Characters of the names of all entries together, each with those of the zip files around it."""
RATIO_FLOOR = 10_000_000
"""Bytes that are allowed at any compression ratio: a CSV of equal rows may have a ratio of 1,000."""
MAX_TABLE_BYTES = 10 * 10**9
"""Bytes of the largest CSV that becomes a table. At half of the measured speed it needs 8 minutes of the 15 that an
invocation has: docs/performance.md."""
NOT_CSV = re.compile(rb"\s*[<{]|[^\r\n]*[\x00-\x08\x0e-\x1f]")
"""In UTF-8, the start of an error page (HTML, XML, JSON) or of binary data; never the header of a CSV."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for unpacking, applied to the bytes as they are read. Declared sizes can only cause an earlier rejection.

    ``max_files`` counts the entries of all zip files, including folders; ``max_total_bytes`` counts all unpacked bytes,
    including inner zip files; ``max_ratio``, unpacked to compressed bytes, is for each member and in all, above 10 MB.
    """

    max_files: int = 10_000
    max_file_bytes: int = 20 * 10**9
    max_total_bytes: int = 500 * 10**9
    max_ratio: int = 200


@dataclass(frozen=True, slots=True)
class Member:
    """A file to store: its number in the walk, from 1, its name with its folders and zip files, its part of the key,
    and a function for its bytes.

    ``size`` is the declared size, which the bytes must have; None for a gzip file, which does not declare it first.
    """

    number: int
    name: str
    part: str
    chunks: Callable[[], Iterator[bytes]] = field(repr=False)
    size: int | None


@dataclass(slots=True)
class LimitCounter:
    """Counts what a raw object of ``compressed_size`` bytes unpacks to, and applies every limit."""

    limits: Limits
    compressed_size: int
    declared_bytes: int = 0
    """Sum of the declared sizes of all entries of all zip files; no entry can have more."""

    def add_declared(self, entries: list[Entry]) -> None:
        """Reject entries whose declared size is too large, before hours are spent on them."""
        self.declared_bytes += sum(entry.size for entry in entries)
        self._check(self.declared_bytes, self.compressed_size)
        for entry in entries:
            self._check_file(entry.size)

    def bounded(self, chunks: Iterator[bytes], compressed_size: int) -> Iterator[bytes]:
        """The chunks of a member of ``compressed_size`` bytes, counted before they are passed on."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self._check_file(size)
            self._check(size, compressed_size)
            yield chunk

    def _check(self, size: int, compressed_size: int) -> None:
        if size > self.limits.max_total_bytes:
            raise Rejected(Reason.TOO_LARGE, f"more than {self.limits.max_total_bytes} bytes in all")
        if size > max(RATIO_FLOOR, compressed_size * self.limits.max_ratio):
            raise Rejected(Reason.TOO_LARGE, f"it unpacks to more than {self.limits.max_ratio} times its size")

    def _check_file(self, size: int) -> None:
        if size > self.limits.max_file_bytes:
            raise Rejected(Reason.TOO_LARGE, f"a file of more than {self.limits.max_file_bytes} bytes")


@dataclass(slots=True)
class MemberWalker:
    """One pass over the raw object, always in the same order, so that numbers and key parts are the same each time.

    ``read`` reads bytes of an object, as the bucket does, and may raise at the end of the invocation. ``checked`` are
    the stored inner zip files whose CRC-32 this or an earlier invocation verified.

    ``attempt(name, action)`` calls ``action``, or raises if no time is left. An action that the end of the invocation
    interrupts is called in at most three invocations, then the export is rejected.

    ``notes`` has a note for each zip file that has bytes in front of its first member.
    """

    raw: RawObject
    keys: Keys
    bucket: ObjectStore
    read: Callable[[str, int, int], Iterator[bytes]]
    counter: LimitCounter
    checked: set[str]
    attempt: Callable[[str, Callable[[], object]], None]
    names: Filenames = field(default_factory=Filenames)
    notes: list[Mapping[str, object]] = field(default_factory=list)
    entries: int = 0
    inner_zips: int = 0
    name_characters: int = 0
    count: int = 0

    def members(self) -> Iterator[Member]:
        if self.raw.bytes == 0:
            raise Rejected(Reason.CORRUPT, "an empty file")
        extension = self.raw.key.removeprefix(self.keys.raw(""))
        yield from self._opened(self._object(self.raw.key, self.raw.bytes), extension, 0)

    def _opened(self, content: ObjectSlice, extension: str, depth: int) -> Iterator[Member]:
        """The members of a zip file, or any other content as one member."""
        name = f"{self.keys.export_id}.csv"
        if extension == "csv.gz":
            yield from self._gunzipped(content, name, depth)
        elif extension == "zip" or zip_reader.ends_as_zip(content):
            yield from self._zip_members(content, "", depth)
        else:
            yield self._member(name, lambda: _csv_only(content.read(0, content.size)), content.size, content.size)

    def _gunzipped(self, content: ObjectSlice, name: str, depth: int) -> Iterator[Member]:
        """What a gzip file contains: text, or a zip or gzip file that was compressed once more on its way."""

        def chunks() -> Iterator[bytes]:
            return zip_reader.gunzipped(content.read(0, content.size))

        sample = read_sample(self.counter.bounded(chunks(), content.size))
        if depth == MAX_ZIP_DEPTH or _is_text(sample):
            yield self._member(name, lambda: _csv_only(chunks()), content.size)
            return
        key = self._work_key(f"{self.raw.crc32} {self.raw.bytes} {depth}", "gunzipped")
        self._inflate(key, self.counter.bounded(chunks(), content.size))
        yield from self._opened(self._object(key, self.bucket.size(key) or 0), sniffing.extension(sample), depth + 1)

    def _member(
        self, name: str, chunks: Callable[[], Iterator[bytes]], compressed_size: int, size: int | None = None
    ) -> Member:
        self.count += 1
        part = self.names.give(name)
        return Member(self.count, name, part, lambda: self.counter.bounded(chunks(), compressed_size), size)

    def _zip_members(self, zipped: ObjectSlice, prefix: str, depth: int) -> Iterator[Member]:
        entries = zip_reader.directory(zipped, max_entries=self.counter.limits.max_files - self.entries)
        self._count(entries, prefix)
        for entry in entries:
            name = prefix + entry.text
            if entry.is_directory:
                continue
            if _is_zip(entry):
                inner = self._inner_zip(zipped, entry, name, depth)
                if b"".join(inner.read(0, min(4, inner.size))) not in APPLE_DOUBLE:
                    yield from self._zip_members(inner, f"{name}/", depth + 1)
                    continue
            yield self._member(name, partial(zip_reader.read_entry, zipped, entry), entry.compressed_size, entry.size)

    def _count(self, entries: list[Entry], prefix: str) -> None:
        """Apply the limits of all zip files together, before anything else of this one is read."""
        self.entries += len(entries)
        self.counter.add_declared(entries)
        self.inner_zips += sum(map(_is_zip, entries))
        if self.inner_zips > MAX_INNER_ZIPS:
            raise Rejected(Reason.TOO_LARGE, f"more than {MAX_INNER_ZIPS} inner zip files")
        self.name_characters += sum(len(prefix) + len(entry.name) for entry in entries)
        if self.name_characters > MAX_NAME_CHARACTERS:
            raise Rejected(Reason.TOO_LARGE, f"names of more than {MAX_NAME_CHARACTERS} characters in all")
        if leading := min((entry.offset for entry in entries), default=0):
            name = manifest_name(prefix.removesuffix("/")) or self.raw.key.rpartition("/")[2]
            self.notes.append({"name": name, "leadingBytes": leading})

    def _object(self, key: str, size: int) -> ObjectSlice:
        return ObjectSlice(partial(self.read, key), 0, size)

    def _inner_zip(self, zipped: ObjectSlice, entry: Entry, name: str, depth: int) -> ObjectSlice:
        """The bytes of an inner zip file: a slice if it is stored, else inflated to a work object.

        All of its bytes are checked once: the outer CRC-32 also covers its directory, its own CRC-32s do not.
        """
        if depth == MAX_ZIP_DEPTH:
            raise Rejected(Reason.UNSUPPORTED, f"zip files nested deeper than {MAX_ZIP_DEPTH} levels")
        chunks = self.counter.bounded(zip_reader.read_entry(zipped, entry), entry.compressed_size)
        if entry.method == zip_reader.STORED:
            if name not in self.checked:
                self.attempt(f"{name}/", partial(consume, chunks))
                self.checked.add(name)
            return zip_reader.stored_slice(zipped, entry)
        key = self._work_key(name, f"{entry.crc32:08x}-{entry.size}.zip")
        self._inflate(key, chunks)
        return self._object(key, entry.size)

    def _inflate(self, key: str, chunks: Iterator[bytes]) -> None:
        """Write the chunks to a work object, unless an earlier invocation did. The object is there only if complete."""

        def write() -> None:
            with self.bucket.writer(key) as writer:
                for chunk in chunks:
                    writer.write(chunk)

        if self.bucket.size(key) is None:
            self.attempt(key, write)

    def _work_key(self, name: str, end: str) -> str:
        """A key from the file's name and content, so that no other object is mistaken for it."""
        return self.keys.work(f"{hashlib.sha256(name.encode()).hexdigest()[:16]}-{end}")


def _is_zip(entry: Entry) -> bool:
    return entry.name.lower().endswith(b".zip") and not entry.is_directory and not is_added_by_archiver(entry.text)


def consume(chunks: Iterator[bytes]) -> int:
    """Read all chunks, for the checks that reading makes; return their size."""
    return sum(map(len, chunks))


def _csv_only(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of an export of a single file. Raises Rejected for an error page or a damaged zip file."""
    sample = read_sample(chunks)
    if not _is_text(sample):
        raise Rejected(Reason.CORRUPT, "neither a zip file nor a CSV")
    yield sample
    yield from chunks


def _is_text(sample: bytes) -> bool:
    """Whether the bytes can be the start of a CSV, in any encoding that is read as one."""
    return not NOT_CSV.match(b"".join(in_utf_8((sample,), encoding_of(sample))))
