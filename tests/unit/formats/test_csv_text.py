"""The encoding and the header of a CSV, and its text as UTF-8."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.formats.csv_text import (
    CELL_CHARACTERS,
    HEADER_CHARACTERS,
    SAMPLE_BYTES,
    UTF_8,
    WINDOWS_1252,
    encoding_of,
    find_header,
    in_utf_8,
    is_utf_8,
    read_sample,
)
from tests.unit.builders import in_chunks

HEADER = "agentId,hostName,größe\r\n"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (HEADER.encode(), UTF_8),
        (HEADER.encode("utf-8-sig"), UTF_8),
        (HEADER.encode("cp1252"), UTF_8),
        (HEADER.encode("utf-16"), "utf-16-le"),
        (HEADER.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + HEADER.encode("utf-16-be"), "utf-16-be"),
        (HEADER.encode("utf-16-be"), "utf-16-be"),
        ((HEADER + "Ā,一,\u3000\n" * 3).encode("utf-16-le"), "utf-16-le"),
        ((HEADER + "Ā,一,\u3000\n" * 3).encode("utf-16-be"), "utf-16-be"),
        ((HEADER + "a,\0\n").encode("utf-16-le"), "utf-16-le"),
        ((HEADER + "サーバ,東京\n" * 9).encode("utf-16-be") + b"\0", "utf-16-be"),
        (b"a,b\n1,\0\n", UTF_8),
        (b"a,b\n" + b"1,\0\0\n" * 1_000, UTF_8),
        (b"a,b\n" + bytes(1_000), UTF_8),
        (b"", UTF_8),
        (b"a", UTF_8),
    ],
)
def test_bad_input_35_utf_16_is_detected(body: bytes, encoding: str) -> None:
    assert encoding_of(body) == encoding


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", WINDOWS_1252, UTF_8])
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_bad_input_35_text_in_any_encoding_and_chunks_is_the_same_in_utf_8(encoding: str, chunk: int) -> None:
    body = HEADER.encode(encoding)

    assert b"".join(in_utf_8(in_chunks(body, chunk), encoding)) == HEADER.encode()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", UTF_8])
@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_bad_input_35_a_byte_order_mark_is_no_part_of_the_text(encoding: str, chunk: int) -> None:
    body = ("\ufeff" + HEADER).encode(encoding)

    assert b"".join(in_utf_8(in_chunks(body, chunk), encoding)) == HEADER.encode()


def test_bad_input_35_every_byte_is_a_character_of_windows_1252() -> None:
    text = b"".join(in_utf_8([bytes(range(256))], WINDOWS_1252)).decode()

    assert len(text) == len(set(text)) == 256
    assert text[0x80] == "€"
    assert text[0x81] == "\x81"


@given(body=st.binary(max_size=12) | st.text(max_size=6).map(str.encode), chunk=st.integers(1, 4))
def test_bad_input_35_validity_of_utf_8_does_not_depend_on_chunks(body: bytes, chunk: int) -> None:
    try:
        body.decode()
        valid = True
    except UnicodeDecodeError:
        valid = False

    assert is_utf_8(in_chunks(body, chunk)) is valid


def test_all_chunks_are_read_to_find_out_whether_they_are_utf_8() -> None:
    chunks = iter([b"\xff", b"a", b"b"])

    assert is_utf_8(chunks) is False
    assert next(chunks, None) is None


def test_a_sample_has_whole_chunks() -> None:
    chunks = in_chunks(bytes(3 * SAMPLE_BYTES), SAMPLE_BYTES - 1)

    assert len(read_sample(chunks)) == 2 * (SAMPLE_BYTES - 1)
    assert len(b"".join(chunks)) == SAMPLE_BYTES + 2


@pytest.mark.parametrize(
    ("sample", "header"),
    [
        (b"\xef\xbb\xbfa,b\n1,2", ("a", "b")),
        (b"\r\n\na,b\n", ("a", "b")),
        ("größe,b\r\n1,2".encode("utf-16"), ("größe", "b")),
        (b"a\xff,b\n1,2\n", ("a\ufffd", "b")),
        (b"", ()),
        (b"\n\n", ()),
        (b'"' + b"x" * (CELL_CHARACTERS + 1), ()),
        (b"c," * HEADER_CHARACTERS, ()),
    ],
)
def test_header_is_read_from_a_sample(sample: bytes, header: tuple[str, ...]) -> None:
    assert find_header(sample).columns == header
