"""A bucket in memory that takes what a copy writes, as strictly as S3: a part has the length that was declared."""

import base64
import io
import itertools
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from exports.errors import ServiceError
from exports.uploads import Part, UploadGone


class Body(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass
class Upload:
    key: str
    parts: dict[int, tuple[Part, bytes]] = field(default_factory=dict)


class FakeBucket:
    """``objects`` are visible, ``uploads`` are not. ``before_part`` may raise, as S3 may."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, Upload] = {}
        self.before_part: Callable[[int], None] = lambda number: None
        self.received = 0
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    def size(self, key: str) -> int | None:
        return len(self.objects[key]) if key in self.objects else None

    @contextmanager
    def writer(self, key: str) -> Iterator[io.BytesIO]:
        body = io.BytesIO()
        yield body
        self._land(key, body.getvalue())

    def begin(self, key: str) -> str:
        with self._lock:
            upload_id = f"upload-{next(self._ids)}"
            self.uploads[upload_id] = Upload(key)
        return upload_id

    def parts(self, key: str, upload_id: str) -> dict[int, Part]:
        with self._lock:
            return {number: part for number, (part, _) in self._upload(upload_id).parts.items()}

    def put_part(self, key: str, upload_id: str, number: int, body: Body, size: int) -> Part:
        self.before_part(number)
        data = b"".join(iter(lambda: body.read(1024 * 1024), b""))
        if len(data) != size:
            raise ServiceError("IncompleteBody")
        part = Part(number, size, f'"{upload_id}-{number}"', _crc32(data))
        with self._lock:
            self.received += size
            self._upload(upload_id).parts[number] = part, data
        return part

    def complete(self, key: str, upload_id: str, parts: Sequence[Part], size: int) -> None:
        with self._lock:
            if upload_id not in self.uploads and self.size(key) == size:
                return
            there = self._upload(upload_id).parts
            assert all(there[part.number][0] == part for part in parts)
            body = b"".join(there[part.number][1] for part in parts)
            if len(body) != size:
                raise ServiceError("InvalidRequest")
            self._land(key, body)
            del self.uploads[upload_id]

    def abort(self, key: str, upload_id: str) -> None:
        self.uploads.pop(upload_id, None)

    def _upload(self, upload_id: str) -> Upload:
        if upload_id not in self.uploads:
            raise UploadGone
        return self.uploads[upload_id]

    def _land(self, key: str, body: bytes) -> None:
        if len(self.objects.setdefault(key, body)) != len(body):
            raise ServiceError("ObjectDiffers")


def _crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
