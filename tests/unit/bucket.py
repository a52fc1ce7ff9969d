"""A bucket in memory that behaves as the real one where unpacking relies on it, and zips to put into it."""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from exports.checksums import to_base64
from exports.model import Keys, RawObject
from exports.zipfiles import Window

KEYS = Keys("123456789012", "us-west-2", "2026-11-23", "export-1")

Files = Mapping[str, bytes] | Sequence[tuple[str, bytes]]


class Bucket:
    """Objects by key. ``reads`` logs each ranged read, ``written`` each key that became visible."""

    def __init__(self, *, chunk: int = 64 << 10) -> None:
        self.objects: dict[str, bytes] = {}
        self.reads: list[tuple[str, int, int]] = []
        self.written: list[str] = []
        self._chunk = chunk

    def holds(self, body: bytes, extension: str = "zip") -> RawObject:
        """Put a raw object there."""
        raw = RawObject(KEYS.raw(extension), len(body), to_base64(zlib.crc32(body)))
        self.objects[raw.key] = body
        return raw

    def window(self, body: bytes) -> Window:
        return Window(partial(self.read, self.holds(body).key), 0, len(body))

    @property
    def data(self) -> dict[str, bytes]:
        """What was stored, by dataset and file."""
        return {
            f"{key.split('/')[1]}/{key.rpartition('/')[2]}": body
            for key, body in self.objects.items()
            if key.startswith("data/")
        }

    def size(self, key: str) -> int | None:
        return len(self.objects[key]) if key in self.objects else None

    def read(self, key: str, first: int, last: int) -> Iterator[bytes]:
        body = self.objects[key]
        assert 0 <= first <= last < len(body)
        self.reads.append((key, first, last))
        for at in range(first, last + 1, self._chunk):
            yield body[at : min(at + self._chunk, last + 1)]

    def read_json(self, key: str) -> Any | None:
        return json.loads(self.objects[key]) if key in self.objects else None

    def put_json(self, key: str, document: Any) -> None:
        self.objects[key] = json.dumps(document, ensure_ascii=False).encode()

    def remove(self, key: str) -> None:
        self.objects.pop(key, None)

    @contextmanager
    def writer(self, key: str) -> Iterator["_Writer"]:
        writer = _Writer()
        yield writer
        body = bytes(writer.body)
        there = self.objects.setdefault(key, body)
        assert len(there) == len(body), f"another object lies at {key}"
        self.written.append(key)


class _Writer:
    def __init__(self) -> None:
        self.body = bytearray()

    def write(self, data: bytes) -> None:
        assert len(data) <= 512 << 10, "what is written comes in small pieces"
        self.body += data


class NullBucket(Bucket):
    """Keeps nothing of what is written: for measuring memory."""

    @contextmanager
    def writer(self, key: str) -> Iterator[Any]:
        yield _NullWriter()
        self.written.append(key)


class _NullWriter:
    def write(self, data: bytes) -> None:
        pass


def zipped(files: Files, *, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    """A zip as the standard library writes it; names may come twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = comment
        for name, body in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(_info(name, method), body)
    return buffer.getvalue()


def _info(name: str, method: int) -> zipfile.ZipInfo:
    """A ZipInfo whose name is left as it is: the constructor would cut it at a NUL."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    info.compress_type = method
    return info
