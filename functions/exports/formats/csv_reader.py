"""Reads the rows of a CSV in batches of text columns, strictly and fast, or leniently.

Both readers give the same rows, those of Python's csv module: a newline in quotes belongs to its cell, blank lines are
not rows, a missing last newline makes no difference. :class:`StrictReader` is written in Rust and refuses rows with
fewer or more cells than the header, records before the header, bytes that are not UTF-8, and rows that are much longer
than those at the start of the file. :class:`LenientReader` reads them, ten times as slowly.

The time that a reader needs follows the number of cells, not of bytes: a file of commas has a cell in each byte, and a
row that has one cell of a thousand columns still fills a thousand. Therefore both raise TooCostly after a number of
cells.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import IO, Protocol, cast

from arro3.core import Array, DataType, Field, Schema
from arro3.io import read_csv

from exports.formats.csv_text import CELL_CHARACTERS, UTF_8, Header, Malformed, checked_header, in_utf_8

BATCH_ROWS = 4_096
BATCH_BYTES = 512 << 10
"""Bytes of a batch: more need more memory, fewer need more calls."""
BATCH_CELLS = 4 << 20
"""Cells of a batch, empty ones included."""
MAX_BATCH_BYTES = 8 << 20
"""Bytes after which a batch is too large for the strict reader, and a single record is malformed."""
MAX_CELLS = 100_000
"""Cells of one record. A header has fewer, because of its limit in characters."""
MAX_STRICT_CELLS = 2 * 10**9
"""Cells of a file that the strict reader reads. A cell needs 10 to 250 ns, the more the wider the rows are. The largest
CSV that becomes a table has fewer, unless its cells have 5 characters or less on average."""
MAX_LENIENT_CELLS = 10**9
"""Cells of a file that the lenient reader reads. A cell needs up to 200 ns, and so does a blank line."""
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


class Refused(Exception):
    """The strict reader cannot read the file. The lenient reader can."""


class TooCostly(Exception):
    """The file has too many cells for the time of an invocation. The message has their number."""


@dataclass(slots=True)
class Marks:
    """The quotes and newlines in the text of a file, which show whether cells may span lines."""

    quotes: int = 0
    line_feeds: int = 0
    carriage_returns: int = 0

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, counted as they pass, in few passes: a pass can need a tenth of the time of a table."""
        for chunk in chunks:
            if b'"' in chunk:
                self.quotes += chunk.count(b'"')
            self.line_feeds += len(chunk) - len(chunk.replace(b"\n", b""))  # twice as fast as count
            if not self.line_feeds:
                self.carriage_returns += chunk.count(b"\r")
            yield chunk

    def may_span_lines(self, records: int) -> bool:
        """Whether a cell of the file may contain a newline, or a quote is not closed."""
        lines = max(self.line_feeds, self.carriage_returns)
        return bool(self.quotes) and (self.quotes % 2 == 1 or lines > records)


class CsvReader(Protocol):
    """The header and the rows of a file, in one pass. ``bytes_read`` counts its bytes in UTF-8."""

    columns: tuple[str, ...]
    marks: Marks

    @property
    def bytes_read(self) -> int: ...
    def batches(self) -> Iterator[Batch]: ...


def max_batch_rows(columns: Sequence[str]) -> int:
    """The rows of a batch: fewer below a long header, because the column ``other`` can repeat it in each row, and below
    many columns, because arro3 makes room for all cells."""
    header_bytes = 1 + sum(len(column.encode()) for column in columns)
    return max(1, min(BATCH_ROWS, MAX_BATCH_BYTES // header_bytes, BATCH_CELLS // max(1, len(columns))))


class StrictReader:
    """Reads ``chunks`` of UTF-8, which begin with ``sample``.

    ``batches`` raises Refused, TooCostly, and the errors of chunks.
    """

    def __init__(self, sample: bytes, chunks: Iterator[bytes], encoding: str, header: Header) -> None:
        self.columns = header.columns
        self.marks = Marks()
        self._header = header
        self._sample = sample
        self._stream = _Stream(self.marks.of(in_utf_8(chunks, encoding)))

    @property
    def bytes_read(self) -> int:
        return self._stream.bytes_read

    def batches(self) -> Iterator[Batch]:
        if self._header.records_before:
            raise Refused("records before the header")
        schema = Schema([Field(str(number), TEXT) for number in range(len(self.columns))])
        header = True
        cells = 0
        for columns in self._read(schema):
            if header and _first_row(columns) != self.columns:
                raise Refused("the header is not the first record")
            batch = [column.slice(1) for column in columns] if header else columns
            header = False
            cells += len(batch[0]) * len(batch)
            if cells > MAX_STRICT_CELLS:
                raise TooCostly(f"more than {MAX_STRICT_CELLS} cells")
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
        return max(1, min(max_batch_rows(self.columns), BATCH_BYTES * rows // len(self._sample)))


class LenientReader:
    """Reads ``chunks`` in ``encoding`` with Python's csv module, without the records before the header.

    Raises Malformed, TooCostly, and the errors of chunks.
    """

    def __init__(self, chunks: Iterator[bytes], encoding: str, records_before: int = 0) -> None:
        self.columns: tuple[str, ...] = ()
        self.marks = Marks()
        self._chunks = _RawChunks(self.marks.of(in_utf_8(chunks, encoding)), done=lambda: self._records_read)
        self._records_read = 0
        self._cells = 0
        self._records = self._checked(csv.reader(_text(self._chunks)))
        for _ in range(records_before):
            next(self._records, None)
        self.columns = checked_header(next(self._records, ()))

    @property
    def bytes_read(self) -> int:
        return self._chunks.bytes_read

    def batches(self) -> Iterator[Batch]:
        records: list[list[str]] = []
        size = cells = 0
        max_rows = max_batch_rows(self.columns)
        for record in self._records:
            records.append(record)
            size += sum(map(len, record))
            cells += max(len(record), len(self.columns))
            if len(records) == max_rows or size >= BATCH_BYTES or cells >= BATCH_CELLS:
                yield self._batch(records)
                records, size, cells = [], 0, 0
        if records:
            yield self._batch(records)

    def _checked(self, records: Iterable[list[str]]) -> Iterator[list[str]]:
        """The records that are not blank lines. A row has a cell for each column, and a blank line counts as one."""
        try:
            for record in records:
                self._records_read += 1
                self._cells += max(len(record), len(self.columns), 1)
                if len(record) > MAX_CELLS:
                    raise Malformed(f"a record of more than {MAX_CELLS} cells")
                if self._cells > MAX_LENIENT_CELLS:
                    raise TooCostly(f"more than {MAX_LENIENT_CELLS} cells in rows that the fast reader cannot read")
                if record:
                    yield record
        except csv.Error as error:
            raise Malformed(str(error)) from None

    def _batch(self, records: list[list[str]]) -> Batch:
        width = len(self.columns)
        beyond = {row: record[width:] for row, record in enumerate(records) if len(record) > width}
        ragged = sum(len(record) != width for record in records)
        columns = [
            Array([cell or None for cell in cells], TEXT)
            for cells in zip_longest(*(record[:width] for record in records))
        ]
        columns += [Array([None] * len(records), TEXT)] * (width - len(columns))
        return Batch(len(records), columns, beyond, ragged)


def suspicious_quote(chunks: Iterable[bytes], encoding: str) -> int | None:
    """The first line of the first row with a quote that is not closed, or is closed in the middle of a cell.

    Python's csv module reads such a row, and whatever follows it up to the next quote, as it can: rows are lost in one
    cell. None if there is no such row, or the file is malformed. The errors of chunks are raised.
    """
    records = 0
    reader = csv.reader(_text(_RawChunks(in_utf_8(chunks, encoding), done=lambda: records)), strict=True)
    line = 1
    try:
        for _ in reader:
            records += 1
            line = reader.line_num + 1
    except csv.Error as error:
        return None if "field larger" in str(error) else line
    except Malformed:
        pass
    return None


def _text(chunks: "_RawChunks") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedReader(chunks, READ_BYTES), UTF_8, errors="replace", newline="")


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
