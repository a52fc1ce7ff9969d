"""One look at the exports of a batch: which are ready to be stored, which have ended, and when to look again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from exports.errors import NonRetryableError, ServiceError
from exports.model import Export, Outcome, Status
from exports.outcomes.rows import Records, Row
from exports.runs import Batch, Item, Service
from exports.settings import Settings
from exports.workflow.batch_state import Pending, failure_code
from exports.workflow.poll_interval import MAX_STORES, next_poll_at

Measure = Callable[[Sequence[timedelta], Sequence[timedelta]], None]
"""Takes how late exports were noticed at most, and the ages of those that are pending."""

ENDED = frozenset({Status.SUCCEEDED, Status.FAILED})
CLOCK_SKEW = timedelta(seconds=1)
"""A wait that ended by the clock of Step Functions has ended, whatever the function's own clock says."""
THROTTLED = "Lambda.TooManyRequestsException"
"""Storing found no free Lambda: nothing is wrong with the export, so it waits for the next look."""


@dataclass(frozen=True, slots=True)
class BatchPoll:
    """A check of one batch at one moment. ``jitter`` is 0 to 1; ``measure`` is told what each look found."""

    batch: Batch
    service: Service
    records: Records
    settings: Settings
    now: datetime
    jitter: float
    measure: Measure

    def start(self) -> Pending:
        """The batch without the exports that the catalog already holds as settled, all of them still to look at."""
        rows = self.records.rows(self.batch.export_ids)
        bound = {export_id for export_id, row in rows.items() if row.is_final_for(self.batch.requested_at)}
        for export_id in bound:
            self.records.announce_overdue(rows[export_id])
        return Pending(unlisted=tuple(each for each in self.batch.export_ids if each not in bound))

    def next(self, pending: Pending) -> Pending:
        """What is pending after this check; nothing, once every export is settled or its time is over.

        Nothing is described before it is time to, so a round of storing does not make the next look come early.
        """
        pending = self._after_storing(pending)
        if pending.spent:
            return self._leave(pending, Outcome.TIMED_OUT)
        if not pending.ids or (pending.next_poll_at and self.now < pending.next_poll_at - CLOCK_SKEW):
            return _assign_items(pending, pending.ready)
        try:
            return self._poll(pending)
        except NonRetryableError as refused:
            return self._leave(pending, Outcome.NOT_STORED, refused.code)

    def _after_storing(self, pending: Pending) -> Pending:
        """Take what storing came to: exports that are not finished stay ready, those that have to wait go back."""
        again: list[Item] = []
        back: list[str] = []
        for item, result in zip(pending.ready, pending.results, strict=True):
            if "error" in result and result["error"] != THROTTLED:
                self.records.record_unsettled(item.export_id, Outcome.NOT_STORED, failure_code(result))
            elif result.get("progress") == "unfinished":
                again.append(item)
            elif result.get("progress") != "settled":
                back.append(item.export_id)
        moved = any(result.get("progress") in ("settled", "unfinished") for result in pending.results)
        stalled = not moved if pending.results else pending.backing_off
        return replace(pending, waiting=(*pending.waiting, *back), ready=tuple(again), results=(), backing_off=stalled)

    def _leave(self, pending: Pending, outcome: Outcome, reason: str | None = None) -> Pending:
        """Without a ``reason``, what ended the last try to store an export tells why."""
        rows = {} if reason else self.records.rows(pending.ids)
        for export_id in pending.ids:
            last_error = rows[export_id].last_error if export_id in rows else None
            self.records.record_unsettled(export_id, outcome, reason or last_error)
        return Pending()

    def _poll(self, pending: Pending) -> Pending:
        """Describe what is pending and sort it by what the service says. The last look is the one at the deadline."""
        last = self.now >= self.batch.deadline
        asked = (*pending.unlisted, *pending.waiting)
        try:
            listed = self.service.describe(asked, self.batch.filters) if asked else {}
        except NonRetryableError:
            raise
        except ServiceError as error:
            return self._leave(pending, Outcome.NOT_STORED, error.code) if last else self._poll_failed(pending)
        rows = self.records.rows(export.id for export in listed.values() if export.status in ENDED)
        sorted_ = self._sort(pending, listed, rows)
        self.measure(self._detection_delays(pending, listed, rows), self._ages(listed, rows, sorted_))
        if last:
            self._leave(Pending(sorted_.unlisted, sorted_.waiting, pending.ready), Outcome.TIMED_OUT)
            sorted_ = Pending(ready=sorted_.ready)
        next_poll_at = self._next_poll_at(pending, listed, sorted_)
        after = replace(
            sorted_,
            polls=pending.polls + 1,
            stores=pending.stores,
            next_poll_at=next_poll_at,
            last_polled_at=self.now,
            last=last,
            backing_off=pending.backing_off,
        )
        return _assign_items(after, (*(() if last else pending.ready), *sorted_.ready))

    def _detection_delays(
        self, pending: Pending, listed: Mapping[str, Export], rows: Mapping[str, Row]
    ) -> list[timedelta]:
        """For each export that was in progress at the look before and has ended since: the time since that look."""
        waited = [each for each in pending.waiting if each in listed and listed[each].status in ENDED]
        ended = [each for each in waited if each in rows and rows[each].in_progress]
        return [self.now - pending.last_polled_at] * len(ended) if pending.last_polled_at else []

    def _ages(self, listed: Mapping[str, Export], rows: Mapping[str, Row], found: Pending) -> list[timedelta]:
        """Of what nobody can store yet, what is left at the deadline included, and of what could not be stored before.

        What is ready for the first time is about to be settled, however old it is.
        """
        tried = [each for each in found.ids if each in rows and (rows[each].last_error or rows[each].outcome)]
        late = dict.fromkeys((*found.waiting, *tried))
        return [self.now - listed[export_id].requested_at for export_id in late if export_id in listed]

    def _poll_failed(self, pending: Pending) -> Pending:
        """The service did not answer: nothing is known of its exports, so the next look tries again."""
        next_poll_at = self._next_poll_at(pending, {}, pending)
        return _assign_items(replace(pending, polls=pending.polls + 1, next_poll_at=next_poll_at), pending.ready)

    def _next_poll_at(self, pending: Pending, listed: Mapping[str, Export], sorted_: Pending) -> datetime:
        return next_poll_at(
            self.now,
            requested_at=self._requested(listed, sorted_),
            deadline=self.batch.deadline,
            polls=pending.polls + 1,
            settings=self.settings,
            jitter=self.jitter,
        )

    def _requested(self, listed: Mapping[str, Export], pending: Pending) -> list[datetime]:
        """When what is pending was asked for; for what is not listed yet, which nobody knows of, the run's start."""
        unlisted = [self.batch.started_at] * len(pending.unlisted)
        return [*unlisted, *(listed[each].requested_at for each in pending.ids if each in listed)]

    def _sort(self, pending: Pending, listed: Mapping[str, Export], rows: Mapping[str, Row]) -> Pending:
        """Settle what failed or was never found, and tell the ready from the waiting."""
        unlisted: list[str] = []
        waiting: list[str] = []
        ready: list[Item] = []
        new = set(pending.unlisted)
        for export_id in (*pending.unlisted, *pending.waiting):
            export = listed.get(export_id)
            row = rows.get(export_id)
            if export is None:
                (unlisted if export_id in new else waiting).append(export_id)
            elif row and row.is_final_for(self.batch.requested_at):
                self.records.announce_overdue(row)
            elif export.status == Status.FAILED:
                self._settle_failed(export, row, pending.polls + 1)
            elif self._storable(export, row):
                ready.append(Item(export_id, pending.polls + 1, without_url=not export.download_url))
            else:
                waiting.append(export_id)
                if self._without_url(export) and not (row and row.no_url_since):
                    self.records.mark_in_progress(export, without_url=True)
                elif export_id in new:
                    self.records.mark_in_progress(export)
        return Pending(self._still_unlisted(unlisted), tuple(waiting), tuple(ready))

    def _still_unlisted(self, unlisted: Sequence[str]) -> tuple[str, ...]:
        """A new id may appear late; one that has not by the end of the grace period never will."""
        if self.now - self.batch.started_at <= self.settings.not_found_grace:
            return tuple(unlisted)
        for export_id in unlisted:
            self.records.record_unsettled(export_id, Outcome.NOT_FOUND)
        return ()

    def _storable(self, export: Export, row: Row | None) -> bool:
        """Finished, with a link (it may come late, too), and not in the hands of another run."""
        if export.status != Status.SUCCEEDED or (row and row.claimed_by_other(self.batch.run_id, self.now)):
            return False
        if export.download_url:
            return True
        since = row.no_url_since if row else None
        return bool(since) and self.now - datetime.fromisoformat(str(since)) > self.settings.not_found_grace

    @staticmethod
    def _without_url(export: Export) -> bool:
        return export.status == Status.SUCCEEDED and not export.download_url

    def _settle_failed(self, export: Export, row: Row | None, polls: int) -> None:
        """An export that was FAILED when it was asked for again and still is keeps its row, announced as it was."""
        if row and row.outcome is Outcome.FAILED:
            self.records.announce_overdue(row)
        else:
            self.records.settle(export, Outcome.FAILED, {}, polls=polls)


def _assign_items(pending: Pending, ready: Sequence[Item]) -> Pending:
    """Hand the ready items out, as many as the history of the batch has room for; the others wait.

    After a round in which nothing could be stored, one goes ahead, and the others follow once something moves again: a
    source that is down for an hour does not use up the tries of the day. It is another one each time.
    """
    room = min(max(0, MAX_STORES - pending.stores), 1 if pending.backing_off else MAX_STORES)
    handed = tuple(ready[:room])
    held_back = (item.export_id for item in ready[room:])
    return replace(pending, waiting=(*pending.waiting, *held_back), ready=handed, stores=pending.stores + len(handed))
