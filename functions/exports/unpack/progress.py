"""What of a raw object is unpacked already, noted in the bucket so that no later call does it again."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from exports.keys import Keys
from exports.model import RawObject, StoredFile
from exports.s3.multipart import ObjectStore

CHECKPOINT_BYTES = 256 << 20
"""Bytes after which what is finished is noted although there is time left: what a killed call has to do again."""


class UnpackProgress:
    """The notes of an export's unpacking: every member that is stored, by its part of a key."""

    def __init__(self, bucket: ObjectStore, keys: Keys, raw: RawObject) -> None:
        self._bucket = bucket
        self._raw = {"bytes": raw.bytes, "crc32": raw.crc32}
        self._key = keys.work("unpacked.json")
        self._unsaved_bytes = 0
        self.files: dict[str, StoredFile] = {}
        self.zips: set[str] = set()
        """Names of the stored zips in the zip whose CRC-32 was found right."""
        self.interrupted = ""
        """Key part of the member that a call has begun, but not finished before it had to end."""
        self._load()

    def mark_done(self, part: str, file: StoredFile) -> None:
        """Note that the member with the key part ``part`` is stored, at once or a little later."""
        self.files[part] = file
        self._unsaved_bytes += file.bytes
        if self._unsaved_bytes >= CHECKPOINT_BYTES:
            self.save()

    def save(self) -> None:
        """Write down everything that is finished."""
        files = {part: asdict(file) for part, file in self.files.items()}
        parts = {"zips": sorted(self.zips), "givenUp": self.interrupted}
        self._bucket.put_json(self._key, {"raw": self._raw, "files": files, **parts})
        self._unsaved_bytes = 0

    def delete_all(self) -> None:
        """Remove every file that was stored, and the notes first: they must never name a file that is gone."""
        self._bucket.delete(self._key)
        for file in self.files.values():
            for stored in filter(None, (file.key, file.table_key)):
                self._bucket.delete(stored)

    def _load(self) -> None:
        # A note of another raw object, or of a release that wrote it otherwise: all is done again, and adopted.
        with suppress(LookupError, TypeError, AttributeError):
            note: Mapping[str, Any] = self._bucket.read_json(self._key) or {}
            if note.get("raw") == self._raw:
                files = {part: _stored_file(facts) for part, facts in note["files"].items()}
                self.zips, self.interrupted, self.files = set(note["zips"]), str(note["givenUp"]), files


def _stored_file(facts: Mapping[str, Any]) -> StoredFile:
    return StoredFile(**{**facts, "columns": tuple(facts["columns"])})
