"""Reads header, row count and rows of a CSV while its bytes are streamed to another destination.

Rows and columns are those of Python's :class:`csv.DictReader` for UTF-8 with or without a BOM: the first record is the
header, a newline in quotes belongs to its cell, blank lines are not rows, a missing last newline makes no difference.
Bytes that are not UTF-8 become U+FFFD. This moves no cell or row, and the header stays valid in JSON.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exports.formats.zip_reader import CHUNK_BYTES

RECORD_BYTES = 1 << 20
"""A record longer than about this many bytes is malformed: a reader would have to hold all of it in memory.

The limit for a cell is :func:`csv.field_size_limit`, by default 131,072 characters.
"""
HEADER_CHARACTERS = 16 << 10
"""The longest known header has about 1,800. The limit exists because the manifest holds every file's header."""


@dataclass(frozen=True, slots=True)
class Table:
    """The header, the number of records after it (None if malformed), and the notes ``malformed`` and ``ragged``."""

    columns: tuple[str, ...] = ()
    rows: int | None = None
    notes: Mapping[str, object] = field(default_factory=dict)


class _Malformed(Exception):
    """The bytes are not a CSV that a reader with limited memory can read."""


RowConsumer = Callable[[list[str]], int]
"""Processes a record and returns its number of cells; 0 for a blank line."""


def count_only(_: Sequence[str]) -> RowConsumer:
    return len


def read_table(chunks: Iterator[bytes], start: Callable[[Sequence[str]], RowConsumer] = count_only) -> Table:
    """Read ``chunks`` to their end, also after a malformed record, and describe them. Their errors are passed on.

    ``start`` receives the header and returns the consumer of each record after it.
    """
    columns: tuple[str, ...] = ()
    cell_counts: Counter[int] = Counter()
    try:
        records = _records(chunks, done=cell_counts.total)
        columns = _header(records)
        # Counts in C, visible to _Chunks at the same time: a loop in Python would halve the speed.
        cell_counts.update(map(start(columns), records))
    except (csv.Error, _Malformed) as error:
        for _ in chunks:
            pass
        return Table(columns, None, {"malformed": str(error)})
    rows = cell_counts.total() - cell_counts.pop(0, 0)
    ragged = rows - cell_counts[len(columns)]
    return Table(columns, rows, {"ragged": ragged} if ragged else {})


def sample_header(sample: bytes) -> tuple[str, ...]:
    """The header in the first bytes of a file; empty if they contain no valid one."""
    try:
        return _header(_records(iter((sample,)), done=int))
    except (csv.Error, _Malformed):
        return ()


def _header(records: Iterator[list[str]]) -> tuple[str, ...]:
    columns = tuple(next(records, ()))
    size = sum(map(len, columns)) + len(columns)
    if size > HEADER_CHARACTERS:
        raise _Malformed(f"a header of {size} characters; the limit is {HEADER_CHARACTERS}")
    return columns


def _records(chunks: Iterator[bytes], *, done: Callable[[], int]) -> Iterator[list[str]]:
    binary = io.BufferedReader(_Chunks(chunks, done), CHUNK_BYTES)
    return csv.reader(io.TextIOWrapper(binary, "utf-8-sig", errors="replace", newline=""))


class _Chunks(io.RawIOBase):
    """Chunks as a raw stream. It raises _Malformed if ``done()``, the number of records read, no longer grows."""

    def __init__(self, chunks: Iterator[bytes], done: Callable[[], int]) -> None:
        self._chunks = filter(None, chunks)
        self._rest = memoryview(b"")
        self._done = done
        self._records_done = 0
        self._pending_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io passes no other
        self._check_progress()
        self._rest = self._rest or memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        self._pending_bytes += size
        return size

    def _check_progress(self) -> None:
        done = self._done()
        if done != self._records_done:
            self._records_done, self._pending_bytes = done, 0
        elif self._pending_bytes > RECORD_BYTES:
            raise _Malformed(f"a record longer than {RECORD_BYTES} bytes")
