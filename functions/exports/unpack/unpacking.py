"""Unpacks the raw object of an export: each member is verified, counted and stored as an object of its own.

Memory holds only the current chunk: the raw object is read by ranges; a member is inflated, counted, hashed, read as
CSV and written in one pass. Its object becomes visible only after its size and CRC-32 are verified. The same pass also
writes the rows of a known dataset in the form that SQL reads, as an upload that :mod:`exports.unpack.publishing`
completes after the manifest. If the time of one invocation is not enough, the next one resumes at the first member that
is not stored.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from exports.datasets.detection import OTHER, Dataset, dataset_of, is_csv, kind_of, schema_notes
from exports.datasets.table_schemas import Origin, known_tables
from exports.errors import NonRetryableError, Rejected
from exports.formats.csv_text import CsvContent, read_sample, sample_header
from exports.keys import Keys
from exports.model import Kind, RawObject, Reason, StoredFile
from exports.retry import no_deadline
from exports.runs import Unfinished
from exports.s3.multipart import ObjectStore, PendingUpload, PendingWriter
from exports.unpack.filenames import manifest_name
from exports.unpack.members import LimitCounter, Limits, Member, MemberWalker, consume
from exports.unpack.progress import UnpackProgress

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


@dataclass(frozen=True, slots=True)
class Unpacked:
    """All stored members, in the order of the zip file, and the kind of the export."""

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
    tables_from: str = "",
    custom_datasets: Sequence[Dataset] = (),
) -> Unpacked | Unfinished:
    """Store every member of the raw object under ``keys.data``, as far as the time allows.

    No member is started once ``time_left()`` (seconds) is used up. A started member is finished, unless
    ``invocation_time_left()`` ends first, shortly before Lambda's timeout: the next invocation starts with it, and has
    its full time for it.

    ``with_tables`` also uploads the rows of known datasets and of ``custom_datasets`` to ``keys.table``. The uploads
    are pending: nothing is visible there, and the checkpoint holds them. Tables begin with the month ``tables_from``.

    Raises Rejected: CORRUPT, ENCRYPTED, UNSUPPORTED or TOO_LARGE. Called again after Unfinished, it skips the members
    in the checkpoint. A member that needs more than a whole invocation is TOO_LARGE. A rejection deletes all members
    and aborts all uploads.
    """
    progress = UnpackProgress(bucket, keys, raw)
    if not with_tables:
        progress.forget_tables()
    try:
        unpacked: Unpacked | Unfinished = _Unpacking(
            raw,
            keys,
            bucket,
            limits,
            time_left,
            invocation_time_left,
            progress,
            with_tables,
            tables_from,
            custom_datasets,
        ).run()
    except _DeadlineReached:
        unpacked = Unfinished()
    except Rejected:
        progress.delete_all()
        raise
    if progress.tables or isinstance(unpacked, Unfinished):
        progress.save()
    return unpacked


UNKNOWN_DATASET = "unknown dataset"
MAX_COLUMNS = 1_000_000
"""Column names of all headers of an export together: the manifest and memory hold all of them."""


class _DeadlineReached(Exception):
    pass


class _InvocationEnding(Exception):
    """The time of the invocation ended in the middle of a member."""


@dataclass(slots=True)
class _Unpacking:
    """The unpacking in one invocation."""

    raw: RawObject
    keys: Keys
    bucket: ObjectStore
    limits: Limits
    time_left: Callable[[], float]
    invocation_time_left: Callable[[], float]
    progress: UnpackProgress
    with_tables: bool
    tables_from: str
    custom_datasets: Sequence[Dataset]

    def run(self) -> Unpacked:
        counter = LimitCounter(self.limits, self.raw.bytes)
        walker = MemberWalker(self.raw, self.keys, self.bucket, counter, self.progress.zips, self._check_deadline)
        files: list[StoredFile] = []
        columns = 0
        # Lists all members before it stores the first: what exceeds a limit or cannot be read is rejected early.
        for member in list(walker.members()):
            files.append(self.progress.files.get(member.part) or self._stored_file(member))
            columns += len(files[-1].columns)
            if columns > MAX_COLUMNS:
                raise Rejected(Reason.TOO_LARGE, f"more than {MAX_COLUMNS} columns in all")
        return Unpacked(tuple(files), kind_of(file.dataset for file in files))

    def _stored_file(self, member: Member) -> StoredFile:
        self._check_deadline()
        try:
            file, table = self._store(member)
        except _InvocationEnding:
            if self.progress.interrupted == member.part:
                # The checkpoint holds all members before it, so this invocation spent its time only on this one.
                raise Rejected(Reason.TOO_LARGE, "a file that takes longer than an invocation to unpack") from None
            self.progress.interrupted = member.part
            raise _DeadlineReached from None
        self.progress.mark_done(member.part, file, table)
        return file

    def _store(self, member: Member) -> tuple[StoredFile, PendingUpload | None]:
        """Write the member to its object, and describe its content. The upload holds its rows, if it has a table."""
        chunks = self._limited(member.chunks())
        sample = read_sample(chunks)
        dataset = dataset_of(member.name, sample_header(sample), self.custom_datasets)
        key = self.keys.data(dataset.name, member.part)
        with self.bucket.writer(key) as writer:
            tee = _HashingTee(writer)
            content, upload = self._read_content(member, dataset, tee.of(chain((sample,), chunks)))
        file = StoredFile(
            name=manifest_name(member.name),
            dataset=dataset.name,
            key=key,
            bytes=tee.bytes,
            sha256=tee.sha256.hexdigest(),
            rows=content.rows,
            columns=content.columns,
            notes={**content.notes, **schema_notes(dataset, content.columns)},
            table_key=upload.key if upload else None,
        )
        return file, upload

    def _read_content(
        self, member: Member, dataset: Dataset, chunks: Iterator[bytes]
    ) -> tuple[CsvContent, PendingUpload | None]:
        """Read all chunks. What reads a CSV is imported only if there is one: that takes a tenth of a second."""
        if not is_csv(member.name, dataset):
            consume(chunks)
            unknown = dataset is OTHER and self.with_tables
            return CsvContent().with_note("noTable", UNKNOWN_DATASET) if unknown else CsvContent(), None
        from exports.unpack import tables

        columns = (dataset.columns or known_tables().get(dataset.name)) if self.with_tables else None
        too_large = (member.size or 0) > tables.MAX_TABLE_BYTES
        target = None
        if columns and not too_large:
            key = self.keys.table(dataset.name, member.number)
            origin = Origin(self.keys.export_id, self.keys.requested_date)
            target = tables.Target(columns, origin, partial(self.bucket.pending_writer, key))
        content, writer = tables.read_table(chunks, lambda: self._limited(member.chunks()), target)
        if writer and self.keys.requested_month < self.tables_from:
            content = content.with_note("outsideTables", f"requested before {self.tables_from} (tablesFrom)")
        if target or not self.with_tables:
            return content, writer.upload if writer else None
        reason = f"more than {tables.MAX_TABLE_BYTES} bytes" if columns else UNKNOWN_DATASET
        return content.with_note("noTable", reason), None

    def _limited(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self.invocation_time_left() <= 0:
                raise _InvocationEnding
            yield chunk

    def _check_deadline(self) -> None:
        if self.time_left() <= 0:
            raise _DeadlineReached


def write_table_again(
    file: Mapping[str, Any],
    chunks: Callable[[], Iterator[bytes]],
    open_table: Callable[[], AbstractContextManager[PendingWriter]],
    *,
    keys: Keys,
    custom_datasets: Sequence[Dataset] = (),
) -> PendingUpload:
    """Write the table of a file of a manifest from its stored bytes. All cells of a removed dataset are in ``other``.

    ``chunks`` reads the stored file from its start. Raises NonRetryableError if the file can no longer be read.
    """
    from exports.unpack import tables

    custom = {dataset.name: dataset.columns for dataset in custom_datasets}
    columns = {**known_tables(), **custom}.get(file["dataset"], {})
    target = tables.Target(columns, Origin(keys.export_id, keys.requested_date), open_table)
    _, writer = tables.read_table(chunks(), chunks, target)
    if writer is None:
        raise NonRetryableError("TableNotWritten")
    return writer.upload


class _HashingTee:
    """Writes the chunks that pass through it, and computes their size and SHA-256."""

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
