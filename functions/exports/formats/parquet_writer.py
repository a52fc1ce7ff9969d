"""Writes the rows of a CSV as a Parquet file, each cell in the column of its header.

A cell that does not fit the type of its column is null there and kept as text in the column ``other``, as are cells
without a column. Nothing of a row is lost or made up.

Timestamps and row numbers are written as differences, because that makes a file several times smaller. All other
columns have dictionaries.
"""

import json
import typing
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from arro3.compute import cast
from arro3.compute import max as highest
from arro3.compute import min as lowest
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from exports.datasets.column_types import BOUNDS, CONVERTIBLE
from exports.datasets.table_schemas import Columns, Origin
from exports.formats.csv_reader import BATCH_ROWS, TEXT, Batch, CsvReader, Refused

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

TYPES: Mapping[str, DataType] = {
    "string": TEXT,
    "bigint": DataType.int64(),
    "double": DataType.float64(),
    "timestamp": DataType.timestamp("us"),
    "date": DataType.date32(),
}
"""The type in the file by the type in SQL."""
OTHER, EXPORT_ID, REQUESTED_DATE, ROW_NUMBER = "other", "export_id", "requested_date", "row_number"
ADDED = {OTHER: "string", EXPORT_ID: "string", REQUESTED_DATE: "date", ROW_NUMBER: "bigint"}
"""The columns that follow those of the dataset. ``other`` is a JSON object, or null."""
POSITION = "column "
"""In ``other``, the start of the key of a cell without a usable header, before its number from 1."""
COMPRESSION = "zstd(1)"
DICTIONARY_BYTES = 32 << 10
"""A column with more different values is written without a dictionary from there on, which makes it smaller."""
MAX_SLOW_SECONDS = 150
"""Seconds of a file for the cells that Python converts or writes to ``other``, by the times below. They were measured
on the machine of docs/performance.md, so that the same file has the same result on a machine of any speed."""
SLOW_COLUMN = 0.4e-6
"""Seconds for each cell of a column in which a cell is not converted by Arrow."""
SLOW_CELL = {"bigint": 0.8e-6, "double": 0.5e-6, "timestamp": 4.5e-6}
"""Seconds for each cell that Arrow does not convert, by type."""
OTHER_CELL, OTHER_BYTE = 0.6e-6, 2e-9
"""Seconds for each cell in ``other``, and for each byte of ``other``, which repeats the header in each row."""
_json = json.JSONEncoder(ensure_ascii=False).encode
MAX_GROUP_BYTES = 128 << 20
"""Bytes of text of a row group, which is in memory until it is complete."""


@dataclass(slots=True)
class Written:
    """What was read. ``not_of_type`` counts the cells of each column that did not fit its type, by header.

    ``too_large`` is the reason why the table is not complete: it would need too much time. All rows are counted.
    """

    rows: int = 0
    ragged: int = 0
    too_large: str = ""
    not_of_type: Counter[str] = field(default_factory=Counter)


def write_table(
    reader: CsvReader,
    columns: Columns,
    origin: Origin,
    sink: "SupportsWrite[bytes]",
    *,
    max_bytes: int,
    group_rows: int,
) -> Written:
    """Write the rows of ``reader`` to ``sink``, unless it reads more than ``max_bytes``.

    A row group has ``group_rows`` rows and is held in memory; Refused is raised if one is too large. The errors of the
    reader and the sink are raised, too.
    """
    table = _Table(reader, columns, origin, group_rows, max_bytes)
    source = _Source(table.batches())
    delta = [*(name for name, kind in table.types.items() if kind == "timestamp"), ROW_NUMBER]
    write_parquet(
        RecordBatchReader.from_batches(table.schema, source),
        typing.cast(IO[bytes], _Target(sink, source)),
        compression=COMPRESSION,
        max_row_group_size=group_rows,
        dictionary_page_size_limit=DICTIONARY_BYTES,
        column_encoding=dict.fromkeys(delta, "delta_binary_packed"),
        column_dictionary_enabled=dict.fromkeys(delta, False),
        skip_arrow_metadata=True,
    )
    if source.error is not None:
        raise source.error
    return table.written


class _Table:
    """Converts batches of text to batches of the table."""

    def __init__(self, reader: CsvReader, columns: Columns, origin: Origin, group_rows: int, max_bytes: int) -> None:
        known = {name.lower(): kind for name, kind in columns.values()}
        self.types = {**known, **ADDED}
        self.schema = Schema([Field(name, TYPES[kind]) for name, kind in self.types.items()])
        self.written = Written()
        self._reader = reader
        self._header = reader.columns
        self._names = _column_names(self._header, columns)
        self._keys = _other_keys(self._header)
        self._group_rows = group_rows
        self._group_bytes = 0
        self._max_bytes = max_bytes
        self._slow_seconds = 0.0
        self._nulls = {kind: cast(_repeated(None), TYPES[kind]) for kind in TYPES}
        self._constants = {
            EXPORT_ID: _repeated(origin.export_id),
            REQUESTED_DATE: cast(_repeated(origin.requested_date), TYPES["date"]),
        }

    def batches(self) -> Iterator[RecordBatch]:
        for batch in self._reader.batches():
            self._check(batch)
            if batch.rows and not self.written.too_large:
                yield self._converted(batch)
            self.written.rows += batch.rows
            self.written.ragged += batch.ragged

    def _check(self, batch: Batch) -> None:
        """Find out early that the table needs too much time or memory."""
        if self._reader.bytes_read > self._max_bytes:
            self.written.too_large = f"more than {self._max_bytes} bytes"
        elif self._slow_seconds > MAX_SLOW_SECONDS:
            self.written.too_large = (
                f"more than {MAX_SLOW_SECONDS} seconds for cells in other forms or without a column"
            )
        self._group_bytes += sum(column.nbytes for column in batch.columns)
        if self._group_bytes > MAX_GROUP_BYTES:
            raise Refused(f"more than {MAX_GROUP_BYTES} bytes in a row group")
        if (self.written.rows + batch.rows) // self._group_rows > self.written.rows // self._group_rows:
            self._group_bytes = 0

    def _converted(self, batch: Batch) -> RecordBatch:
        found: dict[str, Array] = {name: array.slice(0, batch.rows) for name, array in self._constants.items()}
        found[ROW_NUMBER] = _numbers(self.written.rows + 1, batch.rows)
        others: dict[int, list[str]] = {}
        for header, name, key, cells in zip(self._header, self._names, self._keys, batch.columns, strict=True):
            if name is None:
                _add(others, key, _not_null(cells))
            else:
                found[name], unfit, seconds = _of_type(cells, self.types[name])
                self._slow_seconds += seconds
                _add(others, key, unfit)
                if unfit:
                    self.written.not_of_type[header] += len(unfit)
        for row, cells_beyond in batch.beyond.items():
            for index, cell in enumerate(cells_beyond, len(self._header)):
                if cell:
                    _add(others, _positional(index), [(row, cell)])
        if others:
            texts = [f"{{{', '.join(others[row])}}}" if row in others else None for row in range(batch.rows)]
            found[OTHER] = Array(texts, TEXT)
            size = found[OTHER].slice(0, batch.rows).nbytes  # without the slice, that of the larger buffer
            self._group_bytes += size
            self._slow_seconds += OTHER_CELL * sum(map(len, others.values())) + OTHER_BYTE * size
        arrays = [found.get(name) or self._nulls[kind].slice(0, batch.rows) for name, kind in self.types.items()]
        return RecordBatch.from_arrays(arrays, schema=self.schema)


class _Source:
    """Iterates over batches, and ends instead of raising: arro3 would replace an error by its own."""

    def __init__(self, batches: Iterator[RecordBatch]) -> None:
        self._batches = batches
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        if self.error is None:
            try:
                return next(self._batches)
            except StopIteration:
                raise
            except BaseException as error:
                self.error = error
        raise StopIteration


class _Target:
    """The file that arro3 writes to. It keeps an error instead of raising it: arro3 would panic."""

    def __init__(self, sink: "SupportsWrite[bytes]", source: _Source) -> None:
        self._sink = sink
        self._source = source

    def write(self, data: bytes) -> int:
        if self._source.error is None:
            try:
                self._sink.write(bytes(data))
            except BaseException as error:
                self._source.error = error
        return len(data)

    def flush(self) -> None:
        """The sink decides what it sends when."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """arro3 requires a method of this name, and does not call it to write."""
        raise OSError


def _add(others: dict[int, list[str]], key: str, cells: Iterable[tuple[int, str]]) -> None:
    """Add members of JSON objects by row."""
    start = f"{_json(key)}: "
    for row, cell in cells:
        others.setdefault(row, []).append(start + _json(cell))


def _of_type(cells: Array, kind: str) -> tuple[Array, Sequence[tuple[int, str]], float]:
    """The cells as values of the type, row and text of those that have no such value, and the seconds it took."""
    if kind == "string":
        return cells, (), 0
    values = cast(cells, TYPES[kind])
    if values.null_count == cells.null_count and _are_in_bounds(values, kind):
        return values, (), 0
    return _read_again(cells, values, kind)


def _read_again(cells: Array, values: Array, kind: str) -> tuple[Array, list[tuple[int, str]], float]:
    """Write the cells that were not converted in another form, and convert all of them again."""
    low, high = BOUNDS[kind]
    unread = [value is None or not low <= value <= high for value in _plain(values, kind).to_pylist()]
    texts = cells.to_pylist()
    unfit = []
    seconds = SLOW_COLUMN * len(texts)
    for row, (cell, again) in enumerate(zip(texts, unread, strict=True)):
        if again and cell is not None:
            seconds += SLOW_CELL[kind]
            texts[row] = CONVERTIBLE[kind](cell)
            if texts[row] is None:
                unfit.append((row, cell))
    return cast(Array(texts, TEXT), TYPES[kind]), unfit, seconds


def _are_in_bounds(values: Array, kind: str) -> bool:
    """Whether all values but nulls are in the bounds of their type. To Arrow, NaN is above or below all others."""
    if kind == "bigint" or values.null_count == len(values):
        return True
    plain = _plain(values, kind)
    low, high = BOUNDS[kind]
    return bool(low <= lowest(plain).as_py() and highest(plain).as_py() <= high)


def _plain(values: Array, kind: str) -> Array:
    """Times as microseconds: Python's datetime does not have all of them."""
    return cast(values, TYPES["bigint"]) if kind == "timestamp" else values


def _not_null(cells: Array) -> Iterator[tuple[int, str]]:
    return ((row, cell) for row, cell in enumerate(cells.to_pylist()) if cell is not None)


def _repeated(text: str | None) -> Array:
    return Array([text] * (BATCH_ROWS + 1), TEXT)


def _numbers(first: int, count: int) -> Array:
    return Array.from_buffer(array("q", range(first, first + count)))


def _column_names(header: Sequence[str], columns: Columns) -> list[str | None]:
    """The column of each cell of a row, None if it has none. Of equal headers, the first has the column."""
    left = {known.strip().lower(): name.lower() for known, (name, _) in columns.items()}
    return [left.pop(column.strip().lower(), None) for column in header]


def _other_keys(header: Sequence[str]) -> list[str]:
    """The key of each column in ``other``: its header, or its position if the header is empty or a repetition.

    Headers that differ only in case are equal, because SQL ignores the case of names.
    """
    taken: set[str] = set()
    keys = []
    for index, column in enumerate(header):
        folded = column.strip().lower()
        usable = folded and folded not in taken and not folded.startswith(POSITION)
        taken.add(folded)
        keys.append(column if usable else _positional(index))
    return keys


def _positional(index: int) -> str:
    return f"{POSITION}{index + 1}"
