"""Rows and columns are those of the csv module of Python, for any bytes and any chunks, by both readers."""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exports.errors import Rejected
from exports.formats import csv_reader
from exports.formats.csv_reader import BATCH_ROWS, MAX_CELLS, LenientReader, Refused, StrictReader
from exports.formats.csv_text import CELL_CHARACTERS, HEADER_CHARACTERS, MARK, UTF_8, Malformed, find_header
from exports.model import Reason
from tests.unit.builders import in_chunks, peak_memory

CELLS = st.text(st.sampled_from('ab,"\n\r\0é\ufeff '), max_size=6)
RECORDS = st.lists(st.lists(CELLS, max_size=4), max_size=6)
FRAGMENTS = st.lists(
    st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\r\n", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\0"])
)
Rows = list[tuple[str, ...]]


def by_csv_module(body: bytes) -> tuple[tuple[str, ...], Rows]:
    """Header and rows, without byte order marks; missing cells of a row are empty."""
    text = io.StringIO(body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace"), newline="")
    records = [tuple(record) for record in csv.reader(text) if record]
    header = records[0] if records else ()
    if header and header[0].startswith(MARK):
        header = (header[0].lstrip(MARK).strip('"'), *header[1:])
    return header, [record + ("",) * (len(header) - len(record)) for record in records[1:]]


def rows_of(reader: StrictReader | LenientReader) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = []
    for batch in reader.batches():
        columns = [[cell or "" for cell in column.to_pylist()] for column in batch.columns]
        assert {len(column) for column in columns} <= {batch.rows}
        for index in range(batch.rows):
            rows.append((*(column[index] for column in columns), *batch.beyond.get(index, ())))
    return reader.columns, rows


def strict(body: bytes, *, chunk: int = 64 << 10) -> StrictReader:
    return StrictReader(body[: 64 << 10], in_chunks(body, chunk), UTF_8, find_header(body[: 64 << 10]))


def lenient(body: bytes, *, chunk: int = 64 << 10) -> LenientReader:
    return LenientReader(in_chunks(body, chunk), UTF_8)


@given(records=RECORDS, newline=st.sampled_from(["\n", "\r\n", "\r"]), bom=st.booleans(), chunk=st.integers(1, 9))
def test_bad_input_25_rows_of_written_csv_are_those_of_python(
    records: list[list[str]], newline: str, bom: bool, chunk: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=newline).writerows(records)
    body = text.getvalue().encode("utf-8-sig" if bom else "utf-8")

    assert rows_of(lenient(body, chunk=chunk)) == by_csv_module(body)


@given(fragments=FRAGMENTS, chunk=st.integers(1, 9))
@example(fragments=[b"a", b"\n", b'"', b"\n"], chunk=1)
def test_bad_input_25_rows_of_any_bytes_are_those_of_python(fragments: list[bytes], chunk: int) -> None:
    body = b"".join(fragments)

    assert rows_of(lenient(body, chunk=chunk)) == by_csv_module(body)


@given(
    width=st.integers(1, 3),
    cells=st.lists(CELLS, max_size=12),
    fragments=FRAGMENTS,
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    chunk=st.integers(1, 9),
)
def test_bad_input_25_the_strict_reader_reads_the_same_rows_or_refuses(
    width: int, cells: list[str], fragments: list[bytes], newline: str, chunk: int
) -> None:
    text = io.StringIO(newline="")
    rows = [cells[at : at + width] for at in range(0, len(cells) - width + 1, width)]
    csv.writer(text, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"][:width], *rows])
    body = text.getvalue().encode() + b"".join(fragments)

    try:
        found = rows_of(strict(body, chunk=chunk))
    except Refused:
        assert fragments, "what Python writes is not refused"
    else:
        assert found == by_csv_module(body)


BOTH = pytest.mark.parametrize("read", [strict, lenient])


@BOTH
@pytest.mark.parametrize(
    ("body", "columns", "rows"),
    [
        (b"a,b\n1,2\n3,4\n", ("a", "b"), 2),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", ("a", "b"), 1),
        (b"a,b\n1,2", ("a", "b"), 1),
        (b'a,"b,c"\n"1\n\n2","say ""hi"""\n', ("a", "b,c"), 1),
        (b"a,b\n\n1,2\n\n", ("a", "b"), 1),
        (b"\n\na,b\n1,2\n", ("a", "b"), 1),
        (b"a,b\n1,\0\n", ("a", "b"), 1),
        (b"a,b", ("a", "b"), 0),
        (b"a,b\n", ("a", "b"), 0),
        (b"", (), 0),
        (b"a\n1\n2\n" + b"3\n" * (2 * BATCH_ROWS), ("a",), 2 * BATCH_ROWS + 2),
    ],
    ids=[
        "plain",
        "bom crlf",
        "no last newline",
        "quotes",
        "blank",
        "blank first",
        "nul",
        "header",
        "header line",
        "empty",
        "batches",
    ],
)
def test_bad_input_25_rows_are_counted(
    read: Callable[[bytes], StrictReader | LenientReader], body: bytes, columns: tuple[str, ...], rows: int
) -> None:
    reader = read(body)

    assert (reader.columns, sum(batch.rows for batch in reader.batches())) == (columns, rows)
    assert reader.bytes_read in (len(body), len(body) - 3)


@pytest.mark.parametrize("body", [b"a,b\n1\n", b"a,b\n1,2,3\n", b"a,b\n1,\xff\n", b"a\xff,b\n1,2\n"])
def test_bad_input_25_the_strict_reader_refuses_what_it_cannot_read(body: bytes) -> None:
    with pytest.raises(Refused):
        rows_of(strict(body))


def test_bad_input_25_ragged_rows_are_counted() -> None:
    (batch,) = lenient(b"a,b\n1\n1,2\n1,2,3\n").batches()

    assert (batch.rows, batch.ragged, batch.beyond) == (3, 2, {2: ["3"]})


@BOTH
def test_bad_input_25_a_cell_above_the_limit_is_not_read(
    read: Callable[[bytes], StrictReader | LenientReader],
) -> None:
    with pytest.raises((Refused, Malformed)):
        rows_of(read(b"a,b\n1," + b"x" * (CELL_CHARACTERS + 1) + b"\n"))


@BOTH
def test_bad_input_25_a_cell_of_a_megabyte_is_read(read: Callable[[bytes], StrictReader | LenientReader]) -> None:
    cell = "x" * CELL_CHARACTERS

    assert rows_of(read(f"a,b\n1,{cell}\n".encode())) == (("a", "b"), [("1", cell)])


@pytest.mark.parametrize("filler", [b"x,", b'"a\nb",', b"\0,"], ids=["one line", "cells of two lines", "nul"])
def test_bad_input_25_endless_record_is_malformed_and_needs_little_memory(
    filler: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1 << 20
    monkeypatch.setattr(csv_reader, "MAX_BATCH_BYTES", limit)
    chunk = filler * (64_000 // len(filler))
    reader = LenientReader(iter([b"a,b\n1,2\n", *repeat(chunk, 500)]), UTF_8)

    def read() -> None:
        with pytest.raises(Malformed, match=f"a record longer than {limit} bytes"):
            rows_of(reader)

    assert peak_memory(read) < 30 * limit


def test_bad_input_25_a_record_of_too_many_cells_is_malformed() -> None:
    with pytest.raises(Malformed, match="cells"):
        rows_of(lenient(b"a\n" + b"," * (MAX_CELLS + 1)))


def test_bad_input_25_rows_that_become_much_longer_are_refused() -> None:
    body = b"a,b\n" + b"1,2\n" * 20_000 + (b"1," + b"x" * 10_000 + b"\n") * 2_000

    with pytest.raises(Refused, match="too long"):
        rows_of(strict(body))


def test_bad_input_25_huge_header_is_malformed() -> None:
    body = b"c," * HEADER_CHARACTERS + b"\n1,2\n"

    with pytest.raises(Malformed):
        lenient(body)
    with pytest.raises(Refused):
        rows_of(strict(body))


def test_long_records_that_end_are_read() -> None:
    cells = ",".join("x" * 100_000 for _ in range(8))
    body = ("a,b,c,d,e,f,g,h\n" + f"{cells}\n" * 6).encode()

    assert rows_of(strict(body)) == rows_of(lenient(body)) == by_csv_module(body)


@BOTH
def test_a_batch_has_a_limited_number_of_bytes(
    read: Callable[[bytes], StrictReader | LenientReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_reader, "BATCH_BYTES", 4_000)
    body = b"a,b\n" + (b"x" * 100 + b",2\n") * 1_000

    assert max(batch.rows for batch in read(body).batches()) <= 41


@BOTH
def test_contents_10_a_batch_has_a_limited_number_of_cells(
    read: Callable[[bytes], StrictReader | LenientReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_reader, "BATCH_CELLS", 4_000)
    body = b"a," * 999 + b"b\n" + (b"," * 999 + b"\n") * 50

    assert max(batch.rows for batch in read(body).batches()) <= 4


def test_an_empty_chunk_is_not_the_end() -> None:
    chunks = [b"a,b\n", b"", b"1,2\n"]

    assert rows_of(StrictReader(b"a,b\n", iter(chunks), UTF_8, find_header(b"a,b\n"))) == (("a", "b"), [("1", "2")])
    assert rows_of(LenientReader(iter(chunks), UTF_8)) == (("a", "b"), [("1", "2")])


def test_an_error_before_the_header_is_raised() -> None:
    def chunks() -> Iterator[bytes]:
        yield b""
        raise Rejected(Reason.CORRUPT, "bad CRC")

    with pytest.raises(Rejected):
        rows_of(StrictReader(b"", chunks(), UTF_8, find_header(b"")))


@pytest.mark.parametrize("rows", [1, 10, 30_000])
@pytest.mark.parametrize("error", [Rejected(Reason.CORRUPT, "bad CRC"), KeyboardInterrupt()])
def test_errors_of_the_chunks_are_raised_as_they_are(rows: int, error: BaseException) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a,b\n" + b"1,2\n" * rows + b"3"
        raise error

    for reader in (StrictReader(b"a,b\n", chunks(), UTF_8, find_header(b"a,b\n")), LenientReader(chunks(), UTF_8)):
        with pytest.raises(type(error)) as raised:
            rows_of(reader)
        assert raised.value is error
