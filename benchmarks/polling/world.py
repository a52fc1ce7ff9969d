"""A simulated service, whose exports take some time each, and a simulated catalog."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exports.model import Export, RawObject, utc_text
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row, Write
from exports.runs import Described, Filters
from exports.s3.multipart import Upload

START = datetime(2026, 11, 23, tzinfo=UTC)
PAGE = 100
"""Maximum number of exports in a DescribeExportTasks response."""


@dataclass
class World:
    """Service and catalog, ``now`` seconds after START, when every export was requested.

    ``durations`` has the seconds of each export, ``detection_delays`` those from its end to the poll that saw it.
    """

    durations: Mapping[str, float]
    now: float = 0.0
    describes: int = 0
    stored: dict[str, Row] = field(default_factory=dict)
    detection_delays: dict[str, float] = field(default_factory=dict)

    @property
    def moment(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Described:
        """Return the response of the service, and record the detection delay of each finished export."""
        ids = export_ids or tuple(self.durations)
        self.describes += max(1, -(-len(ids) // PAGE))
        return Described({each: self._export(each) for each in ids})

    def _export(self, export_id: str) -> Export:
        delay = self.now - self.durations[export_id]
        finished = delay >= 0
        if finished:
            self.detection_delays.setdefault(export_id, delay)
        return Export(
            id=export_id,
            status="SUCCEEDED" if finished else "IN_PROGRESS",
            status_message="",
            requested_at=START,
            download_url="https://exports.s3.amazonaws.com/one" if finished else None,
        )

    # --- the catalog, as ``BatchPoll`` uses it ---

    def rows(self, export_ids: Iterable[str]) -> dict[str, Row]:
        return {each: self.stored[each] for each in export_ids if each in self.stored}

    def store(self, export_id: str) -> None:
        item = {"exportId": export_id, "status": Outcome.STORED.value, "announcedAt": utc_text(self.moment)}
        self.stored[export_id] = Row(item)

    def announce_overdue(self, row: Row) -> None:
        """No event is overdue here."""

    def mark_in_progress(self, export: Export) -> None:
        """Not recorded here."""

    def mark_no_url(self, export: Export) -> None:
        """Not recorded here."""

    def renew_leases(self, export_ids: Iterable[str]) -> None:
        """Not recorded here."""

    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None:
        raise AssertionError("no export fails here")

    def record_unsettled(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        raise AssertionError("every export is settled here")

    def claim(self, export: Export, duration: timedelta) -> Write:
        raise AssertionError("nothing is claimed here")

    def release(self, export_id: str, error: str, *, denied: bool = False) -> None:
        raise AssertionError("nothing is claimed here")

    def save_progress(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None:
        raise AssertionError("nothing is copied here")

    def announce_pending(self, row: Row) -> None:
        raise AssertionError("nothing is reported here")
