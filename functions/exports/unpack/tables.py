"""Reads a CSV to its end, and writes its table if it has one.

The strict reader is tried first. If it refuses the file, the lenient reader reads it again from its beginning.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

from exports.datasets.table_schemas import Columns, Origin
from exports.formats.csv_reader import (
    CsvReader,
    LenientReader,
    Refused,
    StrictReader,
    TooCostly,
    suspicious_quote,
)
from exports.formats.csv_text import (
    UTF_8,
    UTF_8_WITH_MARK,
    WINDOWS_1252,
    CsvContent,
    Header,
    Malformed,
    encoding_of,
    find_header,
    is_utf_8,
    read_sample,
)
from exports.formats.parquet_writer import Written, write_table
from exports.unpack.members import MAX_TABLE_BYTES, consume

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

Writer = TypeVar("Writer", bound="SupportsWrite[bytes]")

MAX_LENIENT_BYTES = 2 * 10**9
"""Bytes of the largest CSV that is read leniently. It needs about as long, because the strict reader reads it first."""
GROUP_ROWS = 65_536
"""Rows of a row group. A larger one would need more memory, and is no smaller in the file."""
SMALL_GROUP_ROWS = 1_024
"""For files with rows of up to a megabyte."""


@dataclass(frozen=True, slots=True)
class Target(Generic[Writer]):
    """A table to write: its columns, what its rows say of their export, and how to open its object.

    ``open`` discards what was written if its block ends with an error. It may be called several times.
    """

    columns: Columns
    origin: Origin
    open: Callable[[], AbstractContextManager[Writer]]


class _Discarded(Exception):
    """Ends the block of a table that is not wanted."""


def read_table(
    chunks: Iterator[bytes],
    again: Callable[[], Iterator[bytes]],
    target: Target[Writer] | None,
    is_known: Callable[[Sequence[str]], bool] = lambda columns: False,
) -> tuple[CsvContent, Writer | None]:
    """Read all ``chunks``; return what they contain, and the writer of the table if there is one.

    ``again`` returns the same chunks once more. ``is_known`` is for :func:`exports.formats.csv_text.find_header`. The
    errors of the chunks and of the table's object are raised.
    """
    sample = read_sample(chunks)
    header, encoding = find_header(sample, is_known), encoding_of(sample)
    reader = StrictReader(sample, chain((sample,), chunks), encoding, header)
    try:
        content, writer = _read(reader, again, encoding, target, MAX_TABLE_BYTES, GROUP_ROWS)
    except TooCostly as error:
        consume(chunks)
        content, writer = _too_costly(header.columns, error)
    except Refused:
        size = reader.bytes_read + consume(chunks)
        if size > MAX_LENIENT_BYTES:
            reason = f"more than {MAX_LENIENT_BYTES} bytes with rows or text that the fast reader cannot read"
            content, writer = CsvContent(header.columns, None, {"noTable": reason}), None
        else:
            if encoding == UTF_8 and not is_utf_8(again()):
                encoding = WINDOWS_1252
            content, writer = _read_leniently(again, encoding, header, target)
    if encoding == UTF_8 and sample.startswith(BOM_UTF8):
        encoding = UTF_8_WITH_MARK
    notes = {"encoding": "" if encoding == UTF_8 else encoding, "linesBeforeHeader": header.lines_before}
    return content.with_notes(notes), writer


def _read_leniently(
    chunks: Callable[[], Iterator[bytes]], encoding: str, header: Header, target: Target[Writer] | None
) -> tuple[CsvContent, Writer | None]:
    columns: tuple[str, ...] = ()
    for group_rows in (GROUP_ROWS, SMALL_GROUP_ROWS):
        try:
            reader = LenientReader(chunks(), encoding, header.records_before)
            columns = reader.columns
            return _read(reader, chunks, encoding, target, MAX_LENIENT_BYTES, group_rows)
        except Malformed as error:
            return CsvContent(columns, None, {"malformed": str(error)}), None
        except TooCostly as error:
            return _too_costly(columns, error)
        except Refused:
            continue
    content, _ = _read_leniently(chunks, encoding, header, None)
    return content.with_notes({"noTable": "rows that are too long"}), None


def _too_costly(columns: tuple[str, ...], error: TooCostly) -> tuple[CsvContent, None]:
    return CsvContent(columns, None, {"noTable": str(error)}), None


def _read(
    reader: CsvReader,
    again: Callable[[], Iterator[bytes]],
    encoding: str,
    target: Target[Writer] | None,
    max_bytes: int,
    group_rows: int,
) -> tuple[CsvContent, Writer | None]:
    written, writer = Written(), None
    if target is None:
        for batch in reader.batches():
            written.rows += batch.rows
            written.ragged += batch.ragged
    else:
        with suppress(_Discarded), target.open() as sink:
            written = write_table(
                reader, target.columns, target.origin, sink, max_bytes=max_bytes, group_rows=group_rows
            )
            if written.too_large:
                raise _Discarded
            writer = sink
    may_span_lines = reader.marks.may_span_lines(written.rows + 1) and reader.bytes_read <= MAX_LENIENT_BYTES
    notes = {
        "ragged": written.ragged,
        "suspiciousQuote": suspicious_quote(again(), encoding) if may_span_lines else None,
        "notOfType": dict(written.not_of_type),
        "noTable": written.too_large,
    }
    return CsvContent(reader.columns, written.rows).with_notes(notes), writer
