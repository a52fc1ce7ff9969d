"""Records and announces outcomes: writes the catalog item, publishes the event, marks the item announced."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from exports.errors import ServiceError
from exports.model import Export, RawObject, utc_text
from exports.outcomes.catalog import Catalog
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row, Write
from exports.runs import Batch
from exports.s3.multipart import Upload

logger = Logger(child=True)

ANNOUNCE_GRACE = timedelta(minutes=20)
"""Time for the run that settled an item to announce it. Lambda ends its invocation after 15 minutes at most."""


@dataclass(frozen=True, slots=True)
class OutcomeRecorder:
    """Records the outcomes of one batch of a run in the catalog and announces them on the bus.

    The run whose conditional write was applied announces the outcome. If it is killed first, or publishing fails, the
    run's report announces it, and so does any other run that reads the item after ``ANNOUNCE_GRACE``. A failure to
    publish never fails anything else. ``publish`` publishes an event, ``measure`` counts an announced outcome.
    """

    batch: Batch
    catalog: Catalog
    publish: Callable[[Row, Outcome], None]
    measure: Callable[[Row, Outcome], None]
    clock: Callable[[], datetime]

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        return self.catalog.rows(export_ids)

    def mark_in_progress(self, export: Export) -> None:
        """Record that the service has not finished the export."""
        self.catalog.mark_in_progress(self.batch, export)

    def mark_no_url(self, export: Export) -> None:
        """Record that the service has finished the export, and gives no download URL for it yet."""
        self.catalog.mark_no_url(self.batch, export)

    def renew_leases(self, export_ids: Iterable[str]) -> None:
        """Show that this run still waits for the exports; a sweep does not, because the next sweep polls them."""
        if not self.batch.is_sweep:
            for export_id in export_ids:
                self.catalog.renew_lease(self.batch, export_id)

    def claim(self, export: Export, duration: timedelta) -> Write:
        """Claim the export for this run for ``duration``; not applied if it is settled or claimed by another run."""
        return self.catalog.claim(self.batch, export, duration)

    def release(self, export_id: str, error: str, *, denied: bool = False) -> None:
        """End this run's claim, so that no run waits for its end, and record the error that ended the attempt.

        ``denied``: the error was that access to the source is denied.
        """
        self.catalog.release(self.batch, export_id, error, denied=denied)

    def save_progress(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None:
        """Save a checkpoint for a later invocation. Raises ClaimLost if this run no longer has the claim."""
        self.catalog.save_progress(self.batch, export_id, upload=upload, raw=raw)

    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None:
        """Record a settled outcome and announce it, unless another run was first."""
        write = self.catalog.settle(self.batch, export, outcome, polls=polls, details=details)
        self._announce(write.row) if write.applied else self.announce_overdue(write.row)

    def record_unsettled(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        """Record and announce an outcome that is not settled.

        A sweep records TIMED_OUT only in place of another run that has stopped, because the next sweep polls what is
        still in progress. Nothing is recorded while another run waits for the export or stores it; the outcome is then
        kept for the report of this run.
        """
        write = self.catalog.record_unsettled(self.batch, export_id, outcome, reason)
        if not write.applied:
            if self.batch.is_sweep and outcome is Outcome.TIMED_OUT:
                return
            self.catalog.hold_back(self.batch, export_id, outcome, reason)
        self.catalog.release(self.batch, export_id, None if write.applied else reason)
        self._announce(write.row) if write.applied else self.announce_overdue(write.row)

    def announce_overdue(self, row: Row) -> None:
        """Announce a settled item that has no event although its ``ANNOUNCE_GRACE`` is over."""
        if row.outcome and row.outcome.settled and row.settled_at < utc_text(self.clock() - ANNOUNCE_GRACE):
            self._announce(row)

    def announce_pending(self, row: Row) -> None:
        """Announce an item at the end of the run: at once if this run recorded the outcome, else if overdue."""
        self._announce(row) if row.run_id == self.batch.run_id else self.announce_overdue(row)

    def _announce(self, row: Row) -> None:
        if row.outcome is None or row.announced:
            return
        try:
            self.publish(row, row.outcome)
        except ServiceError as error:
            logger.warning(
                "event not published, will retry", export_id=row.export_id, outcome=row.outcome, error=error.code
            )
            return
        self.catalog.announced(row)
        self.measure(row, row.outcome)
