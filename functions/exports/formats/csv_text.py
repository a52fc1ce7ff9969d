"""The text of a CSV: its encoding, its header, and its bytes as UTF-8.

The service writes UTF-8. Files that were edited by other programs may be UTF-16 or Windows-1252.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

SAMPLE_BYTES = 64 << 10
"""The bytes that the encoding and the header are read from."""
HEADER_CHARACTERS = 16 << 10
"""The longest known header has about 1,800. The limit exists because the manifest holds every file's header."""
CELL_CHARACTERS = 1 << 20
"""A longer cell makes a file malformed: a reader has to hold it in memory."""
MAX_RECORDS_BEFORE_HEADER = 20
"""Records in front of a known header that are skipped: a title, the name of a program, the time of an export."""
UTF_8 = "utf-8"
UTF_8_WITH_MARK = "utf-8-sig"
"""What the notes call UTF-8 with a byte order mark."""
WINDOWS_1252 = "windows-1252"
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""That of UTF-32-LE begins with that of UTF-16-LE, so it is tried first."""
MARK = "\ufeff"
ZERO_SHARE = 0.3
"""Text of ASCII letters in UTF-16 has a zero byte in each character, at the same place. Text in another encoding has no
zero bytes, or has them at any place."""

csv.field_size_limit(CELL_CHARACTERS)


@dataclass(frozen=True, slots=True)
class CsvContent:
    """The header of a CSV, and the number of records after it, None if it was not read to its end, or is no CSV.

    Notes: ``malformed``; ``ragged``, the number of rows with more or fewer cells than the header; ``encoding`` if it is
    not UTF-8 without a byte order mark; ``linesBeforeHeader``, their number; ``suspiciousQuote``, the first line of a
    row with a quote that is not closed or ends in the middle of a cell, if there may be cells that span lines because
    of it; ``notOfType``, the number of cells that do not fit the type of their column, by header; ``noTable``, the
    reason; ``outsideTables`` if SQL does not see the table.
    """

    columns: tuple[str, ...] = ()
    rows: int | None = None
    notes: Mapping[str, object] = field(default_factory=dict)

    def with_notes(self, notes: Mapping[str, object]) -> "CsvContent":
        """With those of the notes that say something."""
        return replace(self, notes={**self.notes, **{name: note for name, note in notes.items() if note}})


@dataclass(frozen=True, slots=True)
class Header:
    """A header, and what is in front of it: records of a CSV, which are not blank, and lines, some of them blank."""

    columns: tuple[str, ...] = ()
    records_before: int = 0
    lines_before: int = 0


class Malformed(Exception):
    """The bytes are not a CSV that a reader with limited memory can read."""


def read_sample(chunks: Iterator[bytes]) -> bytes:
    """The first chunks, at least SAMPLE_BYTES together, or all."""
    sample = bytearray()
    for chunk in chunks:
        sample += chunk
        if len(sample) >= SAMPLE_BYTES:
            break
    return bytes(sample)


def encoding_of(sample: bytes) -> str:
    """UTF-16 or UTF-32 by its byte order mark, UTF-16 by its zero bytes, else UTF-8, which may turn out to be wrong."""
    for mark, found in BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            return found
    first, second = sample[::2].count(0), sample[1::2].count(0)
    if max(first, second) * 2 > ZERO_SHARE * len(sample) and min(first, second) * 2 < max(first, second):
        return "utf-16-le" if first < second else "utf-16-be"
    return UTF_8


def is_utf_8(chunks: Iterable[bytes]) -> bool:
    """Read all chunks, and return whether they are UTF-8 as a whole."""
    decoder = codecs.getincrementaldecoder(UTF_8)()
    valid = True
    for chunk in chunks:
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError:
            valid = False
            decoder.reset()
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        valid = False
    return valid


def in_utf_8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The text in ``encoding`` as UTF-8, without a byte order mark. Bytes in UTF-8 are not validated."""
    if encoding == UTF_8:
        yield from _without_mark(chunks)
        return
    if encoding == WINDOWS_1252:
        # A program can write a mark of UTF-8 and then text in another encoding.
        yield from (_windows_1252(chunk) for chunk in _without_mark(chunks))
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    texts = (decoder.decode(chunk).encode(UTF_8) for chunk in chunks)
    yield from _without_mark(texts)
    yield decoder.decode(b"", final=True).encode(UTF_8)


def _without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    start = b""
    rest = iter(chunks)
    for chunk in rest:
        start += chunk
        if len(start) >= len(codecs.BOM_UTF8):
            break
    yield start.removeprefix(codecs.BOM_UTF8)
    yield from rest


_WINDOWS_1252_TABLE = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
"""Python's codec rejects the five bytes that Windows-1252 leaves undefined. As in browsers, they are the control
characters with the same numbers: https://encoding.spec.whatwg.org/#windows-1252"""


def _windows_1252(chunk: bytes) -> bytes:
    return codecs.charmap_decode(chunk, "strict", _WINDOWS_1252_TABLE)[0].encode(UTF_8)


def find_header(sample: bytes, is_known: Callable[[Sequence[str]], bool] = lambda columns: False) -> Header:
    """The header in the first bytes of a file; an empty one if they contain no valid one.

    It is the first of the first records that ``is_known``; without one, the first record that is not blank and does not
    name the delimiter, as ``sep=,`` does in files of Excel; without that, the first record.
    """
    text = b"".join(in_utf_8((sample,), encoding_of(sample))).decode(UTF_8, "replace")
    reader = csv.reader(io.StringIO(text, newline=""))
    first, records, lines = Header(), 0, 0
    blank = True
    try:
        for record in reader:
            if record:
                columns = checked_header(record)
                found = Header(columns, records, lines)
                if is_known(columns):
                    return found
                if blank and (not records or not _is_blank(columns)):
                    first, blank = found, _is_blank(columns)
                records += 1
            if records > MAX_RECORDS_BEFORE_HEADER:
                break
            lines = reader.line_num
    except (csv.Error, Malformed):
        pass
    return first


def _is_blank(record: Sequence[str]) -> bool:
    """Whether a record has nothing but spaces, or names the delimiter."""
    text = "".join(record).strip()
    return not text or (text.lower().startswith("sep=") and len(record) <= 2)


def checked_header(cells: Iterable[str]) -> tuple[str, ...]:
    """The header, without byte order marks. Raises Malformed if it is too long."""
    columns = tuple(cells)
    if columns and columns[0].startswith(MARK):
        # After a first mark or blank lines, a mark is in front of the quotes of the first cell, which then are text.
        columns = (columns[0].lstrip(MARK).strip('"'), *columns[1:])
    size = sum(map(len, columns)) + len(columns)
    if size > HEADER_CHARACTERS:
        raise Malformed(f"a header of {size} characters; the limit is {HEADER_CHARACTERS}")
    return columns
