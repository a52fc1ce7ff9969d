"""Copies a download to the bucket: in constant memory for any size, completely or not at all, and resumable.

A large file becomes one multipart upload, whose parts several workers copy in any order. ListParts is the source of
truth for finished parts, so a killed invocation loses only the parts in flight. Small files and sources without ranges
are copied as one stream.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from exports.download.download import CHUNK, FullBody, Probe
from exports.errors import Rejected, SourceChanged, SourceError
from exports.formats.sniffing import extension, is_error_page, is_zip
from exports.formats.zip_reader import ZipEnd
from exports.model import RawObject, Reason
from exports.retry import OutOfTime, RetryPolicy
from exports.runs import Unfinished
from exports.s3.crc32 import crc32_of_parts, from_base64, to_base64
from exports.s3.multipart import (
    MAX_OBJECT_SIZE,
    SMALL_FILE_BYTES,
    WORKERS,
    ObjectStore,
    Part,
    Upload,
    UploadGone,
    composite_checksum,
    part_size_for,
)
from exports.transfer.part_workers import PartCopier
from exports.transfer.range_reader import RangeReader, Source


class Unverified(SourceError):
    """A body without a declared length ended, and may be truncated."""


def copy(
    source: Source,
    target: ObjectStore,
    *,
    key: Callable[[str], str],
    known: Upload | None,
    save_progress: Callable[[Upload], None],
    retry_policy: RetryPolicy,
    workers: int = WORKERS,
    max_bytes: int = MAX_OBJECT_SIZE,
) -> RawObject | Unfinished:
    """Store the source's bytes at ``key(extension)``, complete and verified. Unfinished: the time ran out first.

    ``known`` is the last upload passed to ``save_progress`` for this export: it is resumed, or its object is accepted
    by its checksum if a killed invocation has completed it. No part is started if ``retry_policy.time_left()`` is less
    than the slowest part took. A part in flight when the time ends is cancelled.

    Raises Rejected if the source can never be stored, SourceError or ServiceError if a retry may succeed.
    """
    copying = _CopyTask(source, target, key, save_progress, retry_policy, workers, max_bytes)
    try:
        return copying.run(known)
    except (SourceChanged, UploadGone):
        # Only once: if the source or the object at the key keeps changing, a later invocation starts again.
        return copying.run(None)


@dataclass(frozen=True, slots=True)
class _CopyTask:
    source: Source
    target: ObjectStore
    key: Callable[[str], str]
    save_progress: Callable[[Upload], None]
    retry_policy: RetryPolicy
    workers: int
    max_bytes: int

    def run(self, known: Upload | None) -> RawObject | Unfinished:
        try:
            return self._resume(known) if known else self._start()
        except OutOfTime:
            return Unfinished()

    def _start(self) -> RawObject | Unfinished:
        probe = self.source.probe()
        self._check_probe(probe)
        key = self.key(extension(probe.head))
        if probe.size == len(probe.head):
            return self._write(key, [probe.head], probe.size)
        if not probe.ranges or probe.size is None:
            return self._stream(key, probe)
        if probe.size <= SMALL_FILE_BYTES:
            return self._write(key, self._read_small(probe, probe.size), probe.size)
        return self._start_upload(key, probe.etag, probe.size)

    def _check_probe(self, probe: Probe) -> None:
        if not probe.head:
            raise Rejected(Reason.CORRUPT, "the download is empty")
        if is_error_page(probe.head):
            raise Rejected(Reason.CORRUPT, "the download is an error page")
        self._check_size(probe.size or 0)

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise Rejected(Reason.TOO_LARGE, f"the download is larger than {self.max_bytes} bytes")

    def _start_upload(self, key: str, etag: str, size: int) -> RawObject | Unfinished:
        replaces = self.target.etag(key)
        upload = Upload(key, self.target.create_upload(key), etag, size, part_size_for(size), replaces=replaces)
        try:
            self.save_progress(upload)
        except BaseException:
            self.target.abort(key, upload.upload_id)
            raise
        return self._upload(upload, {})

    def _resume(self, known: Upload) -> RawObject | Unfinished:
        try:
            uploaded = self.target.parts(known.key, known.upload_id)
        except UploadGone:
            if known.checksum and self.target.matches(known.key, known.size, known.checksum):
                return RawObject(known.key, known.size, known.crc32)
            raise
        return self._upload(known, uploaded)

    def _upload(self, upload: Upload, uploaded: Mapping[int, Part]) -> RawObject | Unfinished:
        """Copy the missing parts, and complete the upload if no part is missing afterwards."""
        present = upload.valid_parts(uploaded)
        missing = [number for number in upload.numbers if number not in present]
        try:
            present |= PartCopier(self.source, self.target, upload, missing, self.retry_policy).run(self.workers)
            return self._complete(upload, present) if len(present) == len(upload.numbers) else Unfinished()
        except (SourceChanged, UploadGone, Rejected):
            self.target.abort(upload.key, upload.upload_id)
            raise

    def _complete(self, upload: Upload, parts: Mapping[int, Part]) -> RawObject:
        ordered = [parts[number] for number in sorted(parts)]
        crc32 = to_base64(crc32_of_parts((from_base64(part.crc32), part.size) for part in ordered))
        self.save_progress(replace(upload, crc32=crc32, checksum=composite_checksum(ordered)))
        self.target.complete(upload.key, upload.upload_id, ordered, upload.size, upload.replaces)
        return RawObject(upload.key, upload.size, crc32)

    def _read_small(self, probe: Probe, size: int) -> Iterator[bytes]:
        yield probe.head
        reader = RangeReader(self.source, len(probe.head), size - 1, probe.etag, self.retry_policy)
        try:
            while chunk := reader.read(CHUNK):
                yield chunk
        finally:
            reader.close()

    def _write(self, key: str, chunks: Iterable[bytes], size: int) -> RawObject:
        crc32 = 0
        with self.target.writer(key) as writer:
            for chunk in chunks:
                writer.write(chunk)
                crc32 = zlib.crc32(chunk, crc32)
        return RawObject(key, size, to_base64(crc32))

    def _stream(self, key: str, probe: Probe) -> RawObject:
        try:
            return self.retry_policy.run(lambda: self._stream_once(key, probe))
        except Unverified:
            raise Rejected(Reason.CORRUPT, "the download has no length, and no end record of a zip file") from None

    def _stream_once(self, key: str, probe: Probe) -> RawObject:
        end, size, crc32 = ZipEnd(), 0, 0
        with self.source.full_body() as body, self.target.writer(key) as writer:
            for chunk in body.chunks:
                size += len(chunk)
                self._check_size(size)
                writer.write(chunk)
                end.update(chunk)
                crc32 = zlib.crc32(chunk, crc32)
            _verify(body, end if is_zip(probe.head) else None)
        return RawObject(key, size, to_base64(crc32))


def _verify(body: FullBody, end: ZipEnd | None) -> None:
    """Raise unless the body has its declared length or was chunked. A zip file must end with its end record."""
    if end is not None:
        if end.is_complete():
            return
        if body.size is None:
            raise Unverified("the source ended too early")
        raise Rejected(Reason.CORRUPT, "the download does not end with a zip file's end record")
    if body.size is None and not body.self_delimiting:
        raise Rejected(Reason.CORRUPT, "the download has no length, and nothing shows that it is complete")
