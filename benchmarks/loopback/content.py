"""The bytes of every file that is copied: from a seed, so that any range can be served and checked from memory."""

import random
import zlib
from collections.abc import Iterator

BEGINNING = b"agentId,hostName\n"
PERIOD = 8 * 1024 * 1024 + 12_289
"""Not a multiple of any size of part: a part that lands in the wrong place has the wrong bytes."""


class Content:
    """An endless file of random bytes that begins as a CSV does; a file of n bytes is its first n."""

    def __init__(self, seed: int) -> None:
        block = BEGINNING + random.Random(seed).randbytes(PERIOD - len(BEGINNING))  # noqa: S311 - no secret
        self._twice = memoryview(block + block)

    def pieces(self, first: int, end: int, most: int) -> Iterator[memoryview]:
        """Bytes ``first`` up to ``end`` in pieces of at most ``most`` bytes, none of them copied."""
        for at in range(first, end, most):
            begin = at % PERIOD
            yield self._twice[begin : begin + min(most, end - at)]

    def crc32(self, first: int, end: int) -> int:
        crc32 = 0
        for piece in self.pieces(first, end, PERIOD):
            crc32 = zlib.crc32(piece, crc32)
        return crc32
