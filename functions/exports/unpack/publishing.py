"""Makes the tables of a stored export visible in SQL: after its manifest, and the row of ``exports`` last."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from exports.datasets.exports_table import exports_row
from exports.keys import Keys
from exports.model import RawObject
from exports.retry import OutOfTime, no_deadline
from exports.runs import Unfinished
from exports.s3.multipart import ObjectStore, PendingUpload, PendingWriter, UploadGone
from exports.unpack.progress import UnpackProgress

WriteTable = Callable[
    [Mapping[str, Any], Callable[[], Iterator[bytes]], Callable[[], AbstractContextManager[PendingWriter]]],
    PendingUpload,
]
"""Writes the table of a file of the manifest: :func:`exports.unpack.unpacking.write_table_again`."""


def publish_tables(
    manifest: Mapping[str, Any],
    *,
    keys: Keys,
    bucket: ObjectStore,
    write_table: WriteTable,
    time_left: Callable[[], float],
    invocation_time_left: Callable[[], float] = no_deadline,
) -> Unfinished | None:
    """Publish every table that the manifest names, then the row of the export in the table ``exports``.

    Must be called only once the manifest exists. Whatever object is at a key of the manifest is accepted: its rows are
    those of a file that the manifest names. A table whose upload is gone is written again from the stored file.

    No table is started once ``time_left()`` (seconds) is used up; a table that is written again is also given up once
    ``invocation_time_left()`` is. Can be repeated after a kill at any point.
    """
    progress = UnpackProgress(bucket, keys, RawObject(**manifest["raw"]))
    publisher = _Publisher(bucket, write_table, time_left, invocation_time_left)
    try:
        for file in filter(_has_table, manifest["files"]):
            publisher.publish(file, progress.tables.get(file["tableKey"]))
            progress.tables.pop(file["tableKey"], None)
    except OutOfTime:
        progress.save()
        return Unfinished()
    bucket.put_if_absent(keys.exports_row, exports_row(manifest))
    progress.delete()
    return None


def _has_table(file: Mapping[str, Any]) -> bool:
    """Whether the manifest names a table that SQL reads. Manifests of earlier versions name tables in another form."""
    return str(file.get("tableKey")).endswith(".parquet")


@dataclass(frozen=True, slots=True)
class _Publisher:
    bucket: ObjectStore
    write_table: WriteTable
    time_left: Callable[[], float]
    invocation_time_left: Callable[[], float]

    def publish(self, file: Mapping[str, Any], upload: PendingUpload | None) -> None:
        """Publish the table of a file. ``upload`` is the pending one; None if it is published or lost."""
        if self.time_left() <= 0:
            raise OutOfTime
        is_there = self.bucket.publish(upload) if upload else self.bucket.size(file["tableKey"]) is not None
        if not is_there and not self.bucket.publish(self._written_again(file)):
            raise UploadGone

    def _written_again(self, file: Mapping[str, Any]) -> PendingUpload:
        return self.write_table(file, lambda: self._chunks(file), partial(self.bucket.pending_writer, file["tableKey"]))

    def _chunks(self, file: Mapping[str, Any]) -> Iterator[bytes]:
        for chunk in self.bucket.read(file["key"], 0, file["bytes"] - 1):
            if self.invocation_time_left() <= 0:
                raise OutOfTime
            yield chunk
