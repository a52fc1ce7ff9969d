"""What bytes are, told from the bytes."""

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


def ends_whole(body: bytes, step: int = 1000) -> bool:
    end = ZipEnd()
    for chunk in in_chunks(body, step):
        end.update(chunk)
    return end.whole()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (zip_of(), "zip"),
        (zip_of(0), "zip"),
        (gzip.compress(b"a,b\n", mtime=0), "csv.gz"),
        (b"a,b\n", "csv"),
        (b"PK,name\n", "csv"),
        (b"P", "csv"),
    ],
)
def test_extension_is_told_from_the_first_bytes(head: bytes, name: str) -> None:
    assert extension(head) == name


@pytest.mark.parametrize("head", [b"<html>", b"\xef\xbb\xbf\r\n <!DOCTYPE HTML>", b"<?xml version='1.0'?>", b"<Error>"])
def test_error_pages(head: bytes) -> None:
    assert is_error_page(head)


@pytest.mark.parametrize("head", [b"", b"a<html>,b\n", b"<5,>5\n", zip_of(), b"\xef\xbb\xbfagentId,name\n"])
def test_no_error_pages(head: bytes) -> None:
    assert not is_error_page(head)


@given(st.integers(0, 300), st.binary(max_size=400), st.integers(1, 5000))
def test_whole_zip_ends_whole(members: int, comment: bytes, step: int) -> None:
    assert ends_whole(zip_of(members, comment=comment), step)


def test_longest_comment() -> None:
    assert ends_whole(zip_of(comment=b"c" * 65_535))


@given(st.integers(1, 20_000))
def test_zip_cut_anywhere_does_not(missing: int) -> None:
    body = zip_of(120)

    assert not ends_whole(body[: -min(missing, len(body))])


def test_zip_with_bytes_behind_or_before_it_does_not() -> None:
    assert not ends_whole(zip_of() + b"x")
    assert not ends_whole(b"x" + zip_of())


def test_zip64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    body = zip_of(3)

    assert b"PK\x06\x06" in body
    assert ends_whole(body)
    assert not ends_whole(body[100:])


def test_zip64_whose_directory_lies_behind_four_gigabytes() -> None:
    end = ZipEnd()
    for _ in range(17):
        end.update(bytes(256 * 1024 * 1024))
    start = 17 * 256 * 1024 * 1024
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(28) + bytes(8) + start.to_bytes(8, "little")
    locator = b"PK\x06\x07" + bytes(4) + start.to_bytes(8, "little") + (1).to_bytes(4, "little")
    end.update(record + locator + b"PK\x05\x06" + b"\xff" * 16 + bytes(2))

    assert end.whole()
