"""One poll of the exports of a batch: which are ready to store, which have ended, and when to poll again."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any

from exports.errors import NonRetryableError, ServiceError
from exports.model import Export, Status
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Records, Row
from exports.runs import Batch, Described, Item, Service
from exports.settings import Settings
from exports.workflow.batch_state import Pending, failure_code
from exports.workflow.poll_interval import MAX_STORES, RESERVED_STORES, next_poll_at

Measure = Callable[[Sequence[timedelta], Sequence[timedelta]], None]
"""Takes the longest possible detection delays of ended exports, and the ages of pending ones."""

ENDED = frozenset({Status.SUCCEEDED, Status.FAILED})
NO_RESULT: Mapping[str, Any] = {}
CLOCK_SKEW = timedelta(seconds=1)
"""Tolerance for the function's clock: Step Functions ends a wait by its own clock."""
LEASE_RENEWAL = timedelta(minutes=30)
"""How often a run renews the leases of its pending exports."""
LAMBDA_ERRORS = frozenset(
    {
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ResourceConflictException",
        "Lambda.ResourceNotReadyException",
        "Lambda.EC2ThrottledException",
        "Lambda.EC2UnexpectedException",
        "Lambda.ENILimitReachedException",
        "Lambda.ENINotReadyException",
        "Lambda.SubnetIPAddressLimitReachedException",
    }
)
"""Throttling and faults of Lambda, as in the Retry of the workflow. The export is not at fault: it is polled again."""


@dataclass(frozen=True, slots=True)
class BatchPoll:
    """A poll of one batch at the time ``now``. ``jitter`` is 0 to 1; ``measure`` gets the findings of the poll."""

    batch: Batch
    service: Service
    records: Records
    settings: Settings
    now: datetime
    jitter: float
    measure: Measure

    def first_state(self) -> Pending:
        """The state before the first poll: every export of the batch that the catalog does not hold as settled."""
        rows = self.records.rows(self.batch.export_ids)
        final = {export_id for export_id, row in rows.items() if row.is_final_for(self.batch.requested_at)}
        for export_id in final:
            self.records.announce_overdue(rows[export_id])
        return Pending(unlisted=tuple(each for each in self.batch.export_ids if each not in final))

    def next_state(self, pending: Pending) -> Pending:
        """The state after this poll; empty once every export is settled or the last poll is done.

        The poll waits until ``next_poll_at``, so a round of storing does not cause an early poll.
        """
        pending = self._after_storing(pending)
        if pending.spent:
            return self._end(pending, Outcome.TIMED_OUT)
        if not pending.ids or (pending.next_poll_at and self.now < pending.next_poll_at - CLOCK_SKEW):
            return _assign_items(pending, pending.ready)
        try:
            return self._poll(pending)
        except NonRetryableError as error:
            return self._end(pending, Outcome.NOT_STORED, error.code)

    def _after_storing(self, pending: Pending) -> Pending:
        """Apply the results of storing: unfinished exports stay ready, those that must wait go back to waiting.

        An earlier version stored an export as several items, of which one remains.
        """
        ready: dict[str, Item] = {}
        waiting = dict.fromkeys(pending.waiting)
        # Each result is that of the item in the same place. An item without a result is polled again.
        for item, result in zip(pending.ready, chain(pending.results, repeat(NO_RESULT)), strict=False):
            if "error" in result and result["error"] not in LAMBDA_ERRORS:
                self.records.record_unsettled(item.export_id, Outcome.NOT_STORED, failure_code(result))
            elif result.get("progress") == "unfinished":
                ready[item.export_id] = item
            elif result.get("progress") != "settled":
                waiting[item.export_id] = None
        return replace(
            pending,
            waiting=tuple(export_id for export_id in waiting if export_id not in ready),
            ready=tuple(ready.values()),
            results=(),
            retries=pending.retries + sum(result.get("retries", 0) for result in pending.results),
            store_limit=_store_limit(pending.results) if pending.results else pending.store_limit,
        )

    def _end(self, pending: Pending, outcome: Outcome, reason: str | None = None) -> Pending:
        """Record ``outcome`` for every pending export. The default ``reason`` is the last error of storing it."""
        rows = {} if reason else self.records.rows(pending.ids)
        for export_id in pending.ids:
            last_error = rows[export_id].last_error if export_id in rows else None
            self.records.record_unsettled(export_id, outcome, reason or last_error)
        return Pending()

    def _poll(self, pending: Pending) -> Pending:
        """Describe the pending exports and sort them by status. The poll at the deadline is the last."""
        last = self.now >= self.batch.deadline
        if self._renewal_is_due(pending):
            self.records.renew_leases((*pending.waiting, *(item.export_id for item in pending.ready)))
        ids = (*pending.unlisted, *pending.waiting)
        try:
            listed = self.service.describe(ids, self.batch.filters) if ids else Described({})
        except NonRetryableError:
            raise
        except ServiceError as error:
            return self._end(pending, Outcome.NOT_STORED, error.code) if last else self._poll_failed(pending)
        ended = (export.id for export in listed.values() if export.status in ENDED)
        rows = self.records.rows((*ended, *listed.refused))
        found = self._sort(pending, listed, rows)
        self.measure(self._detection_delays(pending, listed, rows), self._ages(listed, rows, found))
        if last:
            pending, found = self._end_all_but_ready(pending, found)
        polled = replace(
            pending,
            unlisted=found.unlisted,
            waiting=found.waiting,
            polls=pending.polls + 1,
            next_poll_at=self._next_poll_at(pending, listed, found),
            last_polled_at=self.now,
            last=last,
        )
        return _assign_items(polled, (*pending.ready, *found.ready))

    def _end_all_but_ready(self, pending: Pending, found: Pending) -> tuple[Pending, Pending]:
        """Record TIMED_OUT for all exports but those that this poll found ready: they are stored in a last round."""
        self._end(Pending(found.unlisted, found.waiting, pending.ready), Outcome.TIMED_OUT)
        return replace(pending, ready=()), Pending(ready=found.ready)

    def _renewal_is_due(self, pending: Pending) -> bool:
        """Whether a multiple of LEASE_RENEWAL since the start of the run has passed since the last answered poll."""
        if pending.last_polled_at is None:
            return False
        before, now = (moment - self.batch.started_at for moment in (pending.last_polled_at, self.now))
        return before // LEASE_RENEWAL < now // LEASE_RENEWAL

    def _detection_delays(
        self, pending: Pending, listed: Mapping[str, Export], rows: Mapping[str, Row]
    ) -> list[timedelta]:
        """For each export that was in progress at the last poll and has ended since: the time since that poll."""
        waited = [each for each in pending.waiting if each in listed and listed[each].status in ENDED]
        ended = [each for each in waited if each in rows and rows[each].in_progress]
        return [self.now - pending.last_polled_at] * len(ended) if pending.last_polled_at else []

    def _ages(self, listed: Mapping[str, Export], rows: Mapping[str, Row], found: Pending) -> list[timedelta]:
        """Ages of exports that cannot be stored yet, also at the deadline, and of those that failed to be stored.

        An export that is ready for the first time is excluded at any age, because it is about to be settled.
        """
        tried = [each for each in found.ids if each in rows and (rows[each].last_error or rows[each].outcome)]
        late = dict.fromkeys((*found.waiting, *tried))
        return [self.now - self._requested_at(listed[export_id]) for export_id in late if export_id in listed]

    def _poll_failed(self, pending: Pending) -> Pending:
        """Keep the state after a poll that the service did not answer; the next poll tries again."""
        next_poll_at = self._next_poll_at(pending, {}, pending)
        return _assign_items(replace(pending, polls=pending.polls + 1, next_poll_at=next_poll_at), pending.ready)

    def _next_poll_at(self, pending: Pending, listed: Mapping[str, Export], found: Pending) -> datetime:
        return next_poll_at(
            self.now,
            requested_at=self._requested(listed, found),
            deadline=self.batch.deadline,
            polls=pending.polls + 1,
            settings=self.settings,
            jitter=self.jitter,
        )

    def _requested(self, listed: Mapping[str, Export], pending: Pending) -> list[datetime]:
        """Request times of the pending exports; the run's start for those that the service does not list yet."""
        unlisted = [self.batch.started_at] * len(pending.unlisted)
        return [*unlisted, *(self._requested_at(listed[each]) for each in pending.ids if each in listed)]

    def _requested_at(self, export: Export) -> datetime:
        return export.requested_at if export.has_request_time else self.batch.started_at

    def _sort(self, pending: Pending, listed: Described, rows: Mapping[str, Row]) -> Pending:
        """Settle exports that failed, were refused or never found; split the others by what they need next."""
        unlisted: list[str] = []
        waiting: list[str] = []
        ready: list[Item] = []
        new = set(pending.unlisted)
        for export_id in (*pending.unlisted, *pending.waiting):
            export = listed.get(export_id)
            row = rows.get(export_id)
            if export_id in listed.refused:
                unknown = export_id in new and self.batch.retries_rejected and not (row and row.was_listed)
                outcome = Outcome.NOT_FOUND if unknown else Outcome.NOT_STORED
                self.records.record_unsettled(export_id, outcome, listed.refused[export_id])
            elif export is None:
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
                    self.records.mark_no_url(export)
                    self.records.renew_leases([export_id])
                elif export_id in new:
                    self.records.mark_in_progress(export)
        return Pending(self._still_unlisted(unlisted, listed.unanswered), tuple(waiting), tuple(ready))

    def _still_unlisted(self, unlisted: Sequence[str], unanswered: Set[str]) -> tuple[str, ...]:
        """The service may list a new id late. After the grace period, an unlisted id counts as not found.

        So it does at an earlier deadline: with a deadline of a minute, each caller of a run could make thousands of ids
        that do not exist TIMED_OUT, whose items never expire.
        """
        if self.now < min(self.batch.deadline, self.batch.started_at + self.settings.not_found_grace):
            return tuple(unlisted)
        for export_id in unlisted:
            if export_id not in unanswered:
                self.records.record_unsettled(export_id, Outcome.NOT_FOUND)
        return tuple(export_id for export_id in unlisted if export_id in unanswered)

    def _storable(self, export: Export, row: Row | None) -> bool:
        """Finished, not claimed by another run, and with a URL (it may come late) or past the grace period for it."""
        if export.status != Status.SUCCEEDED or (row and row.claimed_by_other(self.batch.run_id, self.now)):
            return False
        if export.download_url:
            return True
        since = row.no_url_since if row else None
        return since is not None and self.now - since > self.settings.not_found_grace

    @staticmethod
    def _without_url(export: Export) -> bool:
        return export.status == Status.SUCCEEDED and not export.download_url

    def _settle_failed(self, export: Export, row: Row | None, polls: int) -> None:
        """An export that was FAILED before this run requested it again, and still is, keeps its item and its event."""
        if row and row.outcome is Outcome.FAILED:
            self.records.announce_overdue(row)
        else:
            self.records.settle(export, Outcome.FAILED, {}, polls=polls)


def _store_limit(results: Sequence[Mapping[str, Any]]) -> int | None:
    """How many exports the next round may store; None for all.

    After a round that stored nothing, one. After a round that Lambda throttled, as many as got through: the others
    would use up the retries of the batch without a chance. Once nothing is throttled, all.
    """
    advanced = sum(result.get("progress") in ("settled", "unfinished") for result in results)
    throttled = any(result.get("error") in LAMBDA_ERRORS for result in results)
    return max(1, advanced) if throttled or not advanced else None


def _assign_items(pending: Pending, ready: Sequence[Item]) -> Pending:
    """Assign the ready items to storing, within the MAX_STORES of the batch; the others wait.

    Items with fewer attempts come first, and RESERVED_STORES are kept for every other pending export. So neither a
    source that is down for an hour nor an export that never finishes uses up the attempts of the others.
    """
    left = max(0, MAX_STORES - pending.stores)
    limit = min(left, pending.store_limit or MAX_STORES)
    ids = [*pending.unlisted, *pending.waiting, *(item.export_id for item in ready)]
    attempts = {export_id: pending.attempts.get(export_id, 0) for export_id in ids}
    unreserved = left - sum(max(0, RESERVED_STORES - count) for count in attempts.values())
    chosen: list[Item] = []
    held_back: list[str] = []
    for item in sorted(ready, key=lambda item: attempts[item.export_id]):
        reserved = attempts[item.export_id] < RESERVED_STORES
        if len(chosen) < limit and (reserved or unreserved > 0):
            chosen.append(item)
            attempts[item.export_id] += 1
            unreserved -= not reserved
        else:
            held_back.append(item.export_id)
    return replace(
        pending,
        waiting=(*pending.waiting, *held_back),
        ready=tuple(chosen),
        stores=pending.stores + len(chosen),
        attempts=attempts,
    )
