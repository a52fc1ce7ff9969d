"""Writing a stream of unknown length as one object, whole or not at all, in little memory."""

import io
from typing import TYPE_CHECKING

from exports.s3.multipart import SMALL, Part

if TYPE_CHECKING:
    from exports.s3.bucket import Bucket


class ObjectWriter:
    """Gathers what is written into parts of 8 MiB. Less becomes one PutObject, more a multipart upload.

    S3 takes 10,000 parts: 84 GB, which is more than a function carries in its life.
    """

    def __init__(self, bucket: "Bucket", key: str) -> None:
        self.key = key
        self.size = 0
        self._bucket = bucket
        self._buffer = io.BytesIO()
        self._upload_id = ""
        self._parts: list[Part] = []

    def write(self, data: bytes) -> None:
        self._buffer.write(data)
        self.size += len(data)
        if self._buffer.tell() >= SMALL:
            self._send()

    def finish(self) -> None:
        """Make the object visible. Called by ``Archive.writer`` when its block ends well."""
        if not self._parts:
            self._bucket.put_once(self.key, self._buffer.getvalue())
            return
        if self._buffer.tell():
            self._send()
        self._bucket.complete(self.key, self._upload_id, self._parts, self.size)

    def abort(self) -> None:
        """Let go of everything written."""
        if self._upload_id:
            self._bucket.abort(self.key, self._upload_id)

    def _send(self) -> None:
        if not self._upload_id:
            self._upload_id = self._bucket.begin(self.key)
        number = len(self._parts) + 1
        self._parts.append(self._bucket.put_buffer(self.key, self._upload_id, number, self._buffer))
        self._buffer.seek(0)
        self._buffer.truncate()
