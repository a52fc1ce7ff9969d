"""Settles one export, in an order of writes that is safe to interrupt and repeat.

The order is: raw bytes, each file, the manifest that names them, each table, the row of the table ``exports``, the
catalog item, the event. So SQL sees nothing of an export without a manifest, nor of a rejected one. Each step can be
repeated: the next attempt reuses whatever a killed invocation wrote.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from exports.datasets.detection import RESULTS
from exports.errors import ClaimLost, NonRetryableError, Rejected, ServiceError, SourceDenied, SourceError
from exports.keys import Keys
from exports.model import Export, RawObject, Reason, Status, StoredFile
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Records, Row
from exports.runs import Batch, Item, Service, Unfinished
from exports.s3.multipart import ObjectStore, Upload
from exports.storing.manifest import details, manifest
from exports.unpack.unpacking import Unpacked

SETTLED = {"progress": "settled"}
"""The export has its outcome."""
UNFINISHED = {"progress": "unfinished"}
"""The time budget of this invocation is spent; the next invocation resumes."""
WAITING = {"progress": "waiting"}
"""Another run has claimed the export, or its download URL does not work yet. The next poll decides again."""
MAX_RESULTS = 101
"""Files ``results.json`` of an export that are read. There is one, or one in each inner zip file."""
MAX_RESULTS_BYTES = 1024 * 1024
"""Of these files together; each has about 500 bytes."""
UNKNOWN = "whether the export is truncated, and its actual time range, are not known"
NOT_READ = f"no JSON object, or more than 1 MiB with the files before it: {UNKNOWN}"


class Pipeline(Protocol):
    """Copies, unpacks and publishes: :class:`exports.storing.pipeline.Pipeline`."""

    def copy(self, export: Export, keys: Keys, known: Upload | None) -> RawObject | Unfinished: ...
    def unpack(self, raw: RawObject, keys: Keys) -> Unpacked | Unfinished: ...
    def publish_tables(self, manifest: Mapping[str, Any], keys: Keys) -> Unfinished | None: ...


@dataclass(frozen=True, slots=True)
class Storing:
    """Stores an item of a batch within one invocation.

    The claim to the export lasts for ``claim_duration``: the time until Lambda ends the invocation. A shorter claim
    would let another run store the export at the same time. A longer one would make other runs wait after the
    invocation was killed.

    An export is gone after access to it, with URLs that the service has just given, was denied for longer than
    ``denied_grace``.
    """

    batch: Batch
    account: str
    region: str
    service: Service
    records: Records
    bucket: ObjectStore
    pipeline: Pipeline
    claim_duration: timedelta
    denied_grace: timedelta
    clock: Callable[[], datetime]

    def store(self, item: Item) -> dict[str, Any]:
        """Store the item's export as the service describes it now, and return the progress made.

        Raises ServiceError for retryable errors; the workflow retries, and records the export if they persist.
        """
        try:
            export = self.service.describe([item.export_id]).get(item.export_id)
        except NonRetryableError:
            raise
        except ServiceError as error:
            return _waiting(error)
        if export is None or not self._finished(export, item):
            return WAITING
        if export.status == Status.FAILED:
            self.records.settle(export, Outcome.FAILED, {}, polls=item.polls)
            return SETTLED
        claim = self.records.claim(export, self.claim_duration)
        if not claim.applied:
            return self._already_taken(claim.row)
        try:
            return self._store_data(export, claim.row, item)
        except Rejected as rejected:
            if claim.row.upload:
                self.bucket.abort(claim.row.upload.key, claim.row.upload.upload_id)
            return self._reject(export, rejected, item, claim.row.rejected_raw)
        except NonRetryableError as error:
            self.records.record_unsettled(export.id, Outcome.NOT_STORED, error.code)
            return {**SETTLED, "detail": str(error)}
        except SourceError as error:
            self.records.release(export.id, str(error), denied=isinstance(error, SourceDenied))
            return _waiting(error)
        except ClaimLost:
            return WAITING

    def _finished(self, export: Export, item: Item) -> bool:
        """Whether the export can be settled. The URL may come late; ``without_url`` ends the wait for it."""
        if export.status == Status.SUCCEEDED:
            return bool(export.download_url) or item.without_url
        return export.status == Status.FAILED

    def _already_taken(self, row: Row) -> dict[str, Any]:
        """The progress where another run has settled or claimed the export."""
        if not row.is_final_for(self.batch.requested_at):
            return WAITING
        self.records.announce_overdue(row)
        return SETTLED

    def _store_data(self, export: Export, row: Row, item: Item) -> dict[str, Any]:
        keys = Keys(self.account, self.region, export.requested_date, export.id)
        document = self.bucket.read_json(keys.manifest)
        if document is None:
            raw = self._completed_copy(row) or self._copy(export, keys, row)
            if isinstance(raw, Unfinished):
                return UNFINISHED
            self.records.save_progress(export.id, raw=raw)
            try:
                unpacked = self.pipeline.unpack(raw, keys)
            except Rejected as rejected:
                return self._reject(export, rejected, item, raw)
            if isinstance(unpacked, Unfinished):
                return UNFINISHED
            document = self._manifest(export, keys, raw, unpacked, row)
        if isinstance(self.pipeline.publish_tables(document, keys), Unfinished):
            return UNFINISHED
        outcome = Outcome.TRUNCATED if document["isTruncated"] else Outcome.STORED
        self.records.settle(export, outcome, details(document, keys.manifest), polls=item.polls)
        return SETTLED

    def _completed_copy(self, row: Row) -> RawObject | None:
        """The raw object that an earlier invocation completed, unless it was deleted or replaced since."""
        return row.raw if row.raw and row.raw.etag and self.bucket.etag(row.raw.key) == row.raw.etag else None

    def _copy(self, export: Export, keys: Keys, row: Row) -> RawObject | Unfinished:
        if not export.download_url:
            raise Rejected(Reason.GONE, "the service gives no download URL for a finished export")
        try:
            copied = self.pipeline.copy(export, keys, row.upload)
        except SourceDenied as error:
            since = row.denied_since
            if since and self.clock() - since > self.denied_grace:
                raise Rejected(Reason.GONE, str(error)) from None
            raise
        return copied if isinstance(copied, Unfinished) else replace(copied, etag=self.bucket.etag(copied.key))

    def _reject(self, export: Export, rejected: Rejected, item: Item, raw: RawObject | None = None) -> dict[str, Any]:
        """Settle an export that cannot be accepted; its raw object ``raw`` is kept, if the copy is complete."""
        kept = {"rawKey": raw.key, "bytes": raw.bytes, "rawCrc32": raw.crc32} if raw else {}
        self.records.settle(export, Outcome.REJECTED, {"reason": rejected.reason, **kept}, polls=item.polls)
        return {**SETTLED, "detail": str(rejected)}

    def _manifest(self, export: Export, keys: Keys, raw: RawObject, unpacked: Unpacked, row: Row) -> Any:
        """Write the manifest. If another writer was first, return its manifest."""
        results, unread = self._results(unpacked.files)
        document = manifest(
            export,
            keys=keys,
            kind=unpacked.kind,
            raw=raw,
            files=unpacked.files,
            notes=(*unpacked.notes, *unread),
            results=results,
            first_seen_at=str(row.item.get("firstSeenAt", "")),
            run_id=self.batch.run_id,
            correlation_id=self.batch.correlation_id,
            now=self.clock(),
            asked_for=row.asked_for,
        )
        return (
            document
            if self.bucket.put_json_if_absent(keys.manifest, document)
            else self.bucket.read_json(keys.manifest)
        )

    def _results(self, files: Sequence[StoredFile]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
        """The contents of the files ``results.json`` of an agent export, and notes on those that are not read."""
        found = [file for file in files if file.dataset == RESULTS]
        results: list[Mapping[str, Any]] = []
        unread: list[Mapping[str, Any]] = []
        left = MAX_RESULTS_BYTES
        for file in found[:MAX_RESULTS]:
            result = self._result(file) if file.bytes <= left else None
            if result is None:
                unread.append({"name": file.name, "malformed": NOT_READ})
            else:
                results.append(result)
                left -= file.bytes
        if others := found[MAX_RESULTS:]:  # one note, so that the manifest does not grow
            text = f"not read, with {len(others) - 1} other results.json: {UNKNOWN}"
            unread.append({"name": others[0].name, "malformed": text})
        return results, unread

    def _result(self, file: StoredFile) -> Mapping[str, Any] | None:
        try:
            document = self.bucket.read_json(file.key)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None


def _waiting(error: Exception) -> dict[str, Any]:
    """``detail`` is for the log; no error of this project contains a download URL."""
    return {**WAITING, "detail": str(error)}
