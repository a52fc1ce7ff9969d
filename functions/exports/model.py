"""Exports as the service describes them, and the objects that are stored of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class Status(StrEnum):
    """``exportStatus`` as the service reports it. Any other value is treated as in progress, never as a success."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


IN_PROGRESS = "IN_PROGRESS"
"""Status of a catalog item whose export has no outcome yet."""


UNKNOWN_TIME = datetime.fromtimestamp(0, UTC)
"""``requested_at`` of an export whose request time the service does not give, or gives in a form that is unknown."""


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
    def has_request_time(self) -> bool:
        return self.requested_at != UNKNOWN_TIME

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


def optional_utc_text(moment: datetime | None) -> str | None:
    """The text of a time that may be absent; None without one."""
    return utc_text(moment) if moment else None


def optional_time(text: str | None) -> datetime | None:
    """The time of a text that may be absent or empty; None without one. Raises ValueError for any other text."""
    return datetime.fromisoformat(text) if text else None
