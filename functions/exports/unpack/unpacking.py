"""Unpacks the raw object of an export: each member is verified, counted and stored as an object of its own.

Memory holds only the current chunk: the raw object is read by ranges; a member is inflated, counted, hashed, read as
CSV and written in one pass. Its object becomes visible only after its size and CRC-32 are verified. The same pass also
writes the rows of a known dataset in the form that SQL reads, as an upload that :mod:`exports.unpack.publishing`
completes after the manifest. If the time of one invocation is not enough, the next one resumes at the first member that
is not stored.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from exports.datasets.detection import (
    OTHER,
    Dataset,
    dataset_of,
    is_added_by_archiver,
    is_csv,
    is_known_header,
    kind_of,
    schema_notes,
)
from exports.datasets.table_schemas import Origin, known_tables
from exports.errors import NonRetryableError, Rejected
from exports.formats.csv_text import CsvContent, find_header, read_sample
from exports.keys import Keys
from exports.model import Kind, RawObject, Reason, StoredFile
from exports.retry import no_deadline
from exports.runs import Unfinished
from exports.s3.multipart import ObjectStore, PendingUpload, PendingWriter
from exports.unpack.filenames import manifest_name
from exports.unpack.members import MAX_TABLE_BYTES, LimitCounter, Limits, Member, MemberWalker, consume
from exports.unpack.progress import UnpackProgress

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


UNKNOWN_DATASET = "unknown dataset"
ADDED_BY_ARCHIVER = "added by the program that made the zip file"
TOO_SLOW = "reading it takes longer than an invocation"
MAX_DESCRIPTION_BYTES = 16 << 20
"""Bytes of the descriptions of all files as JSON, with names, headers and notes. The manifest and memory hold them."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """All stored members, in the order of the zip file, the kind of the export, and notes on zip files."""

    files: tuple[StoredFile, ...]
    kind: Kind
    notes: tuple[Mapping[str, object], ...] = ()


class _DeadlineReached(Exception):
    pass


class _InvocationEnding(Exception):
    """The time of the invocation ended in the middle of a member."""


@dataclass(slots=True, kw_only=True)
class Unpacker:
    """Stores every member of the raw object under ``keys.data``, as far as the time of one invocation allows.

    No member is started once ``time_left()`` (seconds) is used up. A started member is finished, unless
    ``invocation_time_left()`` ends first, shortly before Lambda's timeout: the next invocation starts with it, and has
    its full time for it.

    Tables begin with the month ``tables_from``, which is empty if the stack has none. The rows of known datasets and of
    ``custom_datasets`` are uploaded to ``keys.table``. The uploads are pending: nothing is visible there, and the
    checkpoint holds them.
    """

    raw: RawObject
    keys: Keys
    bucket: ObjectStore
    limits: Limits
    time_left: Callable[[], float]
    invocation_time_left: Callable[[], float] = no_deadline
    tables_from: str = ""
    custom_datasets: Sequence[Dataset] = ()
    _progress: UnpackProgress = field(init=False)

    def run(self) -> Unpacked | Unfinished:
        """Store the members that are not in the checkpoint. After Unfinished, the next invocation continues.

        Raises Rejected: CORRUPT, ENCRYPTED, UNSUPPORTED or TOO_LARGE. A member that needs more than a whole invocation
        is stored without reading it as a CSV; if that is not fast enough either, it is TOO_LARGE. A rejection deletes
        all members and aborts all uploads first, which can need several invocations, too.
        """
        self._progress = UnpackProgress(self.bucket, self.keys, self.raw)
        if not self.tables_from:
            self._progress.forget_tables()
        try:
            if self._progress.rejected:
                raise self._progress.rejected
            unpacked: Unpacked | Unfinished = self._unpack_members()
        except _DeadlineReached:
            unpacked = Unfinished()
        except Rejected as rejected:
            if self._progress.delete_all(rejected, self.time_left):
                raise
            return Unfinished()
        if self._progress.tables or isinstance(unpacked, Unfinished):
            self._progress.save()
        return unpacked

    def _unpack_members(self) -> Unpacked:
        counter = LimitCounter(self.limits, self.raw.bytes)
        walker = MemberWalker(
            self.raw, self.keys, self.bucket, self._read, counter, self._progress.zips, self._attempt_in_time
        )
        members: list[Member] = []
        # Lists all members before it stores the first: what exceeds a limit or cannot be read is rejected early.
        self._attempt("/", lambda: members.extend(walker.members()))
        files: list[StoredFile] = []
        size = 0
        for member in members:
            files.append(self._progress.files.get(member.part) or self._stored_file(member))
            size += _description_bytes(files[-1])
            if size > MAX_DESCRIPTION_BYTES:
                reason = f"names, headers and notes of more than {MAX_DESCRIPTION_BYTES} bytes in all"
                raise Rejected(Reason.TOO_LARGE, reason)
        return Unpacked(tuple(files), kind_of(file.dataset for file in files), tuple(walker.notes))

    def _stored_file(self, member: Member) -> StoredFile:
        self._attempt_in_time(member.part, lambda: self._progress.mark_done(member.part, *self._store(member)))
        return self._progress.files[member.part]

    def _attempt_in_time(self, name: str, action: Callable[[], object]) -> None:
        if self.time_left() <= 0:
            raise _DeadlineReached
        self._attempt(name, action)

    def _attempt(self, name: str, action: Callable[[], object]) -> None:
        """Call ``action``, which the end of the invocation may interrupt. It is called in at most three invocations."""
        try:
            action()
        except _InvocationEnding:
            if self._progress.too_slow == name:
                raise Rejected(Reason.TOO_LARGE, "a file that takes longer than an invocation to unpack") from None
            if self._progress.interrupted == name:
                # The checkpoint holds all that is done before it, so this invocation spent its time only on this.
                self._progress.too_slow = name
            self._progress.interrupted = name
            raise _DeadlineReached from None

    def _read(self, key: str, first: int, last: int) -> Iterator[bytes]:
        """Bytes of an object. The time is checked here, too, because millions of them can inflate to nothing."""
        return self._limited(self.bucket.read(key, first, last))

    def _limited(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self.invocation_time_left() <= 0:
                raise _InvocationEnding
            yield chunk

    def _store(self, member: Member) -> tuple[StoredFile, PendingUpload | None]:
        """Write the member to its object, and describe its content. The upload holds its rows, if it has a table."""
        chunks = self._limited(member.chunks())
        sample = read_sample(chunks)
        added = is_added_by_archiver(member.name, sample)
        columns = () if added else find_header(sample, self._is_known_header).columns
        dataset = OTHER if added else dataset_of(member.name, columns, self.custom_datasets)
        no_table = self._no_table_reason(member, dataset, added)
        key = self.keys.data(dataset.name, member.part)
        with self.bucket.writer(key) as writer:
            tee = _HashingTee(writer)
            passed = tee.of(chain((sample,), chunks))
            if no_table == TOO_SLOW:
                consume(passed)
                content, upload = CsvContent(columns), None
            elif added or not is_csv(member.name, dataset):
                consume(passed)
                content, upload = CsvContent(), None
            else:
                content, upload = self._read_csv(
                    member, dataset, passed, with_table=bool(self.tables_from) and not no_table
                )
        content = content.with_notes({"noTable": content.notes.get("noTable", no_table)})
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

    def _no_table_reason(self, member: Member, dataset: Dataset, added: bool) -> str:
        """Why the member has no table, if that is known before it is read; empty if the stack has no tables at all."""
        if member.part == self._progress.too_slow and not added:
            return TOO_SLOW
        if not self.tables_from:
            return ""
        if added:
            return ADDED_BY_ARCHIVER
        if dataset is OTHER:
            return UNKNOWN_DATASET
        return f"more than {MAX_TABLE_BYTES} bytes" if dataset.is_csv and (member.size or 0) > MAX_TABLE_BYTES else ""

    def _read_csv(
        self, member: Member, dataset: Dataset, chunks: Iterator[bytes], *, with_table: bool
    ) -> tuple[CsvContent, PendingUpload | None]:
        """Read all chunks. What reads a CSV is imported only if there is one: that takes a tenth of a second."""
        from exports.unpack import tables

        target = None
        if with_table:
            columns = dataset.columns or known_tables()[dataset.name]
            origin = Origin(self.keys.export_id, self.keys.requested_date)
            key = self.keys.table(dataset.name, member.number)
            target = tables.Target(columns, origin, partial(self.bucket.pending_writer, key))
        content, writer = tables.read_table(
            chunks, lambda: self._limited(member.chunks()), target, self._is_known_header
        )
        if writer is None:
            return content, None
        if self.keys.requested_month < self.tables_from:
            content = content.with_notes({"outsideTables": f"requested before {self.tables_from} (tablesFrom)"})
        return content, writer.upload

    def _is_known_header(self, columns: Sequence[str]) -> bool:
        return is_known_header(columns, self.custom_datasets)


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
    _, writer = tables.read_table(chunks(), chunks, target, lambda columns: is_known_header(columns, custom_datasets))
    if writer is None:
        raise NonRetryableError("TableNotWritten")
    return writer.upload


def _description_bytes(file: StoredFile) -> int:
    """About the bytes of the file in the manifest: its texts, and the names of the members."""
    texts = (file.name, file.dataset, file.key, file.table_key, file.sha256, file.columns, file.notes, file.name)
    return len(json.dumps(texts)) + 120


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
