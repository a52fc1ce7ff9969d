"""Iterates over the members of a raw object, including those of inner zip files, and applies every limit."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from exports.errors import Rejected
from exports.formats import zip_reader
from exports.formats.csv_text import read_sample
from exports.formats.zip_reader import Entry, ObjectSlice
from exports.keys import Keys
from exports.model import RawObject, Reason
from exports.s3.multipart import ObjectStore
from exports.unpack.filenames import Filenames

MAX_ZIP_DEPTH = 3
"""Levels of inner zip files that are unpacked. A deeper one is rejected: unread, its data would be lost silently."""
RATIO_FLOOR = 10_000_000
"""Bytes that are allowed at any compression ratio: a CSV of equal rows may have a ratio of 1,000."""
NOT_CSV = re.compile(rb"(?:\xef\xbb\xbf)?\s*[<{]|[^\r\n]*[\x00-\x08\x0e-\x1f]")
"""The start of an error page (HTML, XML, JSON) or of binary data; never the header of a CSV."""


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

    ``checked`` are the stored inner zip files whose CRC-32 this or an earlier invocation verified;
    ``check_deadline`` is called before every long operation, and may raise.
    """

    raw: RawObject
    keys: Keys
    bucket: ObjectStore
    counter: LimitCounter
    checked: set[str]
    check_deadline: Callable[[], None]
    names: Filenames = field(default_factory=Filenames)
    entries: int = 0
    count: int = 0

    def members(self) -> Iterator[Member]:
        raw = ObjectSlice(partial(self.bucket.read, self.raw.key), 0, self.raw.bytes)
        name = f"{self.keys.export_id}.csv"
        if self.raw.bytes == 0:
            raise Rejected(Reason.CORRUPT, "an empty file")
        if self.raw.key.endswith(".zip"):
            yield from self._zip_members(raw, "", 0)
        elif self.raw.key.endswith(".csv.gz"):
            yield self._member(name, lambda: _csv_only(zip_reader.gunzipped(raw.read(0, raw.size))), raw.size)
        else:
            yield self._member(name, lambda: _csv_only(raw.read(0, raw.size)), raw.size, raw.size)

    def _member(
        self, name: str, chunks: Callable[[], Iterator[bytes]], compressed_size: int, size: int | None = None
    ) -> Member:
        self.count += 1
        part = self.names.give(name)
        return Member(self.count, name, part, lambda: self.counter.bounded(chunks(), compressed_size), size)

    def _zip_members(self, zipped: ObjectSlice, prefix: str, depth: int) -> Iterator[Member]:
        entries = zip_reader.directory(zipped, max_entries=self.counter.limits.max_files - self.entries)
        self.entries += len(entries)
        self.counter.add_declared(entries)
        for entry in entries:
            name = prefix + entry.text
            if entry.is_directory:
                continue
            if entry.name.lower().endswith(b".zip"):
                yield from self._zip_members(self._inner_zip(zipped, entry, name, depth), f"{name}/", depth + 1)
            else:
                read_entry = partial(zip_reader.read_entry, zipped, entry)
                yield self._member(name, read_entry, entry.compressed_size, entry.size)

    def _inner_zip(self, zipped: ObjectSlice, entry: Entry, name: str, depth: int) -> ObjectSlice:
        """The bytes of an inner zip file: a slice if it is stored, else inflated to a work object.

        All of its bytes are checked once: the outer CRC-32 also covers its directory, its own CRC-32s do not.
        """
        if depth == MAX_ZIP_DEPTH:
            raise Rejected(Reason.UNSUPPORTED, f"zip files nested deeper than {MAX_ZIP_DEPTH} levels")
        chunks = self.counter.bounded(zip_reader.read_entry(zipped, entry), entry.compressed_size)
        if entry.method == zip_reader.STORED:
            self._check(name, chunks)
            return zip_reader.stored_slice(zipped, entry)
        key = self._work_key(name, entry)
        self._inflate(key, entry.size, chunks)
        return ObjectSlice(partial(self.bucket.read, key), 0, entry.size)

    def _check(self, name: str, chunks: Iterator[bytes]) -> None:
        if name not in self.checked:
            self.check_deadline()
            consume(chunks)
            self.checked.add(name)

    def _inflate(self, key: str, size: int, chunks: Iterator[bytes]) -> None:
        if self.bucket.size(key) == size:
            return
        self.check_deadline()
        with self.bucket.writer(key) as writer:
            for chunk in chunks:
                writer.write(chunk)

    def _work_key(self, name: str, entry: Entry) -> str:
        """A key from the zip file's name and content, so that no other object is mistaken for it."""
        name_hash = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self.keys.work(f"{name_hash}-{entry.crc32:08x}-{entry.size}.zip")


def consume(chunks: Iterator[bytes]) -> None:
    """Read all chunks, for the checks that reading makes."""
    for _ in chunks:
        pass


def _csv_only(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of an export of a single file. Raises Rejected for an error page or a damaged zip file."""
    sample = read_sample(chunks)
    if NOT_CSV.match(sample):
        raise Rejected(Reason.CORRUPT, "neither a zip file nor a CSV")
    yield sample
    yield from chunks
