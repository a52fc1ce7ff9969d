"""CRC-32 of an object from the CRC-32 of its parts."""

import binascii
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.s3.crc32 import crc32_combine, crc32_of_parts, from_base64, to_base64


@given(st.lists(st.binary(max_size=300), max_size=12))
def test_checksums_of_parts_combine_into_the_checksum_of_the_object(pieces: list[bytes]) -> None:
    combined = crc32_of_parts((zlib.crc32(piece), len(piece)) for piece in pieces)

    assert combined == zlib.crc32(b"".join(pieces))


@given(st.binary(max_size=50), st.integers(0, 200_000))
def test_zeros_of_any_length_can_be_appended(head: bytes, zeros: int) -> None:
    tail = bytes(zeros)

    assert crc32_combine(zlib.crc32(head), zlib.crc32(tail), zeros) == zlib.crc32(head + tail)


def test_order_matters() -> None:
    parts = [(zlib.crc32(piece), len(piece)) for piece in (b"one", b"two", b"three")]

    assert len({crc32_of_parts(order) for order in itertools.permutations(parts)}) == 6


def test_five_tebibytes_combine_quickly() -> None:
    size = 525 * 1024 * 1024

    combined = crc32_of_parts((number * 7919, size) for number in range(10_000))

    assert 0 <= combined < 2**32


@given(st.integers(0, 2**32 - 1))
def test_base64_form_is_that_of_s3(crc: int) -> None:
    assert len(to_base64(crc)) == 8
    assert from_base64(to_base64(crc)) == crc


def test_base64_form_of_a_known_checksum() -> None:
    assert to_base64(zlib.crc32(b"123456789")) == "y/Q5Jg=="


@pytest.mark.parametrize("text", ["not base64!", "iG/Cbg==-2"])
def test_invalid_base64_is_an_error(text: str) -> None:
    with pytest.raises(binascii.Error):
        from_base64(text)
