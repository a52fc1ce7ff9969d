"""What a CSV holds, told while its bytes stream past to somewhere else.

Rows and columns are those of Python's own :class:`csv.DictReader` over UTF-8 with or without a BOM: the first record
is the header, a newline in quotes is part of its cell, blank lines are no rows, a missing last newline changes nothing.
Bytes that are no UTF-8 become U+FFFD, which moves no cell or row and keeps the header fit for JSON.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from exports.formats.zip_reader import CHUNK_BYTES

RECORD_BYTES = 1 << 20
"""A record whose end does not come within about this many bytes is malformed: a reader would have to hold it whole.

A single cell is bounded by :func:`csv.field_size_limit`, 131,072 characters unless somebody changed it.
"""
HEADER_CHARACTERS = 16 << 10
"""The longest header known has about 1,800; every file's header is kept for the manifest, so it must not be huge."""


@dataclass(frozen=True, slots=True)
class Table:
    """The header, the number of records after it (None when malformed), and what is odd: ``malformed``, ``ragged``."""

    columns: tuple[str, ...] = ()
    rows: int | None = None
    notes: Mapping[str, object] = field(default_factory=dict)


class _Malformed(Exception):
    """What is read is no CSV that a reader with bounded memory can read."""


RowConsumer = Callable[[list[str]], int]
"""Does something with a record, and says how many cells it has; a blank line has none."""


def count_only(_: Sequence[str]) -> RowConsumer:
    return len


def read_table(chunks: Iterator[bytes], start: Callable[[Sequence[str]], RowConsumer] = count_only) -> Table:
    """Read ``chunks`` to their end, whatever they hold, and say what was in them. What they raise is passed on.

    ``start`` is given the header, and gives what takes each record below it.
    """
    columns: tuple[str, ...] = ()
    cell_counts: Counter[int] = Counter()
    try:
        records = _records(chunks, done=cell_counts.total)
        columns = _header(records)
        # Counted in C as records come, and visible to _Chunks meanwhile: a loop in Python would halve the speed.
        cell_counts.update(map(start(columns), records))
    except (csv.Error, _Malformed) as error:
        for _ in chunks:
            pass
        return Table(columns, None, {"malformed": str(error)})
    rows = cell_counts.total() - cell_counts.pop(0, 0)
    ragged = rows - cell_counts[len(columns)]
    return Table(columns, rows, {"ragged": ragged} if ragged else {})


def sample_header(sample: bytes) -> tuple[str, ...]:
    """The header in the first bytes of a file; empty when there is none to be made out."""
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
    """Chunks as a raw stream that stops when ``done``, the number of records read so far, no longer grows."""

    def __init__(self, chunks: Iterator[bytes], done: Callable[[], int]) -> None:
        self._chunks = filter(None, chunks)
        self._rest = memoryview(b"")
        self._done = done
        self._seen = 0
        self._waiting = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io gives no other
        self._check_progress()
        self._rest = self._rest or memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        self._waiting += size
        return size

    def _check_progress(self) -> None:
        done = self._done()
        if done != self._seen:
            self._seen, self._waiting = done, 0
        elif self._waiting > RECORD_BYTES:
            raise _Malformed(f"a record longer than {RECORD_BYTES} bytes")
