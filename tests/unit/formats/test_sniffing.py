"""Detection of file types from the bytes, and of complete zip files."""

import gzip
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.formats.sniffing import extension, is_error_page
from exports.formats.zip_reader import ZipEnd
from tests.unit.builders import in_chunks, zipped


def zip_of(members: int = 1, *, comment: bytes = b"") -> bytes:
    return zipped(
        {f"{number}.csv": bytes(100) for number in range(members)}, method=zipfile.ZIP_STORED, comment=comment
    )


def is_complete_zip(body: bytes, step: int = 1000) -> bool:
    end = ZipEnd()
    for chunk in in_chunks(body, step):
        end.update(chunk)
    return end.is_complete()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (zip_of(), "zip"),
        (zip_of(0), "zip"),
        (gzip.compress(b"a,b\n", mtime=0), "csv.gz"),
        (b"a,b\n", "csv"),
        (b"PK,name\n", "csv"),
        (b"PK\7\x08" + zip_of(), "zip"),
        (b"PK00" + zip_of(), "zip"),
        (b"PK00,name\n", "csv"),
        (b"P", "csv"),
    ],
)
def test_extension_is_detected_from_the_first_bytes(head: bytes, name: str) -> None:
    assert extension(head) == name


@pytest.mark.parametrize("head", [b"<html>", b"\xef\xbb\xbf\r\n <!DOCTYPE HTML>", b"<?xml version='1.0'?>", b"<Error>"])
def test_error_pages_are_detected(head: bytes) -> None:
    assert is_error_page(head)


@pytest.mark.parametrize("head", [b"", b"a<html>,b\n", b"<5,>5\n", zip_of(), b"\xef\xbb\xbfagentId,name\n"])
def test_other_content_is_no_error_page(head: bytes) -> None:
    assert not is_error_page(head)


@given(st.integers(0, 300), st.binary(max_size=400), st.integers(1, 5000))
def test_complete_zip_is_detected(members: int, comment: bytes, step: int) -> None:
    assert is_complete_zip(zip_of(members, comment=comment), step)


def test_complete_zip_with_the_longest_comment_is_detected() -> None:
    assert is_complete_zip(zip_of(comment=b"c" * 65_535))


@given(st.integers(1, 20_000))
def test_incomplete_zip_is_detected(missing: int) -> None:
    body = zip_of(120)

    assert not is_complete_zip(body[: -min(missing, len(body))])


def test_zip_with_bytes_before_or_after_it_is_not_complete() -> None:
    assert not is_complete_zip(zip_of() + b"x")
    assert not is_complete_zip(b"x" + zip_of())


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("marker", [b"PK\7\x08", b"PK00"])
def test_contents_02_a_zip_with_the_marker_of_a_split_file_is_complete(marker: bytes, step: int) -> None:
    assert is_complete_zip(marker + zip_of(), step)
    assert not is_complete_zip(marker + zip_of()[:-1], step)
    assert not is_complete_zip(marker + b"x" + zip_of(), step)


def test_contents_02_a_stream_that_ends_after_an_inner_zip_is_not_complete() -> None:
    inner = zip_of()
    outer = zipped({"inner.zip": inner, "b.csv": b"x"}, method=zipfile.ZIP_STORED)

    assert not is_complete_zip(outer[: outer.find(inner) + len(inner)])


def test_complete_zip64_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    body = zip_of(3)

    assert b"PK\x06\x06" in body
    assert is_complete_zip(body)
    assert not is_complete_zip(body[100:])


def test_complete_zip64_with_a_directory_after_4_gb_is_detected() -> None:
    end = ZipEnd()
    for _ in range(17):
        end.update(bytes(256 * 1024 * 1024))
    start = 17 * 256 * 1024 * 1024
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(28) + bytes(8) + start.to_bytes(8, "little")
    locator = b"PK\x06\x07" + bytes(4) + start.to_bytes(8, "little") + (1).to_bytes(4, "little")
    end.update(record + locator + b"PK\x05\x06" + b"\xff" * 16 + bytes(2))

    assert end.is_complete()
