"""An item of the catalog, as read from DynamoDB."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from exports.model import Export, Kind, RawObject, Status, utc_text
from exports.outcomes.outcome import SETTLED, WITH_DATA, Outcome
from exports.s3.multipart import Upload

T = TypeVar("T")
MAX_TEXT = 500
"""Characters of an attribute that is reported or published. No attribute that this project writes is longer."""


@dataclass(frozen=True, slots=True)
class Row:
    """A catalog item as read.

    Attributes may be missing or malformed if an item was written by hand. A property then has no value, so that an item
    never affects others of its batch or report.
    """

    item: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """The text of an attribute, at most ``MAX_TEXT`` characters; None if it is empty or no text."""
        value = self.item.get(name)
        return value[:MAX_TEXT] if value and isinstance(value, str) else None

    def count(self, name: str) -> int | None:
        """The whole number of an attribute, at least 0; None if it is anything else."""
        value = self.item.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

    def time(self, name: str) -> datetime | None:
        """The time of an attribute; None if it is anything else, or has no time zone."""
        with suppress(ValueError):
            time = datetime.fromisoformat(self.text(name) or "")
            return time if time.tzinfo else None
        return None

    @property
    def export_id(self) -> str:
        return str(self.item["exportId"])

    @property
    def outcome(self) -> Outcome | None:
        """None while the export is in progress, or if the status is unknown."""
        return Outcome.__members__.get(str(self.item.get("status")))

    @property
    def in_progress(self) -> bool:
        """Whether the service had not finished the export when the item was written."""
        return self.item.get("exportStatus") == Status.IN_PROGRESS

    @property
    def kind(self) -> str | None:
        kind = self.text("kind")
        return kind if kind in set(Kind) else None

    @property
    def reason(self) -> str | None:
        return self.text("reason")

    @property
    def why(self) -> str:
        """Why the export has its status: the message of the service, a reason, or what it waits for."""
        match self.outcome:
            case Outcome.FAILED:
                return self.text("statusMessage") or ""
            case Outcome.NOT_FOUND:
                return self.reason or "the service does not list it"
            case Outcome():
                return self.reason or ""
        if self.last_error:
            return f"the last attempt to store it ended with {self.last_error}"
        if run_id := self.text("claimedBy"):
            return f"is being stored by the run {run_id}"
        if self.item.get("exportStatus") == Status.SUCCEEDED:
            return "finished in the service, waits to be stored"
        return "in progress in the service"

    @property
    def last_error(self) -> str | None:
        """The retryable error that ended the last attempt to store the export."""
        return self.text("lastError")

    @property
    def was_listed(self) -> bool:
        """Whether the service has ever listed the export."""
        return "exportStatus" in self.item

    def unrecorded(self, run_id: str) -> tuple[Outcome, str | None] | None:
        """The outcome of the run, and its reason, that was not recorded because of another run."""
        held = Row(value) if isinstance(value := self.item.get("unrecorded"), Mapping) else None
        outcome = Outcome.__members__.get(held.text("outcome") or "") if held and held.run_id == run_id else None
        return (outcome, held.reason) if held and outcome else None

    @property
    def denied_since(self) -> datetime | None:
        """Time of the first denied download; every attempt of this run since then was denied, too."""
        return self.time("deniedSince")

    @property
    def asked_for(self) -> Mapping[str, str] | None:
        """What the collector requested the export for: ``kind`` and, of an agent, ``agentId``, ``from`` and ``to``."""
        value = self.item.get("askedFor")
        asked = Row(value) if isinstance(value, Mapping) else None
        if asked is None or asked.kind is None:
            return None
        times = {name: utc_text(time) for name in ("from", "to") if (time := asked.time(name))}
        agent_id = asked.text("agentId")
        return {"kind": asked.kind, **({"agentId": agent_id} if agent_id else {}), **times}

    @property
    def announced(self) -> bool:
        return bool(self.item.get("announcedAt"))

    @property
    def announced_at(self) -> str:
        return self.text("announcedAt") or ""

    @property
    def settled_at(self) -> str:
        return self.text("settledAt") or ""

    @property
    def run_id(self) -> str | None:
        return self.text("runId")

    @property
    def upload(self) -> Upload | None:
        """The multipart upload that an earlier invocation started and did not complete."""
        return _record(Upload, self.item.get("upload"))

    @property
    def raw(self) -> RawObject | None:
        """The raw object that an earlier invocation completed; its members are not unpacked yet."""
        return _record(RawObject, self.item.get("raw"))

    @property
    def rejected_raw(self) -> RawObject | None:
        """The raw object of a rejected export, which is kept."""
        members = [self.item.get(name) for name in ("rawKey", "bytes", "rawCrc32")]
        return RawObject(*members) if all(members) else None  # type: ignore[arg-type]  # as they were written

    @property
    def no_url_since(self) -> datetime | None:
        """Time of the first poll that found the export finished without a download URL."""
        return self.time("linklessSince")

    def is_final_for(self, requested_at: datetime | None) -> bool:
        """Whether its outcome stands for a run that requested the export by id at ``requested_at``; None: not by id."""
        if self.outcome in WITH_DATA:
            return True
        return self.outcome in SETTLED and (requested_at is None or self.settled_at >= utc_text(requested_at))

    def claimed_by_other(self, run_id: str, now: datetime) -> bool:
        return self.item.get("claimedBy") != run_id and str(self.item.get("claimedUntil", "")) >= utc_text(now)

    def manifest_uri(self, bucket: str) -> str | None:
        """The S3 URI of the manifest of a stored export; None for any other."""
        key = self.text("manifestKey")
        return f"s3://{bucket}/{key}" if key else None


@dataclass(frozen=True, slots=True)
class Write:
    """The result of a conditional write: the current item, and whether this write was applied."""

    row: Row
    applied: bool


class Records(Protocol):
    """Records and announces the outcomes of a batch: :class:`exports.outcomes.recorder.OutcomeRecorder`."""

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]: ...
    def mark_in_progress(self, export: Export) -> None: ...
    def mark_no_url(self, export: Export) -> None: ...
    def renew_leases(self, export_ids: Iterable[str]) -> None: ...
    def claim(self, export: Export, duration: timedelta) -> Write: ...
    def release(self, export_id: str, error: str, *, denied: bool = False) -> None: ...
    def save_progress(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None: ...
    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None: ...
    def record_unsettled(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None: ...
    def announce_overdue(self, row: Row) -> None: ...
    def announce_pending(self, row: Row) -> None: ...


def _record(kind: type[T], members: Any) -> T | None:
    """A checkpoint of an earlier invocation; None if another release wrote it in another form: the work is redone."""
    try:
        return kind(**members) if members else None
    except TypeError:
        return None
