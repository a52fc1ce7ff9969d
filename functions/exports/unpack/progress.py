"""The checkpoint of an export's unpacking, stored in the bucket: later invocations skip finished members.

It also holds the pending uploads of the tables, which are completed only after the manifest is written.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from exports.keys import Keys
from exports.model import RawObject, StoredFile
from exports.s3.multipart import ObjectStore, Part, PendingUpload

CHECKPOINT_BYTES = 256 << 20
"""Unpacked bytes after which a checkpoint is written: the most work that a killed invocation loses."""


class UnpackProgress:
    """The checkpoint of an export's unpacking: every stored member by its part of the key, every table by its key."""

    def __init__(self, bucket: ObjectStore, keys: Keys, raw: RawObject) -> None:
        self._bucket = bucket
        self._raw = {"bytes": raw.bytes, "crc32": raw.crc32}
        self._key = keys.work("unpacked.json")
        self._unsaved_bytes = 0
        self.files: dict[str, StoredFile] = {}
        self.tables: dict[str, PendingUpload] = {}
        self.zips: set[str] = set()
        """Names of the stored inner zip files whose CRC-32 was verified."""
        self.interrupted = ""
        """Key part of the member that an invocation started and did not finish in its time."""
        self._load()

    def mark_done(self, part: str, file: StoredFile, table: PendingUpload | None) -> None:
        """Record that the member with the key part ``part`` is stored. The next checkpoint saves it."""
        self.files[part] = file
        if table:
            self.tables[table.key] = table
        self._unsaved_bytes += file.bytes
        if self._unsaved_bytes >= CHECKPOINT_BYTES:
            self.save()

    def save(self) -> None:
        """Write a checkpoint."""
        document = {
            "raw": self._raw,
            "files": {part: asdict(file) for part, file in self.files.items()},
            "tables": [asdict(table) for table in self.tables.values()],
            "zips": sorted(self.zips),
            "givenUp": self.interrupted,
        }
        self._bucket.put_json(self._key, document)
        self._unsaved_bytes = 0

    def forget_tables(self) -> None:
        """Give no file a table, because the stack has no tables any more."""
        self.files = {part: replace(file, table_key=None) for part, file in self.files.items()}
        self.tables.clear()

    def delete(self) -> None:
        """Delete the checkpoint: all that it holds is done."""
        self._bucket.delete(self._key)

    def delete_all(self) -> None:
        """Delete every stored file, and the checkpoint first: it must never name a file that does not exist.

        Of a table, every upload is aborted, also one of a killed invocation that no checkpoint holds.
        """
        self.delete()
        for file in self.files.values():
            self._bucket.delete(file.key)
            if file.table_key:
                self._bucket.abort_all(file.table_key)

    def _load(self) -> None:
        # For another raw object or another release's format, all is done again, and existing objects are accepted.
        with suppress(LookupError, TypeError, AttributeError):
            saved: Mapping[str, Any] = self._bucket.read_json(self._key) or {}
            if saved.get("raw") == self._raw:
                tables = {table["key"]: _pending_upload(table) for table in saved.get("tables", ())}
                files = {part: _stored_file(fields) for part, fields in saved.get("files", {}).items()}
                zips, interrupted = set(saved.get("zips", ())), str(saved.get("givenUp", ""))
                # A file whose table has no pending upload, as in checkpoints of earlier releases, is unpacked again.
                self.files = {
                    part: file for part, file in files.items() if not file.table_key or file.table_key in tables
                }
                self.tables, self.zips, self.interrupted = tables, zips, interrupted


def _stored_file(fields: Mapping[str, Any]) -> StoredFile:
    return StoredFile(**{**fields, "columns": tuple(fields["columns"])})


def _pending_upload(fields: Mapping[str, Any]) -> PendingUpload:
    return PendingUpload(**{**fields, "parts": tuple(Part(**part) for part in fields["parts"])})
