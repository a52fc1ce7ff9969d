"""CRC-32 in S3's notation, and the CRC-32 of a whole file from the CRC-32s of its parts."""

import base64
from collections.abc import Iterable
from functools import cache

_POLYNOMIAL = 0xEDB88320
"""CRC-32 of ISO 3309, bits reversed, as in zlib, zip and S3."""
_ONE = 1 << 31
"""The polynomial 1: the highest bit is the coefficient of x**0."""


def to_base64(crc: int) -> str:
    """A CRC-32 in S3's notation: base64 of four big-endian bytes."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def from_base64(text: str) -> int:
    return int.from_bytes(base64.b64decode(text, validate=True), "big")


def crc32_combine(first: int, second: int, second_size: int) -> int:
    """The CRC-32 of two concatenated pieces, from the CRC-32 of each and the size of the second in bytes.

    Appending n zero bytes to the first piece multiplies its CRC by x**(8n) modulo the polynomial, as in zlib's
    crc32_combine, which Python does not offer.
    """
    return _times(_shift(second_size), first) ^ second


def crc32_of_parts(parts: Iterable[tuple[int, int]]) -> int:
    """The CRC-32 of concatenated parts, each given as its CRC-32 and its size in bytes."""
    combined = 0
    for crc, size in parts:
        combined = crc32_combine(combined, crc, size)
    return combined


def _times(a: int, b: int) -> int:
    """The product of two polynomials modulo the CRC polynomial."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@cache
def _shift(size: int) -> int:
    """x**(8 * size) modulo the polynomial. A file has at most two part sizes, so few values are computed."""
    power, square = _ONE, _ONE >> 8
    while size:
        if size & 1:
            power = _times(power, square)
        square = _times(square, square)
        size >>= 1
    return power
