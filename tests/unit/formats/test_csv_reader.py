"""Rows and columns are those of the csv module of Python, for any bytes and any chunks."""

import csv
import io
from collections.abc import Iterator
from itertools import repeat

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exports.errors import Rejected
from exports.formats.csv_reader import HEADER_CHARACTERS, RECORD_BYTES, Table, read_table, sample_header
from exports.model import Reason
from tests.unit.builders import in_chunks, peak_memory

CELLS = st.text(st.sampled_from('ab,"\n\r\0é\ufeff '), max_size=6)
RECORDS = st.lists(st.lists(CELLS, max_size=4), max_size=6)
FRAGMENTS = st.lists(
    st.sampled_from([b"a", b",", b'"', b"\n", b"\r", b"\r\n", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\0"])
)


def read_by_csv_module(body: bytes) -> tuple[tuple[str, ...], int]:
    reader = csv.DictReader(io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", errors="replace", newline=""))
    return tuple(reader.fieldnames or ()), len(list(reader))


def table(body: bytes, *, chunk: int = 64 << 10) -> Table:
    return read_table(in_chunks(body, chunk))


@given(records=RECORDS, newline=st.sampled_from(["\n", "\r\n", "\r"]), bom=st.booleans(), chunk=st.integers(1, 9))
def test_bad_input_25_rows_and_columns_of_written_csv_are_those_of_python(
    records: list[list[str]], newline: str, bom: bool, chunk: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=newline).writerows(records)
    body = text.getvalue().encode("utf-8-sig" if bom else "utf-8")

    found = table(body, chunk=chunk)

    assert (found.columns, found.rows) == read_by_csv_module(body)


@given(fragments=FRAGMENTS, chunk=st.integers(1, 9))
@example(fragments=[b"a", b"\n", b'"', b"\n"], chunk=1)
def test_bad_input_25_rows_and_columns_of_any_bytes_are_those_of_python(fragments: list[bytes], chunk: int) -> None:
    body = b"".join(fragments)

    found = table(body, chunk=chunk)

    assert (found.columns, found.rows) == read_by_csv_module(body)


@pytest.mark.parametrize(
    ("body", "columns", "rows"),
    [
        (b"a,b\n1,2\n3,4\n", ("a", "b"), 2),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", ("a", "b"), 1),
        (b"a,b\n1,2", ("a", "b"), 1),
        (b'a,"b,c"\n"1\n\n2","say ""hi"""\n', ("a", "b,c"), 1),
        (b"a,b\n\n1,2\n\n", ("a", "b"), 1),
        (b"a,b\n1,\0\n", ("a", "b"), 1),
        (b"a\xff,b\n1,2\n", ("a\ufffd", "b"), 1),
        (b"a,b", ("a", "b"), 0),
        (b"a,b\n", ("a", "b"), 0),
        (b"", (), 0),
    ],
    ids=[
        "plain",
        "bom crlf",
        "no last newline",
        "quotes",
        "blank",
        "nul",
        "no utf-8",
        "header",
        "header line",
        "empty",
    ],
)
def test_bad_input_25_rows_are_counted(body: bytes, columns: tuple[str, ...], rows: int) -> None:
    assert table(body) == Table(columns, rows)


def test_bad_input_25_ragged_rows_are_counted_and_noted() -> None:
    assert table(b"a,b\n1\n1,2\n1,2,3\n") == Table(("a", "b"), 3, {"ragged": 2})


def test_bad_input_25_cell_above_the_limit_is_malformed_and_all_chunks_are_read() -> None:
    chunks = in_chunks(b'a,b\n1,"' + b"x" * 200_000 + b"\n" * 500_000, 1_000)

    found = read_table(chunks)

    assert (found.columns, found.rows) == (("a", "b"), None)
    assert "field larger than field limit" in str(found.notes["malformed"])
    assert next(chunks, None) is None


@pytest.mark.parametrize("filler", [b"x,", b'"a\nb",', b"\0,"], ids=["one line", "cells of two lines", "nul"])
def test_bad_input_25_endless_record_is_malformed_and_needs_little_memory(filler: bytes) -> None:
    chunk = filler * (64_000 // len(filler))
    chunks = iter([b"a,b\n1,2\n", *repeat(chunk, 500)])

    found: list[Table] = []

    peak = peak_memory(lambda: found.append(read_table(chunks)))

    assert found == [Table(("a", "b"), None, {"malformed": f"a record longer than {RECORD_BYTES} bytes"})]
    assert next(chunks, None) is None
    assert peak < 20 * RECORD_BYTES


def test_bad_input_25_huge_header_is_malformed() -> None:
    found = table(b"c," * HEADER_CHARACTERS + b"\n1,2\n")

    assert (found.columns, found.rows) == ((), None)


def test_long_records_that_end_are_counted() -> None:
    cells = ",".join("x" * 100_000 for _ in range(8))
    body = ("a,b,c,d,e,f,g,h\n" + f"{cells}\n" * 6).encode()

    assert table(body).rows == 6


def test_large_chunks_are_not_long_records() -> None:
    body = b"a,b\n" + b"1,2\n" * 1_000_000

    assert table(body, chunk=len(body)).rows == 1_000_000


def test_an_empty_chunk_is_not_the_end() -> None:
    assert read_table(iter([b"a,b\n", b"", b"1,2\n"])).rows == 1


def test_errors_of_the_chunks_are_raised() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a,b\n1,2\n"
        raise Rejected(Reason.CORRUPT, "bad CRC")

    with pytest.raises(Rejected):
        read_table(chunks())


@pytest.mark.parametrize(
    ("sample", "header"),
    [
        (b"\xef\xbb\xbfa,b\n1,2", ("a", "b")),
        (b"", ()),
        (b'"' + b"x" * 200_000, ()),
        (b"c," * HEADER_CHARACTERS, ()),
    ],
)
def test_header_is_read_from_a_sample(sample: bytes, header: tuple[str, ...]) -> None:
    assert sample_header(sample) == header
