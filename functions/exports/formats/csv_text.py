"""The text of a CSV: its encoding, its header, and its bytes as UTF-8.

The service writes UTF-8. Files that were edited by other programs may be UTF-16 or Windows-1252.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

SAMPLE_BYTES = 64 << 10
"""The bytes that the encoding and the header are read from."""
HEADER_CHARACTERS = 16 << 10
"""The longest known header has about 1,800. The limit exists because the manifest holds every file's header."""
CELL_CHARACTERS = 1 << 20
"""A longer cell makes a file malformed: a reader has to hold it in memory."""
UTF_8 = "utf-8"
WINDOWS_1252 = "windows-1252"
BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
ZERO_SHARE = 0.3
"""Text of ASCII letters in UTF-16 has a zero byte in each character. No text in another encoding has zero bytes."""

csv.field_size_limit(CELL_CHARACTERS)


@dataclass(frozen=True, slots=True)
class CsvContent:
    """The header of a CSV, and the number of records after it, None if it is malformed or no CSV.

    Notes: ``malformed``; ``ragged``, the number of rows with more or fewer cells than the header; ``encoding`` if it is
    not UTF-8; ``notOfType``, the number of cells that do not fit the type of their column, by header; ``noTable``, the
    reason; ``outsideTables`` if SQL does not see the table.
    """

    columns: tuple[str, ...] = ()
    rows: int | None = None
    notes: Mapping[str, object] = field(default_factory=dict)

    def with_note(self, name: str, note: str) -> "CsvContent":
        return replace(self, notes={**self.notes, name: note})


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
    """UTF-16 by its byte order mark or its zero bytes, else UTF-8, which may turn out to be wrong later."""
    if found := BYTE_ORDER_MARKS.get(sample[:2]):
        return found
    pairs = len(sample) // 2
    first, second = sample[: 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if pairs and first == 0 and second > ZERO_SHARE * pairs:
        return "utf-16-le"
    if pairs and second == 0 and first > ZERO_SHARE * pairs:
        return "utf-16-be"
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
    decoder = _Windows1252() if encoding == WINDOWS_1252 else codecs.getincrementaldecoder(encoding)("replace")
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


class _Windows1252(codecs.IncrementalDecoder):
    """Python's codec rejects the five bytes that Windows-1252 leaves undefined. As in browsers, they are the control
    characters with the same numbers: https://encoding.spec.whatwg.org/#windows-1252"""

    TABLE = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))

    def decode(self, data: bytes, final: bool = False) -> str:  # type: ignore[override]  # codecs has its own Buffer
        return codecs.charmap_decode(data, "strict", self.TABLE)[0]


def sample_header(sample: bytes) -> tuple[str, ...]:
    """The header in the first bytes of a file; empty if they contain no valid one."""
    text = b"".join(in_utf_8((sample,), encoding_of(sample))).decode(UTF_8, "replace")
    try:
        return checked_header(next((record for record in csv.reader(io.StringIO(text, newline="")) if record), []))
    except (csv.Error, Malformed):
        return ()


def checked_header(cells: Iterable[str]) -> tuple[str, ...]:
    """The header. Raises Malformed if it is too long."""
    columns = tuple(cells)
    size = sum(map(len, columns)) + len(columns)
    if size > HEADER_CHARACTERS:
        raise Malformed(f"a header of {size} characters; the limit is {HEADER_CHARACTERS}")
    return columns
