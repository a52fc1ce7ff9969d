"""The members of a raw object, in the zip's order, zips in the zip followed, each counted against every limit."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from exports.errors import Rejected
from exports.formats import zip_reader
from exports.formats.zip_reader import Entry, ObjectSlice
from exports.keys import Keys
from exports.model import RawObject, Reason
from exports.s3.multipart import ObjectStore
from exports.unpack.filenames import Filenames

MAX_ZIP_DEPTH = 3
"""Zips in zips that are followed. A deeper one is refused: kept packed, its data would be missed without a word."""
RATIO_FLOOR = 10_000_000
"""Bytes that anything may unpack to, however small it is packed: a CSV of equal rows shrinks a thousandfold."""
SAMPLE_BYTES = 64 << 10
"""Looked at before an object is begun, because its key holds the dataset, and that may depend on the header."""
NO_CSV = re.compile(rb"(?:\xef\xbb\xbf)?\s*[<{]|[^\r\n]*[\x00-\x08\x0e-\x1f]")
"""How an error page (HTML, XML, JSON) begins, or something binary; never the header of a CSV."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an export may unpack to, counted on real bytes as they come: what a zip says can only refuse it sooner.

    ``max_files`` counts the entries of all zips, folders included; ``max_total_bytes`` all that comes out of them, zips
    in the zip included; ``max_ratio`` is unpacked to packed bytes, of each member and of the whole, above 10 MB.
    """

    max_files: int = 10_000
    max_file_bytes: int = 200 * 10**9
    max_total_bytes: int = 500 * 10**9
    max_ratio: int = 200


@dataclass(frozen=True, slots=True)
class Member:
    """A file to store: its name with the folders and zips around it, its part of a key, its bytes when asked for.

    ``size`` is what the bytes will turn out to have or be refused; None for a gzip, which does not say before.
    """

    name: str
    part: str
    chunks: Callable[[], Iterator[bytes]] = field(repr=False)
    size: int | None


@dataclass(slots=True)
class LimitCounter:
    """What a raw object of ``compressed_size`` bytes unpacks to, held against every limit."""

    limits: Limits
    compressed_size: int
    declared_bytes: int = 0
    """Bytes of all entries of all its zips, as they say themselves; none turns out to have more."""

    def add_declared(self, entries: list[Entry]) -> None:
        """Refuse what says itself that it is too large before hours are spent on it."""
        self.declared_bytes += sum(entry.size for entry in entries)
        self._check(self.declared_bytes, self.compressed_size)
        for entry in entries:
            self._check_file(entry.size)

    def bounded(self, chunks: Iterator[bytes], compressed_size: int) -> Iterator[bytes]:
        """The chunks of something that was ``compressed_size`` bytes, counted before they are passed on."""
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
    """One walk through the raw object. It always takes the same way, so that names come out the same.

    ``checked`` are the stored zips in the zip whose CRC-32 was found right, by an earlier call or by this one;
    ``check_deadline`` is called before anything that takes long, and may raise.
    """

    raw: RawObject
    keys: Keys
    bucket: ObjectStore
    counter: LimitCounter
    checked: set[str]
    check_deadline: Callable[[], None]
    names: Filenames = field(default_factory=Filenames)
    entries: int = 0

    def members(self) -> Iterator[Member]:
        whole = ObjectSlice(partial(self.bucket.read, self.raw.key), 0, self.raw.bytes)
        name = f"{self.keys.export_id}.csv"
        if self.raw.bytes == 0:
            raise Rejected(Reason.CORRUPT, "an empty file")
        if self.raw.key.endswith(".zip"):
            yield from self._zip_members(whole, "", 0)
        elif self.raw.key.endswith(".csv.gz"):
            yield self._member(name, lambda: _csv_only(zip_reader.gunzipped(whole.read(0, whole.size))), whole.size)
        else:
            yield self._member(name, lambda: _csv_only(whole.read(0, whole.size)), whole.size, whole.size)

    def _member(
        self, name: str, chunks: Callable[[], Iterator[bytes]], compressed_size: int, size: int | None = None
    ) -> Member:
        return Member(name, self.names.give(name), lambda: self.counter.bounded(chunks(), compressed_size), size)

    def _zip_members(self, zipped: ObjectSlice, around: str, depth: int) -> Iterator[Member]:
        entries = zip_reader.directory(zipped, max_entries=self.counter.limits.max_files - self.entries)
        self.entries += len(entries)
        self.counter.add_declared(entries)
        for entry in entries:
            name = around + entry.text
            if entry.is_directory:
                continue
            if entry.name.lower().endswith(b".zip"):
                yield from self._zip_members(self._inner_zip(zipped, entry, name, depth), f"{name}/", depth + 1)
            else:
                content = partial(zip_reader.content, zipped, entry)
                yield self._member(name, content, entry.compressed_size, entry.size)

    def _inner_zip(self, zipped: ObjectSlice, entry: Entry, name: str, depth: int) -> ObjectSlice:
        """Where the bytes of a zip in the zip lie: in place when it is stored, else inflated into a work object.

        Either way all of them were checked once: the CRC-32 around it covers its directory too, its own ones do not.
        """
        if depth == MAX_ZIP_DEPTH:
            raise Rejected(Reason.UNSUPPORTED, f"zips in zips deeper than {MAX_ZIP_DEPTH}")
        bytes_of_it = self.counter.bounded(zip_reader.content(zipped, entry), entry.compressed_size)
        if entry.method == zip_reader.STORED:
            self._check(name, bytes_of_it)
            return zip_reader.stored_window(zipped, entry)
        key = self._work_key(name, entry)
        self._inflate(key, entry.size, bytes_of_it)
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
        """Tells the zip's place and content, so that nothing else is ever taken for it."""
        place = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self.keys.work(f"{place}-{entry.crc32:08x}-{entry.size}.zip")


def sample_of(chunks: Iterator[bytes]) -> bytes:
    """The first chunks, as many as it takes to see a header."""
    sample = bytearray()
    for chunk in chunks:
        sample += chunk
        if len(sample) >= SAMPLE_BYTES:
            break
    return bytes(sample)


def consume(chunks: Iterator[bytes]) -> None:
    """Take all of them, for the checks that are made on the way."""
    for _ in chunks:
        pass


def _csv_only(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of an export that came as one file; refused when that is an error page, or a damaged zip."""
    sample = sample_of(chunks)
    if NO_CSV.match(sample):
        raise Rejected(Reason.CORRUPT, "neither a zip nor a CSV")
    yield sample
    yield from chunks
