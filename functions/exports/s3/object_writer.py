"""Writes a stream of unknown length as one object, completely or not at all, in constant memory."""

import io
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from exports.s3.multipart import SMALL_FILE_BYTES, Part, PendingUpload

if TYPE_CHECKING:
    from exports.s3.bucket import Bucket


class ObjectWriter:
    """Collects written bytes into parts of 8 MiB. Fewer bytes become one PutObject, more a multipart upload.

    A thread uploads a part while the next one is collected: reading needs the CPU, uploading the network. An error of a
    part is raised when the next one is complete, or at the end.

    S3 allows 10,000 parts: 84 GB, more than an invocation can write in its time.
    """

    def __init__(self, bucket: "Bucket", key: str) -> None:
        self.key = key
        self.size = 0
        self._bucket = bucket
        self._buffer = io.BytesIO()
        self._upload_id = ""
        self._replaces = ""
        self._parts: list[Future[Part]] = []
        self._uploader: ThreadPoolExecutor | None = None

    def write(self, data: bytes) -> None:
        self._buffer.write(data)
        self.size += len(data)
        if self._buffer.tell() >= SMALL_FILE_BYTES:
            self._upload_part()

    def finish(self) -> None:
        """Make the object visible. ``Bucket.writer`` calls this when its block ends without an error."""
        if not self._parts:
            self._bucket.put_or_verify(self.key, self._buffer.getvalue())
            return
        self._bucket.complete(self.key, self._upload_id, self._all_parts(), self.size, self._replaces)

    def abort(self) -> None:
        """Discard everything written."""
        self._end_uploader()
        if self._upload_id:
            self._bucket.abort(self.key, self._upload_id)

    def _upload_part(self) -> None:
        """Start the upload of the buffer, after that of the part before: two parts are in memory."""
        if self._uploader is None:
            self._replaces = self._bucket.etag(self.key) if self._bucket.overwrite else ""
            self._upload_id = self._bucket.create_upload(self.key)
            self._uploader = ThreadPoolExecutor(max_workers=1)
        if self._parts:
            self._parts[-1].result()
        number = len(self._parts) + 1
        upload = self._uploader.submit(self._bucket.put_buffer, self.key, self._upload_id, number, self._buffer)
        self._parts.append(upload)
        self._buffer = io.BytesIO()

    def _all_parts(self) -> list[Part]:
        """All parts, after the rest is uploaded."""
        if self._buffer.tell():
            self._upload_part()
        parts = [part.result() for part in self._parts]
        self._end_uploader()
        return parts

    def _end_uploader(self) -> None:
        if self._uploader is not None:
            self._uploader.shutdown()


class PendingObjectWriter(ObjectWriter):
    """Writes a stream of any length as a multipart upload that is not completed: nothing is visible."""

    upload: PendingUpload
    """Set by ``finish``."""

    def finish(self) -> None:
        """Upload the rest. ``Bucket.pending_writer`` calls this when its block ends without an error."""
        parts = self._all_parts()
        self.upload = PendingUpload(self.key, self._upload_id, tuple(parts), self.size)
