"""Writes a stream of unknown length as one object, completely or not at all, in constant memory."""

import io
from typing import TYPE_CHECKING

from exports.s3.multipart import SMALL_FILE_BYTES, Part, PendingUpload

if TYPE_CHECKING:
    from exports.s3.bucket import Bucket


class ObjectWriter:
    """Collects written bytes into parts of 8 MiB. Fewer bytes become one PutObject, more a multipart upload.

    S3 allows 10,000 parts: 84 GB, more than an invocation can write in its time.
    """

    def __init__(self, bucket: "Bucket", key: str) -> None:
        self.key = key
        self.size = 0
        self._bucket = bucket
        self._buffer = io.BytesIO()
        self._upload_id = ""
        self._replaces = ""
        self._parts: list[Part] = []

    def write(self, data: bytes) -> None:
        self._buffer.write(data)
        self.size += len(data)
        if self._buffer.tell() >= SMALL_FILE_BYTES:
            self._upload_part()

    def finish(self) -> None:
        """Make the object visible. ``Bucket.writer`` calls this when its block ends without an error."""
        if not self._parts:
            self._bucket.put_once(self.key, self._buffer.getvalue())
            return
        if self._buffer.tell():
            self._upload_part()
        self._bucket.complete(self.key, self._upload_id, self._parts, self.size, self._replaces)

    def abort(self) -> None:
        """Discard everything written."""
        if self._upload_id:
            self._bucket.abort(self.key, self._upload_id)

    def _upload_part(self) -> None:
        if not self._upload_id:
            self._replaces = self._bucket.etag(self.key) if self._bucket.overwrite else ""
            self._upload_id = self._bucket.create_upload(self.key)
        number = len(self._parts) + 1
        self._parts.append(self._bucket.put_buffer(self.key, self._upload_id, number, self._buffer))
        self._buffer.seek(0)
        self._buffer.truncate()


class PendingObjectWriter(ObjectWriter):
    """Writes a stream of any length as a multipart upload that is not completed: nothing is visible."""

    upload: PendingUpload
    """Set by ``finish``."""

    def finish(self) -> None:
        """Upload the rest. ``Bucket.pending_writer`` calls this when its block ends without an error."""
        if self._buffer.tell():
            self._upload_part()
        self.upload = PendingUpload(self.key, self._upload_id, tuple(self._parts), self.size)
