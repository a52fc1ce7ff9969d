"""What of a raw object is unpacked already, noted in the bucket so that no later call does it again."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

from exports.model import Keys, RawObject, StoredFile

NOTED_EVERY = 256 << 20
"""Bytes after which what is finished is noted although there is time left: what a killed call has to do again."""


class Bucket(Protocol):
    def read_json(self, key: str) -> Any | None: ...
    def put_json(self, key: str, document: Any) -> None: ...
    def remove(self, key: str) -> None: ...


class Notes:
    """The notes of all slices of an export's unpacking: each writes its own and reads those of the others."""

    def __init__(self, bucket: Bucket, keys: Keys, raw: RawObject, part_slice: tuple[int, int]) -> None:
        index, slices = part_slice
        self._bucket = bucket
        self._raw = {"bytes": raw.bytes, "crc32": raw.crc32}
        self._key = keys.work(f"unpacked-{index}.json")
        self._others = [keys.work(f"unpacked-{other}.json") for other in range(slices) if other != index]
        self._unnoted = 0
        self.files: dict[str, StoredFile] = {}
        self.zips: set[str] = set()
        """Names of the stored zips in the zip whose CRC-32 was found right."""
        self.spread: set[str] = set()
        """Key parts of the members that several slices carry."""
        self._take_up(self._key)
        self._own = set(self.files)

    def add(self, part: str, file: StoredFile) -> None:
        """Note that the member with the key part ``part`` is stored, at once or a little later."""
        self.files[part] = file
        self._own.add(part)
        self._unnoted += file.bytes
        if self._unnoted >= NOTED_EVERY:
            self.write()

    def write(self) -> None:
        """Write down everything that this slice has finished."""
        files = {part: asdict(self.files[part]) for part in sorted(self._own)}
        parts = {"zips": sorted(self.zips), "spread": sorted(self.spread)}
        self._bucket.put_json(self._key, {"raw": self._raw, "files": files, **parts})
        self._unnoted = 0

    def read_others(self) -> None:
        """Learn what the other slices have finished so far."""
        for key in self._others:
            self._take_up(key)

    def remove(self) -> None:
        """Remove every file that any slice has stored, and all notes: they must never name a file that is gone."""
        self.read_others()
        for key in (self._key, *self._others):
            self._bucket.remove(key)
        for file in self.files.values():
            for stored in filter(None, (file.key, file.table_key)):
                self._bucket.remove(stored)

    def _take_up(self, key: str) -> None:
        # A note of another raw object, or of a release that wrote it otherwise: all is done again, and adopted.
        with suppress(LookupError, TypeError, AttributeError):
            note: Mapping[str, Any] = self._bucket.read_json(key) or {}
            if note.get("raw") == self._raw:
                files = {part: _stored_file(facts) for part, facts in note["files"].items()}
                zips, spread = set(note["zips"]), set(note["spread"])
                self.files |= files
                self.zips |= zips
                self.spread |= spread


def _stored_file(facts: Mapping[str, Any]) -> StoredFile:
    return StoredFile(**{**facts, "columns": tuple(facts["columns"])})
