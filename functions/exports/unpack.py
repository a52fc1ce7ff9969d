"""Taking the raw object of an export apart: each member into an object of its own, verified, counted and named.

Nothing is held but the chunk in hand: the raw object is read by ranges, a member is inflated, counted, hashed, read as
CSV and written in one pass, and its object becomes visible only after its size and CRC-32 have been found right.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from typing import Any, Protocol

from exports import zipfiles
from exports.csvfiles import Table, read_table, sample_header
from exports.datasets import Dataset, dataset_of, is_csv, kind_of, schema_notes
from exports.errors import Rejected
from exports.filenames import Filenames, kept_name
from exports.model import Keys, Kind, RawObject, Reason, StoredFile
from exports.uploads import Unfinished
from exports.zipfiles import Entry, Window

DEEPEST = 3
"""Zips in zips that are followed. A deeper one is refused: kept packed, its data would be missed without a word."""
RATIO_FLOOR = 10_000_000
"""Bytes that anything may unpack to, however small it is packed: a CSV of equal rows shrinks a thousandfold."""
SAMPLE_BYTES = 64 << 10
"""Looked at before an object is begun, because its key holds the dataset, and that may depend on the header."""
NOTED_EVERY = 256 << 20
"""Bytes after which what is finished is noted although there is time left: what a killed call has to do again."""
NO_CSV = re.compile(rb"(?:\xef\xbb\xbf)?\s*[<{]|[^\r\n]*[\x00-\x08\x0e-\x1f]")
"""How an error page (HTML, XML, JSON) begins, or something binary; never the header of a CSV."""


class Writer(Protocol):
    def write(self, data: bytes) -> None: ...


class Archive(zipfiles.Objects, Protocol):
    """What unpacking needs of the bucket."""

    def size(self, key: str) -> int | None: ...
    def read_json(self, key: str) -> Any | None: ...
    def put_json(self, key: str, document: Any) -> None: ...
    def writer(self, key: str) -> AbstractContextManager[Writer]: ...
    def remove(self, key: str) -> None: ...


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
class Unpacked:
    """Every member as it lies in the bucket, in the zip's order, and what they are together."""

    files: tuple[StoredFile, ...]
    kind: Kind


def unpack(
    raw: RawObject, *, keys: Keys, archive: Archive, limits: Limits, time_left: Callable[[], float]
) -> Unpacked | Unfinished:
    """Store every member of the raw object under ``keys.data``, as far as ``time_left()`` (seconds) allows.

    Raises Rejected: CORRUPT, ENCRYPTED, UNSUPPORTED or TOO_LARGE. Called again after Unfinished, it skips what an
    earlier call has noted in ``keys.work("unpacked.json")``. A member is not begun without time, but always finished.
    Of an export that is rejected no member stays behind, whatever was stored before the fault was found.
    """
    done = _Done(archive, keys, raw)
    unpacking = _Unpacking(raw, keys, archive, limits, time_left, done)
    try:
        files = tuple(unpacking.files())
    except _TimeIsUp:
        done.note()
        return Unfinished()
    except Rejected:
        done.remove()
        raise
    return Unpacked(files, kind_of(file.dataset for file in files))


@dataclass(frozen=True, slots=True)
class _Member:
    """A file to store: its name with the folders and zips around it, its bytes when asked for, its packed size."""

    name: str
    chunks: Callable[[], Iterator[bytes]]
    packed: int


class _TimeIsUp(Exception):
    pass


class _Done:
    """What is finished, noted in the bucket so that a later call on the same raw object need not do it again."""

    def __init__(self, archive: Archive, keys: Keys, raw: RawObject) -> None:
        self._archive = archive
        self._key = keys.work("unpacked.json")
        self._raw = {"bytes": raw.bytes, "crc32": raw.crc32}
        self._unnoted = 0
        self.files: dict[str, StoredFile] = {}
        self.zips: set[str] = set()
        """Names of the stored zips in the zip whose CRC-32 was found right."""
        # A note of another raw object, or of a release that wrote it otherwise: all is done again, and adopted.
        with suppress(LookupError, TypeError, AttributeError):
            self._take_up(archive.read_json(self._key) or {})

    def _take_up(self, note: Mapping[str, Any]) -> None:
        if note.get("raw") == self._raw:
            self.files = {part: _stored_file(facts) for part, facts in note["files"].items()}
            self.zips = set(note["zips"])

    def add(self, part: str, file: StoredFile) -> None:
        self.files[part] = file
        self._count(file.bytes)

    def add_zip(self, name: str, size: int) -> None:
        self.zips.add(name)
        self._count(size)

    def note(self) -> None:
        files = {part: asdict(file) for part, file in self.files.items()}
        self._archive.put_json(self._key, {"raw": self._raw, "files": files, "zips": sorted(self.zips)})
        self._unnoted = 0

    def remove(self) -> None:
        # The note first: it must never name a file that is gone.
        self._archive.remove(self._key)
        for file in self.files.values():
            self._archive.remove(file.key)

    def _count(self, size: int) -> None:
        self._unnoted += size
        if self._unnoted >= NOTED_EVERY:
            self.note()


@dataclass(slots=True)
class _Unpacking:
    """One walk through the raw object. It always takes the same way, so that names come out the same."""

    raw: RawObject
    keys: Keys
    archive: Archive
    limits: Limits
    time_left: Callable[[], float]
    done: _Done
    names: Filenames = field(default_factory=Filenames)
    entries: int = 0
    total: int = 0

    def files(self) -> Iterator[StoredFile]:
        for member in self._members():
            part = self.names.give(member.name)
            if part in self.done.files:
                self.total += self.done.files[part].bytes
            else:
                self._need_time()
                self.done.add(part, self._store(part, member))
            yield self.done.files[part]

    def _members(self) -> Iterator[_Member]:
        whole = Window(self.archive, self.raw.key, 0, self.raw.bytes)
        name = f"{self.keys.export_id}.csv"
        if self.raw.bytes == 0:
            raise Rejected(Reason.CORRUPT, "an empty file")
        if self.raw.key.endswith(".zip"):
            yield from self._zip_members(whole, "", 0)
        elif self.raw.key.endswith(".csv.gz"):
            yield _Member(name, lambda: _csv_only(zipfiles.gunzipped(whole.read(0, whole.size))), whole.size)
        else:
            yield _Member(name, lambda: _csv_only(whole.read(0, whole.size)), whole.size)

    def _zip_members(self, zipped: Window, around: str, depth: int) -> Iterator[_Member]:
        entries = zipfiles.directory(zipped, max_entries=self.limits.max_files - self.entries)
        self.entries += len(entries)
        self._check_sizes(entries)
        for entry in entries:
            name = around + entry.text
            if entry.is_directory:
                continue
            if entry.name.lower().endswith(b".zip"):
                yield from self._zip_members(self._inner_zip(zipped, entry, name, depth), f"{name}/", depth + 1)
            else:
                yield _Member(name, partial(zipfiles.content, zipped, entry), entry.packed)

    def _inner_zip(self, zipped: Window, entry: Entry, name: str, depth: int) -> Window:
        """Where the bytes of a zip in the zip lie: in place when it is stored, else inflated into a work object.

        Either way all of them were checked once: the CRC-32 around it covers its directory too, its own ones do not.
        """
        if depth == DEEPEST:
            raise Rejected(Reason.UNSUPPORTED, f"zips in zips deeper than {DEEPEST}")
        bytes_of_it = self._bounded(zipfiles.content(zipped, entry), entry.packed)
        if entry.method == zipfiles.STORED:
            self._check(name, entry.size, bytes_of_it)
            return zipfiles.stored_window(zipped, entry)
        key = self._work_key(name, entry)
        self._inflate(key, entry.size, bytes_of_it)
        return Window(self.archive, key, 0, entry.size)

    def _check(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        if name in self.done.zips:
            self.total += size
            return
        self._need_time()
        _drain(chunks)
        self.done.add_zip(name, size)

    def _inflate(self, key: str, size: int, chunks: Iterator[bytes]) -> None:
        if self.archive.size(key) == size:
            self.total += size
            return
        self._need_time()
        with self.archive.writer(key) as writer:
            for chunk in chunks:
                writer.write(chunk)

    def _work_key(self, name: str, entry: Entry) -> str:
        """Tells the zip's place and content, so that nothing else is ever taken for it."""
        place = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self.keys.work(f"{place}-{entry.crc32:08x}-{entry.size}.zip")

    def _store(self, part: str, member: _Member) -> StoredFile:
        chunks = self._bounded(member.chunks(), member.packed)
        sample = _sample(chunks)
        dataset = dataset_of(member.name, sample_header(sample))
        key = self.keys.data(dataset.name, part)
        with self.archive.writer(key) as writer:
            copy = _Copy(writer)
            table = _read(member.name, dataset, copy.of(chain((sample,), chunks)))
        return StoredFile(
            name=kept_name(member.name),
            dataset=dataset.name,
            key=key,
            bytes=copy.bytes,
            sha256=copy.sha256.hexdigest(),
            rows=table.rows,
            columns=table.columns,
            notes={**table.notes, **schema_notes(dataset, table.columns)},
        )

    def _bounded(self, chunks: Iterator[bytes], packed: int) -> Iterator[bytes]:
        """The chunks, counted against every limit before they are passed on."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self.total += len(chunk)
            self._check_size(size, packed)
            yield chunk

    def _check_sizes(self, entries: list[Entry]) -> None:
        """Refuse what says itself that it is too large before hours are spent on it."""
        self._check_total(self.total + sum(entry.size for entry in entries))
        for entry in entries:
            self._check_file(entry.size)

    def _check_size(self, size: int, packed: int) -> None:
        self._check_file(size)
        self._check_total(self.total)
        most = self.limits.max_ratio
        if size > max(RATIO_FLOOR, packed * most) or self.total > max(RATIO_FLOOR, self.raw.bytes * most):
            raise Rejected(Reason.TOO_LARGE, f"it unpacks to more than {most} times its size")

    def _check_file(self, size: int) -> None:
        if size > self.limits.max_file_bytes:
            raise Rejected(Reason.TOO_LARGE, f"a file of more than {self.limits.max_file_bytes} bytes")

    def _check_total(self, total: int) -> None:
        if total > self.limits.max_total_bytes:
            raise Rejected(Reason.TOO_LARGE, f"more than {self.limits.max_total_bytes} bytes in all")

    def _need_time(self) -> None:
        if self.time_left() <= 0:
            raise _TimeIsUp


class _Copy:
    """Writes chunks that pass through and takes their measure."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.bytes = 0
        self.sha256 = hashlib.sha256()

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.sha256.update(chunk)
            self._writer.write(chunk)
            self.bytes += len(chunk)
            yield chunk


def _read(name: str, dataset: Dataset, chunks: Iterator[bytes]) -> Table:
    """Take all of the chunks, and what can be told of them."""
    if is_csv(name, dataset):
        return read_table(chunks)
    _drain(chunks)
    return Table()


def _sample(chunks: Iterator[bytes]) -> bytes:
    """The first chunks, as many as it takes to see a header."""
    sample = bytearray()
    for chunk in chunks:
        sample += chunk
        if len(sample) >= SAMPLE_BYTES:
            break
    return bytes(sample)


def _csv_only(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of an export that came as one file; refused when that is an error page, or a damaged zip."""
    sample = _sample(chunks)
    if NO_CSV.match(sample):
        raise Rejected(Reason.CORRUPT, "neither a zip nor a CSV")
    yield sample
    yield from chunks


def _drain(chunks: Iterator[bytes]) -> None:
    for _ in chunks:
        pass


def _stored_file(facts: Mapping[str, Any]) -> StoredFile:
    return StoredFile(**{**facts, "columns": tuple(facts["columns"])})
