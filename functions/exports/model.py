"""Exports, their outcomes, and the objects that are stored of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal


class Status(StrEnum):
    """``exportStatus`` as the service reports it. Any other value is treated as in progress, never as a success."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Outcome(StrEnum):
    """The outcome of an export in a run.

    This is the only definition of the outcomes. The catalog's conditions, the event types and the metrics are derived
    from it; tests compare the event schema, the dashboard, the topic's rule and the tables in the docs with it.
    """

    STORED = "STORED", "Export Stored", "data"
    TRUNCATED = "TRUNCATED", "Export Truncated", "data"
    FAILED = "FAILED", "Export Failed", "settled"
    REJECTED = "REJECTED", "Export Rejected", "settled"
    NOT_STORED = "NOT_STORED", "Export Not Stored", "open"
    NOT_FOUND = "NOT_FOUND", "Export Not Found", "open"
    TIMED_OUT = "TIMED_OUT", "Export Timed Out", "open"

    event_type: str
    """The ``detail-type`` of its event."""
    has_data: bool
    """Whether the export's data is in the bucket, complete and verified."""
    settled: bool
    """Whether the outcome is final; without stored data, until a run requests the export by id."""

    def __new__(cls, value: str, event_type: str, ends: Literal["data", "settled", "open"]) -> "Outcome":
        member = str.__new__(cls, value)
        member._value_ = value
        member.event_type = event_type
        member.has_data = ends == "data"
        member.settled = ends != "open"
        return member

    @property
    def to_topic(self) -> bool:
        """Whether its event is sent to the SNS topic."""
        return self is not Outcome.STORED


WITH_DATA = tuple(outcome for outcome in Outcome if outcome.has_data)
SETTLED = tuple(outcome for outcome in Outcome if outcome.settled)
IN_PROGRESS = "IN_PROGRESS"
"""Status of a catalog item whose export has no outcome yet."""


class Reason(StrEnum):
    """Why an export was rejected."""

    CORRUPT = "CORRUPT"
    TOO_LARGE = "TOO_LARGE"
    URL_REFUSED = "URL_REFUSED"
    GONE = "GONE"
    ENCRYPTED = "ENCRYPTED"
    UNSUPPORTED = "UNSUPPORTED"


class Kind(StrEnum):
    """The kind of an export, derived from its contents because the service does not report it."""

    SUMMARY = "summary"
    AGENT = "agent"
    EC2_RECOMMENDATIONS = "ec2-recommendations"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Export:
    """One export task as the service describes it now."""

    id: str
    status: str
    status_message: str
    requested_at: datetime
    is_truncated: bool = False
    requested_start: datetime | None = None
    requested_end: datetime | None = None
    download_url: str | None = field(default=None, repr=False)
    """The download URL: a bearer secret that must not leave the memory of the function."""

    @property
    def requested_date(self) -> str:
        """The day of the request in UTC, ``yyyy-mm-dd``; part of the keys of the export's objects."""
        return self.requested_at.astimezone(UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One member of an export as stored in the bucket: an entry of the manifest's ``files``.

    ``rows`` counts data rows without the header and is None for a file that is not CSV or is malformed. ``columns`` is
    the header as read. ``notes`` lists deviations of the schema or the CSV. ``table_key`` is the key of the object that
    SQL reads, None without a table.
    """

    name: str
    dataset: str
    key: str
    bytes: int
    sha256: str
    rows: int | None
    columns: tuple[str, ...]
    notes: Mapping[str, object] = field(default_factory=dict)
    table_key: str | None = None


@dataclass(frozen=True, slots=True)
class RawObject:
    """The bytes of an export as received; ``crc32`` covers all, as base64 of four big-endian bytes, as in S3.

    ``etag`` is the ETag of the object; empty while it is not known.
    """

    key: str
    bytes: int
    crc32: str
    etag: str = ""


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, such as ``2026-11-23T10:00:00.000Z``: the format of items and events."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
