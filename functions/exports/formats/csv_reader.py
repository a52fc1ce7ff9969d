"""Reads the rows of a CSV in batches of text columns, strictly and fast, or leniently.

Both readers give the same rows, those of Python's csv module: the first record is the header, a newline in quotes
belongs to its cell, blank lines are not rows, a missing last newline makes no difference. :class:`StrictReader` is
written in Rust and refuses rows with fewer or more cells than the header, bytes that are not UTF-8, and rows that are
much longer than those at the start of the file. :class:`LenientReader` reads them, ten times as slowly.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import IO, Protocol, cast

from arro3.core import Array, DataType, Field, Schema
from arro3.io import read_csv

from exports.formats.csv_text import CELL_CHARACTERS, UTF_8, Malformed, checked_header, in_utf_8, sample_header

BATCH_ROWS = 4_096
BATCH_BYTES = 512 << 10
"""Bytes of a batch: more need more memory, fewer need more calls."""
MAX_BATCH_BYTES = 8 << 20
"""Bytes after which a batch is too large for the strict reader, and a single record is malformed."""
MAX_CELLS = 100_000
"""Cells of one record. A header has fewer, because of its limit in characters."""
READ_BYTES = 64 << 10
TEXT = DataType.string()


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as columns of text, one for each cell of the header; empty and missing cells are null.

    ``beyond`` has the cells after the last column, by the index of their row. ``ragged`` counts the rows that have more
    or fewer cells than the header.
    """

    rows: int
    columns: list[Array]
    beyond: Mapping[int, list[str]] = field(default_factory=dict)
    ragged: int = 0


class CsvReader(Protocol):
    """The header and the rows of a file, in one pass. ``bytes_read`` counts its bytes in UTF-8."""

    columns: tuple[str, ...]

    @property
    def bytes_read(self) -> int: ...
    def batches(self) -> Iterator[Batch]: ...


class Refused(Exception):
    """The strict reader cannot read the file. The lenient reader can."""


class StrictReader:
    """Reads ``chunks`` of UTF-8, which begin with ``sample``. ``batches`` raises Refused, and the errors of chunks."""

    def __init__(self, sample: bytes, chunks: Iterator[bytes], encoding: str) -> None:
        self.columns = sample_header(sample)
        self._sample = sample
        self._stream = _Stream(in_utf_8(chunks, encoding))

    @property
    def bytes_read(self) -> int:
        return self._stream.bytes_read

    def batches(self) -> Iterator[Batch]:
        schema = Schema([Field(str(number), TEXT) for number in range(len(self.columns))])
        header = True
        for columns in self._read(schema):
            if header and _first_row(columns) != self.columns:
                raise Refused("the header is not the first record")
            batch = [column.slice(1) for column in columns] if header else columns
            header = False
            yield Batch(len(batch[0]), batch)
        if header and self.columns:
            raise Refused("no header")

    def _read(self, schema: Schema) -> Iterator[list[Array]]:
        if not self.columns:
            rest = self._stream.read(1)
            self._stream.raise_error()
            if rest:
                raise Refused("no header")
            return
        batches = read_csv(cast(IO[bytes], self._stream), schema, has_header=False, batch_size=self._batch_rows())
        while True:
            try:
                batch = next(batches, None)
            except Exception as error:
                self._stream.raise_error()
                raise Refused(str(error)) from None
            self._stream.raise_error()
            if batch is None:
                return
            self._stream.start_batch()
            columns = [batch.column(number) for number in range(len(self.columns))]
            _check_cells(columns)
            yield columns

    def _batch_rows(self) -> int:
        """The rows of a batch, from the length of the rows in the sample."""
        rows = max(1, self._sample.count(b"\n"), self._sample.count(b"\r"))
        return max(1, min(BATCH_ROWS, BATCH_BYTES * rows // len(self._sample)))


class LenientReader:
    """Reads ``chunks`` in ``encoding`` with Python's csv module. Raises Malformed, and the errors of chunks."""

    def __init__(self, chunks: Iterator[bytes], encoding: str) -> None:
        self._chunks = _RawChunks(in_utf_8(chunks, encoding), done=lambda: self._records_read)
        self._records_read = 0
        text = io.TextIOWrapper(io.BufferedReader(self._chunks, READ_BYTES), UTF_8, errors="replace", newline="")
        self._records = self._checked(csv.reader(text))
        self.columns = checked_header(next(self._records, ()))

    @property
    def bytes_read(self) -> int:
        return self._chunks.bytes_read

    def batches(self) -> Iterator[Batch]:
        records: list[list[str]] = []
        size = 0
        for record in self._records:
            records.append(record)
            size += sum(map(len, record))
            if len(records) == BATCH_ROWS or size >= BATCH_BYTES:
                yield self._batch(records)
                records, size = [], 0
        if records:
            yield self._batch(records)

    def _checked(self, records: Iterable[list[str]]) -> Iterator[list[str]]:
        """The records that are not blank lines."""
        try:
            for record in records:
                self._records_read += 1
                if len(record) > MAX_CELLS:
                    raise Malformed(f"a record of more than {MAX_CELLS} cells")
                if record:
                    yield record
        except csv.Error as error:
            raise Malformed(str(error)) from None

    def _batch(self, records: list[list[str]]) -> Batch:
        width = len(self.columns)
        beyond = {row: record[width:] for row, record in enumerate(records) if len(record) > width}
        ragged = sum(len(record) != width for record in records)
        columns = list(zip_longest(*(record[:width] for record in records)))
        columns += [(None,) * len(records)] * (width - len(columns))
        return Batch(len(records), [Array([cell or None for cell in cells], TEXT) for cells in columns], beyond, ragged)


def _first_row(columns: list[Array]) -> tuple[str, ...]:
    return tuple(column[0].as_py() or "" for column in columns)


def _check_cells(columns: Iterable[Array]) -> None:
    """Raise Refused if a cell is too long. A column that is no larger in all has no such cell."""
    for column in columns:
        if column.nbytes > CELL_CHARACTERS and any(len(cell or "") > CELL_CHARACTERS for cell in column.to_pylist()):
            raise Refused(f"a cell of more than {CELL_CHARACTERS} characters")


class _Chunks:
    """Reads chunks in pieces of other sizes. ``bytes_read`` counts the bytes of the pieces."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = filter(None, chunks)
        self._rest = memoryview(b"")
        self.bytes_read = 0

    def next(self, size: int) -> memoryview:
        """At most ``size`` bytes; none at the end."""
        self._rest = self._rest or memoryview(next(self._chunks, b""))
        found, self._rest = self._rest[:size], self._rest[size:]
        self.bytes_read += len(found)
        return found


class _Stream(_Chunks):
    """The chunks as the file that arro3 reads. It ends early instead of raising.

    arro3 raises its own error if a file raises one, and that error has the class of a syntax error. Therefore the error
    of a chunk is kept for ``raise_error``.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__(chunks)
        self._error: BaseException | None = None
        self._batch_start = 0

    def start_batch(self) -> None:
        self._batch_start = self.bytes_read

    def read(self, size: int) -> bytes:
        if self._error is None:
            try:
                if self.bytes_read - self._batch_start > MAX_BATCH_BYTES:
                    raise Refused("rows that are too long")  # noqa: TRY301 - kept as the error of a chunk is
                return bytes(self.next(size))
            except BaseException as error:
                self._error = error
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        """arro3 requires a method of this name, and does not call it to read a CSV."""
        raise io.UnsupportedOperation

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error


class _RawChunks(io.RawIOBase):
    """Chunks as a raw stream. It raises Malformed if ``done()``, the number of records read, no longer grows."""

    def __init__(self, chunks: Iterable[bytes], done: Callable[[], int]) -> None:
        self._chunks = _Chunks(chunks)
        self._done = done
        self._records_done = 0
        self._record_start = 0

    @property
    def bytes_read(self) -> int:
        return self._chunks.bytes_read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io passes no other
        self._check_progress()
        found = self._chunks.next(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _check_progress(self) -> None:
        done = self._done()
        if done != self._records_done:
            self._records_done, self._record_start = done, self.bytes_read
        elif self.bytes_read - self._record_start > MAX_BATCH_BYTES:
            raise Malformed(f"a record longer than {MAX_BATCH_BYTES} bytes")
