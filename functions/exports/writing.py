"""Writing a stream of unknown length as one object, whole or not at all, in little memory."""

import io
from typing import Protocol

from exports.uploads import LARGEST_OBJECT, MIB, MOST_PARTS, Part

FIRST_PART = 8 * MIB
STEADY_PARTS = 5_000
"""Parts that are sent before they begin to grow: 40 GiB in parts of 8 MiB, more than a function carries in its life."""


class Uploads(Protocol):
    """What a writer needs of the bucket."""

    def put_once(self, key: str, body: bytes) -> None: ...
    def begin(self, key: str) -> str: ...
    def put_buffer(self, key: str, upload_id: str, number: int, buffer: io.BytesIO) -> Part: ...
    def complete(self, key: str, upload_id: str, parts: list[Part], size: int) -> None: ...
    def abort(self, key: str, upload_id: str) -> None: ...


def buffered_part_size(number: int) -> int:
    """Bytes at which part ``number`` is sent: 5 TiB fit into 10,000 parts although nobody said how much comes."""
    if number <= STEADY_PARTS:
        return FIRST_PART
    rest = MOST_PARTS - STEADY_PARTS
    slope = 2 * (LARGEST_OBJECT - FIRST_PART * MOST_PARTS) // (rest * rest)
    return FIRST_PART + slope * (number - STEADY_PARTS)


class Writer:
    """Gathers what is written into parts. Up to 8 MiB become one PutObject; more becomes a multipart upload."""

    def __init__(self, uploads: Uploads, key: str) -> None:
        self.key = key
        self.size = 0
        self._uploads = uploads
        self._buffer = io.BytesIO()
        self._upload_id = ""
        self._parts: list[Part] = []

    def write(self, data: bytes) -> None:
        self._buffer.write(data)
        self.size += len(data)
        if self._buffer.tell() >= buffered_part_size(len(self._parts) + 1):
            self._send()

    def finish(self) -> None:
        """Make the object visible. Called by ``Archive.writer`` when its block ends well."""
        if not self._parts:
            self._uploads.put_once(self.key, self._buffer.getvalue())
            return
        if self._buffer.tell():
            self._send()
        self._uploads.complete(self.key, self._upload_id, self._parts, self.size)

    def abort(self) -> None:
        """Let go of everything written."""
        if self._upload_id:
            self._uploads.abort(self.key, self._upload_id)

    def _send(self) -> None:
        if not self._upload_id:
            self._upload_id = self._uploads.begin(self.key)
        number = len(self._parts) + 1
        self._parts.append(self._uploads.put_buffer(self.key, self._upload_id, number, self._buffer))
        self._buffer.seek(0)
        self._buffer.truncate()
