"""A row of the catalog, as it was read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from exports.model import LANDED, SETTLED, Export, Outcome, RawObject, Status, utc_text
from exports.s3.multipart import Upload

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read. Attributes may be missing or odd in a row that somebody wrote by hand."""

    item: Mapping[str, Any]

    @property
    def export_id(self) -> str:
        return str(self.item["exportId"])

    @property
    def outcome(self) -> Outcome | None:
        """None while the export is in progress, or when the status is none that we know."""
        return Outcome.__members__.get(str(self.item.get("status")))

    @property
    def in_progress(self) -> bool:
        """Whether the service had not finished the export when the row was written."""
        return self.item.get("exportStatus") == Status.IN_PROGRESS

    @property
    def reason(self) -> str | None:
        return self.item.get("reason")

    @property
    def last_error(self) -> str | None:
        """What ended the last try to store the export, when it may pass."""
        return self.item.get("lastError")

    @property
    def announced(self) -> bool:
        return bool(self.item.get("announcedAt"))

    @property
    def announced_at(self) -> str:
        return str(self.item.get("announcedAt", ""))

    @property
    def settled_at(self) -> str:
        return str(self.item.get("settledAt", ""))

    @property
    def run_id(self) -> str | None:
        return self.item.get("runId")

    @property
    def upload(self) -> Upload | None:
        """The multipart upload that an earlier call began and did not complete."""
        return _record(Upload, self.item.get("upload"))

    @property
    def raw(self) -> RawObject | None:
        """The raw object that an earlier call completed, its members being still to unpack."""
        return _record(RawObject, self.item.get("raw"))

    @property
    def rejected_raw(self) -> RawObject | None:
        """The bytes that were rejected, which are kept."""
        kept = [self.item.get(name) for name in ("rawKey", "bytes", "rawCrc32")]
        return RawObject(*kept) if all(kept) else None  # type: ignore[arg-type]  # as they were written

    @property
    def no_url_since(self) -> str | None:
        """When the service was first seen to give no link to the finished export."""
        return self.item.get("linklessSince")

    def is_final_for(self, requested_at: datetime | None) -> bool:
        """Whether its outcome stands for a run that requested the export by id at ``requested_at``; None: not by id."""
        if self.outcome in LANDED:
            return True
        return self.outcome in SETTLED and (requested_at is None or self.settled_at >= utc_text(requested_at))

    def claimed_by_other(self, run_id: str, now: datetime) -> bool:
        return self.item.get("claimedBy") != run_id and str(self.item.get("claimedUntil", "")) >= utc_text(now)

    def manifest_uri(self, bucket: str) -> str | None:
        """Where the manifest of a landed export lies; None for any other."""
        key = self.item.get("manifestKey")
        return f"s3://{bucket}/{key}" if key else None


@dataclass(frozen=True, slots=True)
class Write:
    """What became of a conditional write: the row as it now is, and whether it was this write that made it so."""

    row: Row
    applied: bool


class Records(Protocol):
    """Where a batch's outcomes are recorded and announced: :class:`exports.outcomes.recorder.OutcomeRecorder`."""

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]: ...
    def mark_in_progress(self, export: Export, *, without_url: bool = False) -> None: ...
    def claim(self, export: Export, duration: timedelta) -> Write: ...
    def release(self, export_id: str, error: str) -> None: ...
    def save_progress(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None: ...
    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None: ...
    def record_unsettled(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None: ...
    def announce_overdue(self, row: Row) -> None: ...
    def announce_pending(self, row: Row) -> None: ...


def _record(kind: type[T], members: Any) -> T | None:
    """What an earlier call kept; nothing when another release kept it otherwise, so that it is done anew."""
    try:
        return kind(**members) if members else None
    except TypeError:
        return None
