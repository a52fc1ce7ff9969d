"""Taking the raw object of an export apart: each member into an object of its own, verified, counted and named.

Nothing is held but the chunk in hand: the raw object is read by ranges, a member is inflated, counted, hashed, read as
CSV and written in one pass, and its object becomes visible only after its size and CRC-32 have been found right. The
same pass writes the rows of a known dataset a second time, as SQL reads them. What is too much for one call, the next
one goes on with, member by member.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from exports.datasets.detection import OTHER, Dataset, dataset_of, is_csv, kind_of, schema_notes
from exports.datasets.json_lines import JsonLinesWriter, known_tables
from exports.errors import Rejected
from exports.formats.csv_reader import Table, read_table, sample_header
from exports.keys import Keys
from exports.model import Kind, RawObject, Reason, StoredFile
from exports.retry import no_deadline
from exports.runs import Unfinished
from exports.s3.multipart import ObjectStore
from exports.unpack.filenames import kept_name
from exports.unpack.members import LimitCounter, Limits, Member, MemberWalker, consume, sample_of
from exports.unpack.progress import UnpackProgress

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Every member as it lies in the bucket, in the zip's order, and what they are together."""

    files: tuple[StoredFile, ...]
    kind: Kind


def unpack(
    raw: RawObject,
    *,
    keys: Keys,
    bucket: ObjectStore,
    limits: Limits,
    time_left: Callable[[], float],
    invocation_time_left: Callable[[], float] = no_deadline,
    with_tables: bool = False,
    custom_datasets: Sequence[Dataset] = (),
) -> Unpacked | Unfinished:
    """Store every member of the raw object under ``keys.data``, as far as the time allows.

    No member is begun without ``time_left()`` (seconds). One that was begun is finished unless ``invocation_time_left()`` is spent
    first, which is when Lambda would soon end the call: the next call then begins with it, and has all of its time.

    ``with_tables`` stores the rows of datasets that are known or ``custom_datasets`` under ``keys.table``, too.

    Raises Rejected: CORRUPT, ENCRYPTED, UNSUPPORTED or TOO_LARGE. Called again after Unfinished, it skips what an
    earlier call has noted. A member that takes longer than a call has is TOO_LARGE. Of an export that is rejected no
    member stays behind, whatever was stored before the fault was found.
    """
    progress = UnpackProgress(bucket, keys, raw)
    try:
        return _Unpacking(
            raw, keys, bucket, limits, time_left, invocation_time_left, progress, with_tables, custom_datasets
        ).run()
    except _DeadlineReached:
        progress.save()
        return Unfinished()
    except Rejected:
        progress.delete_all()
        raise


MAX_TABLE_BYTES = 2 * 10**9
"""Bytes of a CSV whose rows one call surely writes within its life: at 5 MB a second, as a busy machine writes rows of
figures alone. Most are several times as fast."""
MAX_COLUMNS = 1_000_000
"""Names of columns that all headers of an export may have together: the manifest holds them, and so does memory."""


class _DeadlineReached(Exception):
    pass


class _InvocationEnding(Exception):
    """In the middle of a member."""


class _NoTable(Exception):
    """The rows of a file cannot all be read, so none is shown."""


@dataclass(slots=True)
class _Unpacking:
    """The work of one call, as far as its time goes."""

    raw: RawObject
    keys: Keys
    bucket: ObjectStore
    limits: Limits
    time_left: Callable[[], float]
    invocation_time_left: Callable[[], float]
    progress: UnpackProgress
    with_tables: bool
    custom_datasets: Sequence[Dataset]

    def run(self) -> Unpacked:
        counter = LimitCounter(self.limits, self.raw.bytes)
        walk = MemberWalker(self.raw, self.keys, self.bucket, counter, self.progress.zips, self._need_time)
        files: list[StoredFile] = []
        columns = 0
        # All members are told before the first is stored: what breaks a limit or cannot be read is refused at once.
        for member in list(walk.members()):
            files.append(self.progress.files.get(member.part) or self._stored(member))
            columns += len(files[-1].columns)
            if columns > MAX_COLUMNS:
                raise Rejected(Reason.TOO_LARGE, f"more than {MAX_COLUMNS} columns in all")
        return Unpacked(tuple(files), kind_of(file.dataset for file in files))

    def _stored(self, member: Member) -> StoredFile:
        self._need_time()
        try:
            file = self._store(member)
        except _InvocationEnding:
            if self.progress.interrupted == member.part:
                # What comes before it was noted then, so this call has done nothing else.
                raise Rejected(Reason.TOO_LARGE, "a file that takes longer to unpack than a call has") from None
            self.progress.interrupted = member.part
            raise _DeadlineReached from None
        self.progress.mark_done(member.part, file)
        return file

    def _store(self, member: Member) -> StoredFile:
        chunks = member.chunks()
        sample = sample_of(chunks)
        dataset = dataset_of(member.name, sample_header(sample), self.custom_datasets)
        key = self.keys.data(dataset.name, member.part)
        with self.bucket.writer(key) as writer:
            return self._store_and_describe(member, dataset, key, writer, self._in_time(chain((sample,), chunks)))

    def _store_and_describe(
        self, member: Member, dataset: Dataset, key: str, writer: "SupportsWrite[bytes]", chunks: Iterator[bytes]
    ) -> StoredFile:
        """Write all of the chunks, and say what was in them."""
        copy = _HashingTee(writer)
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
            consume(chunks)
            unknown = dataset is OTHER and self.with_tables
            return _without_table(Table(), too_large=False) if unknown else Table(), None
        columns = dataset.columns or known_tables().get(dataset.name)
        if not self.with_tables:
            return read_table(chunks), None
        if not columns or (member.size or 0) > MAX_TABLE_BYTES:
            return _without_table(read_table(chunks), too_large=bool(columns)), None
        return _read_into(self.bucket, self.keys.table(dataset.name, member.part), columns, chunks)

    def _in_time(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self.invocation_time_left() <= 0:
                raise _InvocationEnding
            yield chunk

    def _need_time(self) -> None:
        if self.time_left() <= 0:
            raise _DeadlineReached


class _HashingTee:
    """Writes chunks that pass through and takes their measure."""

    def __init__(self, writer: "SupportsWrite[bytes]") -> None:
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
    bucket: ObjectStore, key: str, columns: Mapping[str, tuple[str, str]], chunks: Iterator[bytes]
) -> tuple[Table, str | None]:
    """Write the rows to the table object ``key`` as they are read; there is none if the file turns out malformed."""
    with suppress(_NoTable), bucket.writer(key) as sink:
        rows = JsonLinesWriter(sink.write, columns)
        table = read_table(_limit_table_size(chunks, rows), rows.begin)
        if rows.stopped:
            table = _without_table(table, too_large=True)
        if rows.stopped or table.rows is None:
            raise _NoTable
        rows.finish()
        return table, key
    return table, None


def _limit_table_size(chunks: Iterable[bytes], rows: JsonLinesWriter) -> Iterator[bytes]:
    """All chunks; the size of a member is not always known before."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_TABLE_BYTES:
            rows.stop()
        yield chunk


def _without_table(table: Table, *, too_large: bool) -> Table:
    reason = f"more than {MAX_TABLE_BYTES} bytes" if too_large else "unknown dataset"
    return replace(table, notes={**table.notes, "noTable": reason})
