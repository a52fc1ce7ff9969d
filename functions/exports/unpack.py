"""Taking the raw object of an export apart: each member into an object of its own, verified, counted and named.

Nothing is held but the chunk in hand: the raw object is read by ranges, a member is inflated, counted, hashed, read as
CSV and written in one pass, and its object becomes visible only after its size and CRC-32 have been found right. The
same pass writes the rows of a known dataset a second time, as SQL reads them. Work that is too much for one call is cut
into pieces, of which each of several slices does its share.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

from exports import members, notes, spread
from exports.csvfiles import Table, read_table, sample_header
from exports.datasets import OTHER, Dataset, dataset_of, is_csv, kind_of, schema_notes
from exports.errors import Rejected
from exports.filenames import kept_name
from exports.members import Counted, Limits, Member, Sink, Walk, drain, sample_of
from exports.model import Keys, Kind, RawObject, Reason, StoredFile
from exports.notes import Notes
from exports.spread import PartsWriter, Spread
from exports.tables import Sheet, known_tables
from exports.uploads import Unfinished, slices_for
from exports.writing import FIRST_PART


class Archive(members.Bucket, notes.Bucket, spread.Bucket, Protocol):
    """What unpacking needs of the bucket."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Every member as it lies in the bucket, in the zip's order, and what they are together."""

    files: tuple[StoredFile, ...]
    kind: Kind


def unpack(
    raw: RawObject,
    *,
    keys: Keys,
    archive: Archive,
    limits: Limits,
    time_left: Callable[[], float],
    part_slice: tuple[int, int] = (0, 1),
    slice_bytes: int = 0,
    with_tables: bool = False,
    added: Sequence[Dataset] = (),
) -> Unpacked | Unfinished:
    """Store every member of the raw object under ``keys.data``, as far as ``time_left()`` (seconds) allows.

    ``with_tables`` stores the rows of datasets that are known or ``added`` under ``keys.table``, too.

    What unpacks to more than ``slice_bytes`` (0: never) is done by several slices, and the answer says by how many;
    slice ``(i, n)`` does every n-th piece of it. Whoever finds all of them done answers with the members.

    Raises Rejected: CORRUPT, ENCRYPTED, UNSUPPORTED or TOO_LARGE. Called again after Unfinished, it skips what an
    earlier call has noted. A piece is not begun without time, but always finished. Of an export that is rejected no
    member stays behind, whatever was stored before the fault was found.
    """
    noted = Notes(archive, keys, raw, part_slice)
    counted = Counted(limits, raw.bytes)
    unpacking = _Unpacking(raw, keys, archive, counted, time_left, noted, part_slice, slice_bytes, with_tables, added)
    try:
        return unpacking.run()
    except _TimeIsUp:
        noted.write()
        return Unfinished(part_slice[1])
    except Rejected:
        _discard(noted, keys, archive)
        raise


def discard(raw: RawObject, *, keys: Keys, archive: Archive, part_slice: tuple[int, int]) -> None:
    """Remove what this slice and the others have stored of a raw object that another slice has found to be rejected."""
    _discard(Notes(archive, keys, raw, part_slice), keys, archive)


def _discard(noted: Notes, keys: Keys, archive: Archive) -> None:
    noted.remove()
    for part in noted.spread:
        spread.give_up(archive, keys, part)


LARGEST_TABLE = 2 * 10**9
"""Bytes of a CSV whose rows one call surely writes within its life: at 5 MB a second, as a busy machine writes rows of
figures alone. Most are several times as fast."""
MOST_COLUMNS = 1_000_000
"""Names of columns that all headers of an export may have together: the manifest holds them, and so does memory."""


class _TimeIsUp(Exception):
    pass


class _NoTable(Exception):
    """The rows of a file cannot all be read, so none is shown."""


Piece = tuple[Member, Spread | None, int]
"""A member that is one object put at once, or one run of the parts of a larger one."""


@dataclass(slots=True)
class _Unpacking:
    """One slice's share of the work, as far as its time goes."""

    raw: RawObject
    keys: Keys
    archive: Archive
    counted: Counted
    time_left: Callable[[], float]
    notes: Notes
    part_slice: tuple[int, int]
    slice_bytes: int
    with_tables: bool
    added: Sequence[Dataset]
    members: list[Member] = field(default_factory=list)
    spreads: list[Spread] = field(default_factory=list)
    columns: int = 0

    def run(self) -> Unpacked | Unfinished:
        index, slices = self.part_slice
        self.notes.read_others()
        self.columns = sum(len(file.columns) for file in self.notes.files.values())
        walk = Walk(self.raw, self.keys, self.archive, self.counted, self.notes.zips, self._need_time)
        self.members = list(walk.members())
        wanted = slices_for(sum(member.size or 0 for member in self.members), self.slice_bytes)
        if wanted != slices:
            self.notes.write()
            return Unfinished(wanted)
        for piece in list(self._pieces())[index::slices]:
            self._do(*piece)
        return self._gathered()

    def _pieces(self) -> Iterator[Piece]:
        for member in self.members:
            runs = slices_for(member.size or 0, self.slice_bytes)
            if member.size is None or member.crc32 is None or member.size <= FIRST_PART:
                yield member, None, 0
                continue
            large = Spread(self.archive, self.keys, member.part, member.size, member.crc32, self.raw.crc32, runs)
            self.spreads.append(large)
            self.notes.spread.add(member.part)
            yield from ((member, large, run) for run in range(runs))

    def _do(self, member: Member, large: Spread | None, run: int) -> None:
        if large is not None:
            self._need_time()
            self._carry(member, large, run)
        elif member.part not in self.notes.files:
            self._need_time()
            self._note(member, self._store(member))

    def _note(self, member: Member, file: StoredFile) -> None:
        self.notes.add(member.part, file)
        self.columns += len(file.columns)
        _bound(self.columns)

    def _store(self, member: Member) -> StoredFile:
        dataset, chunks = self._told(member)
        key = self.keys.data(dataset.name, member.part)
        with self.archive.writer(key) as writer:
            return self._described(member, dataset, key, writer, chunks)

    def _carry(self, member: Member, large: Spread, run: int) -> None:
        """Send a run of the member's parts. The last run goes over the whole of it, so it tells what it holds."""
        dataset, chunks = self._told(member)
        key = self.keys.data(dataset.name, member.part)
        upload = large.upload(key)
        writer = PartsWriter(self.archive, upload, large.missing(run, upload))
        if run == large.runs - 1 and member.part not in self.notes.files:
            self._note(member, self._described(member, dataset, key, writer, chunks))
            return
        while not writer.done:
            writer.write(next(chunks))

    def _told(self, member: Member) -> tuple[Dataset, Iterator[bytes]]:
        """The member's dataset, which may take a look at its header, and all of its bytes."""
        chunks = member.chunks()
        sample = sample_of(chunks)
        return dataset_of(member.name, sample_header(sample), self.added), chain((sample,), chunks)

    def _described(
        self, member: Member, dataset: Dataset, key: str, writer: Sink, chunks: Iterator[bytes]
    ) -> StoredFile:
        """Write all of the chunks, and say what was in them."""
        copy = _Copy(writer)
        table, table_key = self._read(member, dataset, copy.of(chunks))
        return StoredFile(
            name=kept_name(member.name),
            dataset=dataset.name,
            key=key,
            bytes=copy.bytes,
            sha256=copy.sha256.hexdigest(),
            rows=table.rows,
            columns=table.columns,
            notes={**table.notes, **schema_notes(dataset, table.columns)},
            table_key=table_key,
        )

    def _read(self, member: Member, dataset: Dataset, chunks: Iterator[bytes]) -> tuple[Table, str | None]:
        """Take all of the chunks, and what can be told of them; the key is of the table that they were written to."""
        if not is_csv(member.name, dataset):
            drain(chunks)
            unknown = dataset is OTHER and self.with_tables
            return _without_table(Table(), too_large=False) if unknown else Table(), None
        columns = dataset.columns or known_tables().get(dataset.name)
        if not self.with_tables:
            return read_table(chunks), None
        if not columns or (member.size or 0) > LARGEST_TABLE:
            return _without_table(read_table(chunks), too_large=bool(columns)), None
        return _read_into(self.archive, self.keys.table(dataset.name, member.part), columns, chunks)

    def _gathered(self) -> Unpacked | Unfinished:
        """All members, if every slice is done. Each writes its note before it reads the others': the last sees all."""
        slices = self.part_slice[1]
        if slices > 1:
            self.notes.write()
            self.notes.read_others()
        files = tuple(self.notes.files[member.part] for member in self.members if member.part in self.notes.files)
        if len(files) < len(self.members) or not all(large.complete() for large in self.spreads):
            return Unfinished(slices)
        _bound(sum(len(file.columns) for file in files))
        return Unpacked(files, kind_of(file.dataset for file in files))

    def _need_time(self) -> None:
        if self.time_left() <= 0:
            raise _TimeIsUp


def _bound(columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise Rejected(Reason.TOO_LARGE, f"more than {MOST_COLUMNS} columns in all")


class _Copy:
    """Writes chunks that pass through and takes their measure."""

    def __init__(self, writer: Sink) -> None:
        self._writer = writer
        self.bytes = 0
        self.sha256 = hashlib.sha256()

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.sha256.update(chunk)
            self._writer.write(chunk)
            self.bytes += len(chunk)
            yield chunk


def _read_into(
    archive: Archive, key: str, columns: Mapping[str, tuple[str, str]], chunks: Iterator[bytes]
) -> tuple[Table, str | None]:
    """Write the rows to the table object ``key`` as they are read; there is none if the file turns out malformed."""
    with suppress(_NoTable), archive.writer(key) as sink:
        sheet = Sheet(sink, columns)
        table = read_table(_until_too_large(chunks, sheet), sheet.begin)
        if sheet.stopped:
            table = _without_table(table, too_large=True)
        if sheet.stopped or table.rows is None:
            raise _NoTable
        sheet.finish()
        return table, key
    return table, None


def _until_too_large(chunks: Iterable[bytes], sheet: Sheet) -> Iterator[bytes]:
    """All chunks; the size of a member is not always known before."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_TABLE:
            sheet.stop()
        yield chunk


def _without_table(table: Table, *, too_large: bool) -> Table:
    reason = f"more than {LARGEST_TABLE} bytes" if too_large else "unknown dataset"
    return replace(table, notes={**table.notes, "noTable": reason})
