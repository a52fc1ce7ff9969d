"""From a link into the bucket: any size in the same small memory, whole or not at all, and on from where it stopped.

A large file becomes one multipart upload whose parts several workers carry in any order. Which parts are there is S3's
to say (ListParts), so a call that was killed costs the parts that were in flight. Small files and sources without
ranges go through one stream.
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
from exports.s3.multipart import MAX_OBJECT_SIZE, SMALL, WORKERS, ObjectStore, Part, Upload, UploadGone, part_size_for
from exports.transfer.part_workers import PartCopier
from exports.transfer.range_reader import RangeReader, Source


class Unverified(SourceError):
    """A body without a length ended as if it had been cut."""


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
    """Land the source's bytes at ``key(extension)``, whole and verified, or say that time ran out first.

    ``known`` is the upload that ``save_progress`` was last given for this export: it is resumed. No part is begun that
    ``patience.time_left()`` would not suffice for, going by those before it; one in flight at its end is given up.

    Raises Rejected for a source that can never be stored, SourceError and ServiceError for what may pass.
    """
    copying = _Copying(source, target, key, save_progress, retry_policy, workers, max_bytes)
    try:
        return copying.run(known)
    except SourceChanged:
        # Once: a source that keeps changing is left to the next round.
        return copying.run(None)


@dataclass(frozen=True, slots=True)
class _Copying:
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
        self._refuse(probe)
        key = self.key(extension(probe.head))
        if probe.size == len(probe.head):
            return self._write(key, [probe.head], probe.size)
        if not probe.ranges or probe.size is None:
            return self._stream(key, probe)
        if probe.size <= SMALL:
            return self._write(key, self._small(probe, probe.size), probe.size)
        return self._begin(key, probe.etag, probe.size)

    def _refuse(self, probe: Probe) -> None:
        if not probe.head:
            raise Rejected(Reason.CORRUPT, "the download is empty")
        if is_error_page(probe.head):
            raise Rejected(Reason.CORRUPT, "the download is an error page")
        self._bound(probe.size or 0)

    def _bound(self, size: int) -> None:
        if size > self.max_bytes:
            raise Rejected(Reason.TOO_LARGE, f"the download is larger than {self.max_bytes} bytes")

    def _begin(self, key: str, etag: str, size: int) -> RawObject | Unfinished:
        upload = Upload(key, self.target.begin(key), etag, size, part_size_for(size))
        try:
            self.save_progress(upload)
        except BaseException:
            self.target.abort(key, upload.upload_id)
            raise
        return self._upload(upload, {})

    def _resume(self, known: Upload) -> RawObject | Unfinished:
        try:
            return self._upload(known, self.target.parts(known.key, known.upload_id))
        except UploadGone:
            return self._after(known)

    def _after(self, gone: Upload) -> RawObject | Unfinished:
        """The upload is gone: completed by a call that was killed afterwards, or lost."""
        if gone.crc32 and self.target.size(gone.key) == gone.size:
            return RawObject(gone.key, gone.size, gone.crc32)
        return self._start()

    def _upload(self, upload: Upload, there: Mapping[int, Part]) -> RawObject | Unfinished:
        """Carry what is missing, and complete the upload if that was the last of it."""
        present = upload.valid_parts(there)
        missing = [number for number in upload.numbers if number not in present]
        try:
            present |= PartCopier(self.source, self.target, upload, missing, self.retry_policy).run(self.workers)
        except (SourceChanged, Rejected):
            self.target.abort(upload.key, upload.upload_id)
            raise
        return self._complete(upload, present) if len(present) == len(upload.numbers) else Unfinished()

    def _complete(self, upload: Upload, parts: Mapping[int, Part]) -> RawObject:
        ordered = [parts[number] for number in sorted(parts)]
        crc32 = to_base64(crc32_of_parts((from_base64(part.crc32), part.size) for part in ordered))
        self.save_progress(replace(upload, crc32=crc32))
        self.target.complete(upload.key, upload.upload_id, ordered, upload.size)
        return RawObject(upload.key, upload.size, crc32)

    def _small(self, probe: Probe, size: int) -> Iterator[bytes]:
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
            raise Rejected(Reason.CORRUPT, "the download has no length, and does not end as a whole zip does") from None

    def _stream_once(self, key: str, probe: Probe) -> RawObject:
        end, size, crc32 = ZipEnd(), 0, 0
        with self.source.whole() as whole, self.target.writer(key) as writer:
            for chunk in whole.chunks:
                size += len(chunk)
                self._bound(size)
                writer.write(chunk)
                end.update(chunk)
                crc32 = zlib.crc32(chunk, crc32)
            _verify(whole, end if is_zip(probe.head) else None)
        return RawObject(key, size, to_base64(crc32))


def _verify(whole: FullBody, end: ZipEnd | None) -> None:
    """A stream is whole when it has the length that it declared or was framed, and, being a zip, ends as one."""
    if end is not None:
        if end.whole():
            return
        if whole.size is None:
            raise Unverified("the source ended too early")
        raise Rejected(Reason.CORRUPT, "the download does not end as a whole zip does")
    if whole.size is None and not whole.self_delimiting:
        raise Rejected(Reason.CORRUPT, "the download has no length, and nothing in it tells that it is whole")
