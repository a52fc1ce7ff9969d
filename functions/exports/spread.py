"""A large member: one multipart upload, of which each of several calls carries a run of parts.

What is deflated can only be read from its beginning, so each call inflates up to the end of its run and passes over
what lies before it: inflating is far quicker than sending. Which parts are there is S3's to say.
"""

import io
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from exports.checksums import crc32_of_parts, from_base64
from exports.errors import ServiceError
from exports.model import Keys
from exports.uploads import Part, Upload, UploadGone, part_size_for
from exports.writing import FIRST_PART


class Bucket(Protocol):
    def size(self, key: str) -> int | None: ...
    def read_json(self, key: str) -> Any | None: ...
    def put_json_once(self, key: str, document: Any) -> bool: ...
    def remove(self, key: str) -> None: ...
    def begin(self, key: str) -> str: ...
    def parts(self, key: str, upload_id: str) -> dict[int, Part]: ...
    def put_buffer(self, key: str, upload_id: str, number: int, buffer: io.BytesIO) -> Part: ...
    def complete(self, key: str, upload_id: str, parts: list[Part], size: int) -> None: ...
    def abort(self, key: str, upload_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Spread:
    """The upload of the member ``part`` of ``size`` bytes, remembered in the bucket so that all slices find it.

    ``version`` tells raw objects apart: an upload that was begun for another one is given up.
    """

    bucket: Bucket
    keys: Keys
    part: str
    size: int
    crc32: int
    version: str
    runs: int

    def missing(self, run: int, upload: Upload) -> list[int]:
        """Numbers of the parts of run ``run`` of ``runs`` that are still to carry."""
        there = self.there(upload)
        first, last = (upload.part_count * each // self.runs for each in (run, run + 1))
        return [number for number in range(first + 1, last + 1) if number not in there]

    def there(self, upload: Upload) -> set[int]:
        """Parts that need not be carried: all of them once the upload is completed."""
        try:
            return set(upload.fitting(self.bucket.parts(upload.key, upload.upload_id)))
        except UploadGone:
            if self.bucket.size(upload.key) == self.size:
                return set(range(1, upload.part_count + 1))
            self.bucket.remove(self._note)
            raise

    def upload(self, key: str) -> Upload:
        """The upload of the object ``key``, begun unless a slice has done so."""
        known = self._known()
        if known is not None and (known.key, known.etag, known.size) == (key, self.version, self.size):
            return known
        give_up(self.bucket, self.keys, self.part)
        new = Upload(key, self.bucket.begin(key), self.version, self.size, part_size_for(self.size, FIRST_PART))
        if self.bucket.put_json_once(self._note, asdict(new)):
            return new
        self.bucket.abort(key, new.upload_id)
        return self._known() or new

    def complete(self) -> bool:
        """Make the member visible if every part is there; False when one is missing, or no slice has begun.

        The CRC-32 of all parts is the last thing that is looked at: it is the member's own, from end to end.
        """
        upload = self._known()
        if upload is None:
            return False
        try:
            parts = upload.fitting(self.bucket.parts(upload.key, upload.upload_id))
        except UploadGone:
            return self.bucket.size(upload.key) == self.size
        if len(parts) < upload.part_count:
            return False
        ordered = [parts[number] for number in sorted(parts)]
        if crc32_of_parts((from_base64(part.crc32), part.size) for part in ordered) != self.crc32:
            give_up(self.bucket, self.keys, self.part)
            raise ServiceError("BadDigest")
        self.bucket.complete(upload.key, upload.upload_id, ordered, self.size)
        return True

    @property
    def _note(self) -> str:
        return _note(self.keys, self.part)

    def _known(self) -> Upload | None:
        return _known(self.bucket, self._note)


def give_up(bucket: Bucket, keys: Keys, part: str) -> None:
    """Let go of the member's upload, if one was begun, and of everything that was sent to it."""
    known = _known(bucket, _note(keys, part))
    if known is not None:
        bucket.remove(_note(keys, part))
        bucket.abort(known.key, known.upload_id)


def _note(keys: Keys, part: str) -> str:
    return keys.work(f"{part}.upload.json")


def _known(bucket: Bucket, note: str) -> Upload | None:
    told: Mapping[str, Any] | None = bucket.read_json(note)
    return Upload(**told) if told else None


class PartsWriter:
    """Takes a member from its beginning and sends the parts with the numbers ``wanted``."""

    def __init__(self, bucket: Bucket, upload: Upload, wanted: Iterable[int]) -> None:
        self._bucket = bucket
        self._upload = upload
        self._wanted = frozenset(wanted)
        self._last = max(self._wanted, default=0)
        self._number = 1
        self._left = upload.length(1)
        self._buffer = io.BytesIO()

    @property
    def done(self) -> bool:
        """Whether nothing that is still to come is wanted."""
        return self._number > self._last

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self.done:
            piece, rest = rest[: self._left], rest[self._left :]
            if self._number in self._wanted:
                self._buffer.write(piece)
            self._left -= len(piece)
            if not self._left:
                self._next()

    def _next(self) -> None:
        if self._number in self._wanted:
            self._bucket.put_buffer(self._upload.key, self._upload.upload_id, self._number, self._buffer)
            self._buffer.seek(0)
            self._buffer.truncate()
        self._number += 1
        if not self.done:
            self._left = self._upload.length(self._number)
