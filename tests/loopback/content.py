"""Files of any size that exist only where they are looked at: any range can be served and checked from 16 MiB."""

import random
import zlib
from functools import cache
from typing import Protocol

BEGINNING = b"agentId,hostName\n"
PERIOD = 8 * 1024 * 1024 + 12_289
"""Not a multiple of any size of part: a part that lands in the wrong place has the wrong bytes."""


class Bytes(Protocol):
    """What a server sends: ``bytes``, or what stands for more of them than memory holds."""

    def __len__(self) -> int: ...
    def __getitem__(self, wanted: slice, /) -> bytes | memoryview: ...


class Content:
    """``size`` random bytes that begin as a CSV does; a shorter file of the same ``seed`` is its beginning."""

    def __init__(self, seed: int, size: int) -> None:
        self._twice = _twice(seed)
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, wanted: slice) -> memoryview:
        """At most ``PERIOD`` bytes; they are not copied."""
        first, end, _ = wanted.indices(self._size)
        begin = first % PERIOD
        return self._twice[begin : begin + min(PERIOD, end - first)]

    def crc32(self, first: int, end: int) -> int:
        """Of the bytes from ``first`` up to ``end``."""
        crc32 = 0
        for at in range(first, end, PERIOD):
            crc32 = zlib.crc32(self[at : min(at + PERIOD, end)], crc32)
        return crc32


@cache
def _twice(seed: int) -> memoryview:
    block = BEGINNING + random.Random(seed).randbytes(PERIOD - len(BEGINNING))
    return memoryview(block + block)
