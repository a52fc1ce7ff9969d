"""Files of any size, made on demand: any range is served and checked from 16 MiB of memory."""

import random
import zlib
from functools import cache
from typing import Protocol

BEGINNING = b"agentId,hostName\n"
PERIOD = 8 * 1024 * 1024 + 12_289
"""Bytes. Not a multiple of any part size, so that a part at a wrong offset has wrong bytes."""


class Bytes(Protocol):
    """The body that a server sends: ``bytes``, or ``Content`` that does not fit into memory."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes | memoryview: ...


class Content:
    """``size`` random bytes after a CSV header. A shorter file with the same ``seed`` is a prefix of it."""

    def __init__(self, seed: int, size: int) -> None:
        self._data = _two_periods(seed)
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> memoryview:
        """At most ``PERIOD`` bytes, as a view without a copy."""
        first, end, _ = part.indices(self._size)
        begin = first % PERIOD
        return self._data[begin : begin + min(PERIOD, end - first)]

    def crc32(self, first: int, end: int) -> int:
        """CRC-32 of the bytes from ``first`` up to ``end``, exclusive."""
        crc32 = 0
        for at in range(first, end, PERIOD):
            crc32 = zlib.crc32(self[at : min(at + PERIOD, end)], crc32)
        return crc32


@cache
def _two_periods(seed: int) -> memoryview:
    block = BEGINNING + random.Random(seed).randbytes(PERIOD - len(BEGINNING))
    return memoryview(block + block)
