"""The checkpoint of an export's unpacking, stored in the bucket: later invocations skip finished members.

It also holds the pending uploads of the tables, which are completed only after the manifest is written.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from exports.errors import Rejected
from exports.keys import Keys
from exports.model import RawObject, Reason, StoredFile
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
        """Key part of the member, or name of the work, that an invocation started and did not finish in its time."""
        self.too_slow = ""
        """The same, if the invocation did nothing else. Then the member is stored without reading it as a CSV."""
        self.rejected: Rejected | None = None
        """Why the export is rejected, if not all of its files are deleted yet."""
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
            "tooSlow": self.too_slow,
            "rejected": [self.rejected.reason, self.rejected.detail] if self.rejected else None,
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

    def delete_all(self, rejected: Rejected, time_left: Callable[[], float]) -> bool:
        """Delete every stored file, then the checkpoint. False: the time ran out first, and the next call continues.

        The checkpoint says first that the export is rejected: from then on, no file that it names is used. Of a table,
        every upload is aborted, also one of a killed invocation that no checkpoint holds.
        """
        self.rejected = rejected
        if self.files:
            self.save()
        for part, file in list(self.files.items()):
            self._bucket.delete(file.key)
            if file.table_key:
                self._bucket.abort_all(file.table_key)
            del self.files[part]
            if self.files and time_left() <= 0:
                self.save()
                return False
        self.delete()
        return True

    def _load(self) -> None:
        # For another raw object or another release's format, all is done again, and existing objects are accepted.
        with suppress(LookupError, TypeError, AttributeError, ValueError):
            saved: Mapping[str, Any] = self._bucket.read_json(self._key) or {}
            if saved.get("raw") == self._raw:
                tables = {table["key"]: _pending_upload(table) for table in saved.get("tables", ())}
                files = {part: _stored_file(fields) for part, fields in saved.get("files", {}).items()}
                zips = set(saved.get("zips", ()))
                reason, detail = saved.get("rejected") or ("", "")
                self.rejected = Rejected(Reason(reason), detail) if reason else None
                # A file whose table has no pending upload, as in checkpoints of earlier versions, is unpacked again.
                self.files = {
                    part: file for part, file in files.items() if not file.table_key or file.table_key in tables
                }
                self.tables, self.zips = tables, zips
                self.interrupted, self.too_slow = str(saved.get("givenUp", "")), str(saved.get("tooSlow", ""))


def _stored_file(fields: Mapping[str, Any]) -> StoredFile:
    return StoredFile(**{**fields, "columns": tuple(fields["columns"])})


def _pending_upload(fields: Mapping[str, Any]) -> PendingUpload:
    return PendingUpload(**{**fields, "parts": tuple(Part(**part) for part in fields["parts"])})
