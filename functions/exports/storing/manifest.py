"""The manifest, which says that an export is stored completely, and the catalog attributes derived from it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from exports.datasets.column_types import timestamp_text
from exports.keys import Keys
from exports.model import Export, Kind, RawObject, StoredFile, optional_utc_text, utc_text
from exports.redaction import redact_message

VERSION = "1"


def manifest(
    export: Export,
    *,
    keys: Keys,
    kind: Kind,
    raw: RawObject,
    files: Sequence[StoredFile],
    notes: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    first_seen_at: str,
    run_id: str,
    correlation_id: str | None,
    now: datetime,
    asked_for: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The document. ``notes`` are on zip files. ``asked_for`` is what the collector requested the export for.

    ``results`` are the contents of an agent export's ``results.json``, usually one. They are the only source of the
    actual time range, and say whether the export is truncated, which the service may leave out.
    """
    summaries = [summary for each in results if isinstance(summary := each.get("ExportSummary"), dict)]
    actual = next(iter(summaries), {})
    return {
        "version": VERSION,
        "exportId": export.id,
        "kind": kind,
        "account": keys.account,
        "region": keys.region,
        "exportStatus": export.status,
        "statusMessage": redact_message(export.status_message),
        "exportRequestTime": utc_text(export.requested_at),
        "isTruncated": export.is_truncated or any(_says_truncated(each) for each in (*results, *summaries)),
        "requestedStartTime": optional_utc_text(export.requested_start),
        "requestedEndTime": optional_utc_text(export.requested_end),
        "actualStartTime": _bounded_text(actual.get("ActualStartTime")),
        "actualEndTime": _bounded_text(actual.get("ActualEndTime")),
        "raw": {"key": raw.key, "bytes": raw.bytes, "crc32": raw.crc32},
        "files": [_file(file) for file in files],
        "schemaNotes": [*notes, *({"name": file.name, **file.notes} for file in files if file.notes)],
        "timings": {"firstSeenAt": first_seen_at, "storedAt": utc_text(now)},
        "runId": run_id,
        "correlationId": correlation_id,
        "askedFor": asked_for,
    }


def details(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Attributes of the catalog item of a stored export, derived from its manifest."""
    times = {name: timestamp_text(document.get(name) or "") for name in ("actualStartTime", "actualEndTime")}
    return {
        "kind": document["kind"],
        "isTruncated": document["isTruncated"],
        "manifestKey": key,
        "bytes": document["raw"]["bytes"],
        "rawCrc32": document["raw"]["crc32"],
        "rows": sum(file["rows"] or 0 for file in document["files"]),
        "files": len(document["files"]),
        "schemaNotes": len(document.get("schemaNotes", ())),
        **{name: utc_text(datetime.fromisoformat(f"{time}+00:00")) for name, time in times.items() if time},
    }


def _file(file: StoredFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "dataset": file.dataset,
        "key": file.key,
        "tableKey": file.table_key,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "rows": file.rows,
        "columns": list(file.columns),
    }


def _says_truncated(summary: Mapping[str, Any]) -> bool:
    """Whether ``isTruncated`` is true, in any case and as a boolean, a number or text."""
    values = (value for name, value in summary.items() if name.lower() == "istruncated")
    return any(value is True or value == 1 or str(value).strip().lower() in ("true", "yes") for value in values)


def _bounded_text(value: Any) -> str | None:
    """A time as the export writes it, such as ``2024-01-03 23:59:48``; redacted and limited, as it is foreign text."""
    return redact_message(value) if isinstance(value, str) and value else None
