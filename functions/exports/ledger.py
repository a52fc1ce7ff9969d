"""Recording what became of an export, and telling others: first the row, then its event, then that it was told."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from exports.catalog import Catalog, Write
from exports.model import Export, Outcome, RawObject, utc_text
from exports.rows import Row
from exports.runs import Batch
from exports.uploads import Upload

TELLING_TIME = timedelta(minutes=2)
"""How long a row's own run may take to announce it before another run does: far longer than its retries last."""


class Bus(Protocol):
    def announce(self, row: Row, outcome: Outcome) -> None: ...


@dataclass(frozen=True, slots=True)
class Ledger:
    """The catalog and the bus as one batch of a run uses them.

    Whoever wins the conditional write of an outcome announces it. A winner may be killed before it does, so whoever
    meets a row that nobody has announced catches up: at once if it is of its own run, else once the winner's time is
    over.
    """

    catalog: Catalog
    bus: Bus
    batch: Batch
    clock: Callable[[], datetime]
    measure: Callable[[Row, Outcome], None]

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        return self.catalog.rows(export_ids)

    def see(self, export: Export) -> None:
        """The service lists the export and has not finished it."""
        self.catalog.see(export, now=self.clock(), run_id=self.batch.run_id, correlation_id=self.batch.correlation_id)

    def claim(self, export: Export, span: timedelta) -> Write:
        """Take the export for this run for ``span``; lost when it is settled or claimed by another run."""
        now = self.clock()
        return self.catalog.claim(
            export,
            run_id=self.batch.run_id,
            correlation_id=self.batch.correlation_id,
            asked_at=self.batch.asked_at,
            now=now,
            until=now + span,
        )

    def release(self, export_id: str) -> None:
        """End this run's claim, so that nobody waits for it to expire."""
        self.catalog.release(export_id, self.batch.run_id)

    def remember(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None:
        """Keep what a later call needs to go on from here. Raises ClaimLost when another run has taken the export."""
        self.catalog.remember(export_id, run_id=self.batch.run_id, upload=upload, raw=raw)

    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None:
        """Record a settled outcome and announce it, unless another run was first."""
        write = self.catalog.settle(
            export,
            outcome,
            run_id=self.batch.run_id,
            correlation_id=self.batch.correlation_id,
            asked_at=self.batch.asked_at,
            now=self.clock(),
            polls=polls,
            details=details,
        )
        self._announce(write.row) if write.won else self.catch_up(write.row)

    def leave(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        """Record and announce an outcome that settles nothing.

        A sweep that runs out of time says nothing: the next sweep takes up what is still in progress.
        """
        if self.batch.sweeps and outcome is Outcome.TIMED_OUT:
            return
        write = self.catalog.leave(
            export_id,
            outcome,
            reason=reason,
            run_id=self.batch.run_id,
            correlation_id=self.batch.correlation_id,
            now=self.clock(),
        )
        self._announce(write.row) if write.won else self.catch_up(write.row)

    def catch_up(self, row: Row) -> None:
        """Announce a recorded outcome whose event is still owed."""
        if row.outcome is None or row.announced:
            return
        own = row.run_id == self.batch.run_id
        if own or (row.outcome.settled and row.settled_at < utc_text(self.clock() - TELLING_TIME)):
            self._announce(row)

    def _announce(self, row: Row) -> None:
        if row.outcome:
            self.bus.announce(row, row.outcome)
            self.measure(row, row.outcome)
            self.catalog.announced(row.export_id, self.clock())
