"""Recording what became of an export, and telling others: first the row, then its event, then that it was told."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from exports.errors import ServiceError
from exports.model import Export, Outcome, RawObject, utc_text
from exports.outcomes.catalog import Catalog
from exports.outcomes.rows import Row, Write
from exports.runs import Batch
from exports.s3.multipart import Upload

logger = Logger(child=True)

ANNOUNCE_GRACE = timedelta(minutes=20)
"""How long the winner may take to announce before another run does: a call of Lambda ends after 15 minutes."""


@dataclass(frozen=True, slots=True)
class OutcomeRecorder:
    """The catalog and the bus as one batch of a run uses them.

    Whoever wins the conditional write of an outcome announces it. A winner may be killed before it does, or the bus may
    refuse: the run's own report makes up for that, and so does any run that meets the row once the winner's time is
    over. An event that cannot be put now never fails anything else. ``publish`` puts an event on the bus, and
    ``measure`` counts an outcome that was announced.
    """

    batch: Batch
    catalog: Catalog
    publish: Callable[[Row, Outcome], None]
    measure: Callable[[Row, Outcome], None]
    clock: Callable[[], datetime]

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        return self.catalog.rows(export_ids)

    def mark_in_progress(self, export: Export, *, without_url: bool = False) -> None:
        """The service lists the export and has not finished it, or gives no link to it yet."""
        if without_url:
            self.catalog.mark_no_url(self.batch, export)
        else:
            self.catalog.mark_in_progress(self.batch, export)

    def claim(self, export: Export, duration: timedelta) -> Write:
        """Take the export for this run for ``duration``; lost when it is settled or claimed by another run."""
        return self.catalog.claim(self.batch, export, duration)

    def release(self, export_id: str, error: str) -> None:
        """End this run's claim, so that nobody waits for it to expire, and note the error that ended the try."""
        self.catalog.release(self.batch, export_id, error)

    def save_progress(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None:
        """Keep what a later call needs to go on from here. Raises ClaimLost once the export is not this run's."""
        self.catalog.save_progress(self.batch, export_id, upload=upload, raw=raw)

    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None:
        """Record a settled outcome and announce it, unless another run was first."""
        write = self.catalog.settle(self.batch, export, outcome, polls=polls, details=details)
        self._announce(write.row) if write.applied else self.announce_overdue(write.row)

    def record_unsettled(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        """Record and announce an outcome that settles nothing.

        A sweep that runs out of time says nothing: the next sweep takes up what is still in progress.
        """
        if self.batch.is_sweep and outcome is Outcome.TIMED_OUT:
            return
        write = self.catalog.record_unsettled(self.batch, export_id, outcome, reason)
        self.catalog.release(self.batch, export_id)
        self._announce(write.row) if write.applied else self.announce_overdue(write.row)

    def announce_overdue(self, row: Row) -> None:
        """Announce a settled row whose event is owed although its winner's time is over."""
        if row.outcome and row.outcome.settled and row.settled_at < utc_text(self.clock() - ANNOUNCE_GRACE):
            self._announce(row)

    def announce_pending(self, row: Row) -> None:
        """Announce what this run still owes, now that nothing else of it is going on."""
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
