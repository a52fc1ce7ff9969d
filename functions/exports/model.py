"""Exports, their outcomes, and the keys they imply."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal


class Status(StrEnum):
    """``exportStatus`` as the service reports it. Any other value means: not finished, and never a success."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Outcome(StrEnum):
    """What became of an export in a run.

    This is the only definition of an outcome. The catalog's conditions, the event types and the metrics are derived
    from it; tests hold the event schema, the dashboard, the topic's rule and the tables of the docs against it.
    """

    STORED = "STORED", "Export Stored", "landed"
    TRUNCATED = "TRUNCATED", "Export Truncated", "landed"
    FAILED = "FAILED", "Export Failed", "settled"
    REJECTED = "REJECTED", "Export Rejected", "settled"
    NOT_STORED = "NOT_STORED", "Export Not Stored", "open"
    NOT_FOUND = "NOT_FOUND", "Export Not Found", "open"
    TIMED_OUT = "TIMED_OUT", "Export Timed Out", "open"

    event_type: str
    """The ``detail-type`` of its event."""
    landed: bool
    """Whether the export's data lies in the bucket, whole and verified."""
    settled: bool
    """Whether the catalog's row never goes back from here; where nothing landed, until it is asked for by id."""

    def __new__(cls, value: str, event_type: str, ends: Literal["landed", "settled", "open"]) -> "Outcome":
        member = str.__new__(cls, value)
        member._value_ = value
        member.event_type = event_type
        member.landed = ends == "landed"
        member.settled = ends != "open"
        return member

    @property
    def to_topic(self) -> bool:
        """Whether its event reaches the SNS topic."""
        return self is not Outcome.STORED


LANDED = tuple(outcome for outcome in Outcome if outcome.landed)
SETTLED = tuple(outcome for outcome in Outcome if outcome.settled)
IN_PROGRESS = "IN_PROGRESS"
"""Status of a catalog row whose export has no outcome yet."""


class Reason(StrEnum):
    """Why what the service gave was rejected."""

    CORRUPT = "CORRUPT"
    TOO_LARGE = "TOO_LARGE"
    URL_REFUSED = "URL_REFUSED"
    GONE = "GONE"
    ENCRYPTED = "ENCRYPTED"
    UNSUPPORTED = "UNSUPPORTED"


class Kind(StrEnum):
    """The kind of an export, told from its contents: the service does not say."""

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
    """The download URL: a bearer secret that never leaves the memory of the function that holds it."""

    @property
    def requested_date(self) -> str:
        """The day of the request in UTC, ``yyyy-mm-dd``, which files the export's objects."""
        return self.requested_at.astimezone(UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One member of an export as it lies in the bucket: an entry of the manifest's ``files``.

    ``rows`` counts data rows without the header and is null for what is not CSV or is malformed; ``columns`` is the
    header as it was read; ``notes`` says what is odd about the schema or the CSV; ``table_key`` is where SQL reads the
    rows, None where no table is kept.
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
    """The bytes of an export as received; ``crc32`` covers all, as base64 of four big-endian bytes, like S3."""

    key: str
    bytes: int
    crc32: str


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, such as ``2026-11-23T10:00:00.000Z``: as times stand in rows and events."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
