"""The rows of a stored CSV as SQL reads them: gzipped JSON lines, each cell under the name of its column.

What columns a table has lies in ``tables.json``: for each dataset the headers known, in the newest order, each with its
column's name in SQL and its type. Why not the CSV itself: docs/decisions/0004-tables-are-json-lines.md.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from json.encoder import encode_basestring
from pathlib import Path

OTHER = "other"
"""The last column of each table, a map: cells without a column of their own, by the file's header."""
BUFFER_BYTES = 64 << 10
LEVEL = 1
"""Of compression: the processor is what storing waits for."""

Read = Callable[[str], str | None]
"""A cell as the JSON of its column's type, or None when it is none."""
INTEGER = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,17}))?")
NUMBER = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,16})(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,2})?)?")
POSITIONAL = re.compile(r"column [0-9]+", re.IGNORECASE)
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


@cache
def known_tables() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """For each dataset that is a table: name and type of its columns by header."""
    known = json.loads(Path(__file__).with_name("tables.json").read_bytes())
    return {
        dataset: {header: (name, kind) for header, (name, kind) in columns.items()}
        for dataset, columns in known.items()
    }


class JsonLinesWriter:
    """Writes the rows of one file, gzipped, by ``write``.

    ``columns`` are name and type of its table's by header. Each of them is in every line, null where it is absent.

    A cell that does not fit its column's type is null there and kept as text among the others, as are cells beyond the
    header. An empty cell is null unless its column is text. Nothing of a row is lost or made up.
    """

    def __init__(self, write: Callable[[bytes], object], columns: Mapping[str, tuple[str, str]]) -> None:
        self._put = write
        self._columns = columns
        self._zip = zlib.compressobj(LEVEL, wbits=31)
        self.stopped = False
        self._buffer = bytearray()

    def begin(self, header: Sequence[str]) -> Callable[[list[str]], int]:
        """What takes each row below this header, and says how many cells it has."""
        column_indexes, extra_keys, line = self._column_indexes(header), _labels(header), self._line()
        nothing = ["null"] * len(self._columns)

        def write_row(cells: list[str]) -> int:
            if self.stopped:
                return len(cells)
            values: list[str] = nothing.copy()
            others = dict(_beyond(header, cells)) if len(cells) > len(header) else {}
            for (place, read), label, cell in zip(column_indexes, extra_keys, cells, strict=False):
                value = read(cell)
                if value is None:
                    others[label] = cell
                else:
                    values[place] = value
            if cells:
                self._write(line % (*values, json.dumps(others, ensure_ascii=False) if others else "null"))
            return len(cells)

        return write_row

    def stop(self) -> None:
        """Take no more rows: there will be no table."""
        self.stopped = True

    def finish(self) -> None:
        """Write what is left. Without it the table is cut short."""
        self._flush()
        self._put(self._zip.flush())

    def _column_indexes(self, header: Sequence[str]) -> list[tuple[int, Read]]:
        """Where each cell of a row goes, and how it is read; the first wins where a header comes twice."""
        columns = enumerate(self._columns.items())
        left = {known.lower(): (place, READERS[kind]) for place, (known, (_, kind)) in columns}
        return [left.pop(column.strip().lower(), (0, _read_nothing)) for column in header]

    def _line(self) -> str:
        names = [*(name for name, _ in self._columns.values()), OTHER]
        return "{" + ",".join(f'"{name}":%s' for name in names) + "}\n"

    def _write(self, line: str) -> None:
        self._buffer += line.encode()
        if len(self._buffer) >= BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._put(self._zip.compress(self._buffer))
        self._buffer.clear()


def _labels(header: Sequence[str]) -> list[str]:
    """What each column is called among the others: its header, or its place where that is empty or comes again.

    Headers that differ in case alone are one: Athena's reader of JSON folds case, and may fail on such a pair of keys.
    """
    named = [column.lower() if column.strip() and not POSITIONAL.fullmatch(column) else "" for column in header]
    first = {column: place for place, column in reversed(list(enumerate(named))) if column}
    return [header[place] if first.get(column) == place else _by_place(place) for place, column in enumerate(named)]


def _beyond(header: Sequence[str], cells: list[str]) -> list[tuple[str, str]]:
    return [(_by_place(place), cells[place]) for place in range(len(header), len(cells))]


def _by_place(place: int) -> str:
    return f"column {place + 1}"


def _read_nothing(cell: str) -> None:
    """Of a column that is not known."""


def _read_whole(cell: str) -> str | None:
    return cell or "null" if INTEGER.fullmatch(cell) else None


def _read_number(cell: str) -> str | None:
    return cell or "null" if NUMBER.fullmatch(cell) else None


def _read_time(cell: str) -> str | None:
    """As the service writes times, in UTC, which is as SQL writes them, too: ``2020-07-14 20:46:38``."""
    if not TIME.fullmatch(cell):
        return None if cell else "null"
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        return None
    return f'"{cell}"'


READERS: Mapping[str, Read] = {
    "string": encode_basestring,
    "bigint": _read_whole,
    "double": _read_number,
    "timestamp": _read_time,
}
