"""The checkpoint of an export's unpacking, stored in the bucket: later invocations skip finished members."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from exports.keys import Keys
from exports.model import RawObject, StoredFile
from exports.s3.multipart import ObjectStore

CHECKPOINT_BYTES = 256 << 20
"""Unpacked bytes after which a checkpoint is written: the most work that a killed invocation loses."""


class UnpackProgress:
    """The checkpoint of an export's unpacking: every stored member, by its part of the key."""

    def __init__(self, bucket: ObjectStore, keys: Keys, raw: RawObject) -> None:
        self._bucket = bucket
        self._raw = {"bytes": raw.bytes, "crc32": raw.crc32}
        self._key = keys.work("unpacked.json")
        self._unsaved_bytes = 0
        self.files: dict[str, StoredFile] = {}
        self.zips: set[str] = set()
        """Names of the stored inner zip files whose CRC-32 was verified."""
        self.interrupted = ""
        """Key part of the member that an invocation started and did not finish in its time."""
        self._load()

    def mark_done(self, part: str, file: StoredFile) -> None:
        """Record that the member with the key part ``part`` is stored. The next checkpoint saves it."""
        self.files[part] = file
        self._unsaved_bytes += file.bytes
        if self._unsaved_bytes >= CHECKPOINT_BYTES:
            self.save()

    def save(self) -> None:
        """Write a checkpoint."""
        files = {part: asdict(file) for part, file in self.files.items()}
        parts = {"zips": sorted(self.zips), "givenUp": self.interrupted}
        self._bucket.put_json(self._key, {"raw": self._raw, "files": files, **parts})
        self._unsaved_bytes = 0

    def delete_all(self) -> None:
        """Delete every stored file, and the checkpoint first: it must never name a file that does not exist."""
        self._bucket.delete(self._key)
        for file in self.files.values():
            for stored in filter(None, (file.key, file.table_key)):
                self._bucket.delete(stored)

    def _load(self) -> None:
        # For another raw object or another release's format, all is done again, and existing objects are accepted.
        with suppress(LookupError, TypeError, AttributeError):
            saved: Mapping[str, Any] = self._bucket.read_json(self._key) or {}
            if saved.get("raw") == self._raw:
                files = {part: _stored_file(fields) for part, fields in saved.get("files", {}).items()}
                zips, interrupted = set(saved.get("zips", ())), str(saved.get("givenUp", ""))
                self.files, self.zips, self.interrupted = files, zips, interrupted


def _stored_file(fields: Mapping[str, Any]) -> StoredFile:
    return StoredFile(**{**fields, "columns": tuple(fields["columns"])})
