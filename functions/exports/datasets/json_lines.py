"""Writes the rows of a CSV as gzipped JSON lines for SQL, each cell under the name of its column.

``tables.json`` defines the columns: for each dataset the known headers, in the newest order, each with the name and
type of its column in SQL. Why not the CSV itself: docs/decisions/0004-tables-are-json-lines.md.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from exports.datasets.column_types import READERS, CellReader, read_nothing

OTHER = "other"
"""The last column of each table, a map: the cells without a column of their own, by the file's header."""
BUFFER_BYTES = 64 << 10
COMPRESSION_LEVEL = 1
"""The lowest, because the CPU limits the speed of storing."""
POSITIONAL = re.compile(r"column [0-9]+", re.IGNORECASE)


@cache
def known_tables() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """For each dataset with a table: name and type of its columns by header."""
    known = json.loads(Path(__file__).with_name("tables.json").read_bytes())
    return {
        dataset: {header: (name, kind) for header, (name, kind) in columns.items()}
        for dataset, columns in known.items()
    }


class JsonLinesWriter:
    """Writes the rows of one file, gzipped, with the function ``write``.

    ``columns`` are name and type of the table's columns by header. Every line has all of them, null if absent.

    A cell that does not fit its column's type is null there and kept as text in ``other``, as are cells beyond the
    header. An empty cell is null unless its column is text. Nothing of a row is lost or made up.
    """

    def __init__(self, write: Callable[[bytes], object], columns: Mapping[str, tuple[str, str]]) -> None:
        self._write_bytes = write
        self._columns = columns
        self._gzip = zlib.compressobj(COMPRESSION_LEVEL, wbits=31)
        self.stopped = False
        self._buffer = bytearray()

    def start(self, header: Sequence[str]) -> Callable[[list[str]], int]:
        """Return the consumer of each row after this header. It returns the row's number of cells."""
        column_indexes, extra_keys, line = self._column_indexes(header), _extra_keys(header), self._line()
        nulls = ["null"] * len(self._columns)

        def write_row(cells: list[str]) -> int:
            if self.stopped:
                return len(cells)
            values: list[str] = nulls.copy()
            others = dict(_cells_beyond(header, cells)) if len(cells) > len(header) else {}
            for (index, read), key, cell in zip(column_indexes, extra_keys, cells, strict=False):
                value = read(cell)
                if value is None:
                    others[key] = cell
                else:
                    values[index] = value
            if cells:
                self._write_line(line % (*values, json.dumps(others, ensure_ascii=False) if others else "null"))
            return len(cells)

        return write_row

    def stop(self) -> None:
        """Ignore all further rows: the table will not be stored."""
        self.stopped = True

    def finish(self) -> None:
        """Write the rest. Without this call, the output is truncated."""
        self._flush()
        self._write_bytes(self._gzip.flush())

    def _column_indexes(self, header: Sequence[str]) -> list[tuple[int, CellReader]]:
        """The column index and reader of each cell of a row. Of equal headers, the first has the column."""
        columns = enumerate(self._columns.items())
        left = {known.lower(): (index, READERS[kind]) for index, (known, (_, kind)) in columns}
        return [left.pop(column.strip().lower(), (0, read_nothing)) for column in header]

    def _line(self) -> str:
        names = [*(name for name, _ in self._columns.values()), OTHER]
        return "{" + ",".join(f'"{name}":%s' for name in names) + "}\n"

    def _write_line(self, line: str) -> None:
        self._buffer += line.encode()
        if len(self._buffer) >= BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._write_bytes(self._gzip.compress(self._buffer))
        self._buffer.clear()


def _extra_keys(header: Sequence[str]) -> list[str]:
    """The key of each column in ``other``: its header, or its position if the header is empty or a repetition.

    Headers that differ only in case are equal: Athena's reader of JSON folds case, and may fail on such a pair of keys.
    """
    named = [column.lower() if column.strip() and not POSITIONAL.fullmatch(column) else "" for column in header]
    first = {column: index for index, column in reversed(list(enumerate(named))) if column}
    return [header[index] if first.get(column) == index else _positional(index) for index, column in enumerate(named)]


def _cells_beyond(header: Sequence[str], cells: list[str]) -> list[tuple[str, str]]:
    return [(_positional(index), cells[index]) for index in range(len(header), len(cells))]


def _positional(index: int) -> str:
    return f"column {index + 1}"
