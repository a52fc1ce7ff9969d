"""Exports that were requested: looked for, handed over to a run, and settled when the catalog has their outcome."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from exports.aws.error_codes import INVALID_REQUEST, LISTING_TOOK_TOO_LONG, canonical
from exports.collecting.account_state import KindState
from exports.collecting.agent_state import AgentState, PendingRequest, Stopped
from exports.collecting.invocation import Invocation
from exports.collecting.matching import has_no_range, has_range, is_after, own_range
from exports.collecting.setting import Kind
from exports.collecting.settling import ALREADY_PRESENT, failed_kind, failed_to_differ, is_settled, settle, settle_kind
from exports.collecting.states import States
from exports.errors import ServiceError
from exports.model import Export, Status, utc_text
from exports.outcomes.rows import Row
from exports.runs import Filters

HAND_OVER_AGAIN = timedelta(hours=1)
"""After a run could not store an export, the next one is started after this time."""
START_FAILED = "StartExportTask failed, and the service lists no export that it has started."
"""Why a summary or recommendations are requested again after a time only."""


class Service(Protocol):
    """Application Discovery Service: :class:`exports.aws.discovery.DiscoveryService`."""

    def describe(
        self, export_ids: Sequence[str] = (), filters: Filters = (), has_time: Callable[[], bool] = ...
    ) -> Mapping[str, Export]: ...


class Exports(Protocol):
    """The catalog: :class:`exports.outcomes.catalog.Catalog`."""

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]: ...
    def record_purpose(self, export_id: str, purpose: Mapping[str, str]) -> None: ...


@dataclass(slots=True)
class RequestedExports:
    """The exports of the collector that are not settled: :meth:`follow_all` first, then those that the tick starts.

    ``grace`` is how long the service may take to list a new export. Every intent in the states was written before its
    request, so one without an export ID may or may not have started an export.
    """

    states: States
    service: Service
    catalog: Exports
    grace: timedelta
    invocation: Invocation
    export_ids: list[str] = field(default_factory=list)
    """Exports for which a run is to be started."""
    started: int = 0
    """Exports whose start became known in this tick."""
    in_progress: int = 0
    """Exports that the service has perhaps not finished."""
    unsettled: int = 0
    gained: bool = False
    """Whether an export has added to what is covered."""

    def follow_all(self) -> None:
        """Agents are first: their lists are short, while that of all exports may use up the time of the tick."""
        waiting: list[AgentState | KindState] = [
            *(state for state in self.states.agents.values() if state.pending),
            *(state for state in self.states.account.kinds.values() if state.pending),
        ]
        found = [self._resolve(state) if _export_id(state) is None else state for state in waiting]
        rows = self.catalog.rows([export_id for state in found if (export_id := _export_id(state))])
        for state in found:
            if export_id := _export_id(state):
                self._follow(state, rows.get(export_id))
            elif state.pending:
                self.count_unsettled()

    def add(self, state: AgentState | KindState, export_id: str) -> None:
        """Record the export that was started for the intent of the state."""
        assert state.pending
        pending = replace(state.pending, export_id=export_id, handed_at=self.invocation.now)
        if isinstance(state, AgentState) and state.stopped and state.stopped.is_refusal:
            state = replace(state, stopped=None)  # the service refuses it no more
        self.started += 1
        self.count_unsettled()
        self.states.save(replace(state, pending=pending))
        self.catalog.record_purpose(export_id, purpose_of(state))
        self.export_ids.append(export_id)

    def adopt(self, state: AgentState | KindState, export_id: str) -> None:
        """Take an export that exists already for the requested one. Its own range decides what is covered.

        One that has failed, is deleted or is of another agent counts as failed: no run would change its catalog item.
        """
        pending = state.pending
        assert pending
        try:
            export = self.service.describe([export_id], _filters(state)).get(export_id)
        except ServiceError as error:
            if canonical(error.code) not in INVALID_REQUEST:
                self.states.save(replace(state, pending=None))
                self.invocation.note(error, "DescribeExportTasks", "existing export not described, will retry")
                return
            export = None
        if export is None or export.status == Status.FAILED:
            if isinstance(state, AgentState):
                self.states.save(failed_to_differ(state, self.invocation.now))
            else:
                self.states.save(failed_kind(state, ALREADY_PRESENT))
            return
        self.invocation.info("existing export adopted", export_id=export_id, requested_at=utc_text(export.requested_at))
        adopted = replace(pending, export_id=export_id)
        if isinstance(state, AgentState):
            adopted = replace(adopted, adopted=own_range(export, pending))
        found = self.states.save(replace(state, pending=adopted))
        self._follow(found, self.catalog.rows([export_id]).get(export_id))

    def count_unsettled(self, *, finished: bool = False) -> None:
        """``finished``: by the service, so that it has a free slot; it is not stored yet."""
        self.unsettled += 1
        self.in_progress += not finished

    def _resolve(self, state: AgentState | KindState) -> AgentState | KindState:
        """The state after a search for the export of an intent that has no ID: its tick was killed, or the call failed.

        The service may list a new export late. After the grace period, an unlisted one was never started. The list for
        a summary or recommendations, that of all exports, may be too long for a tick: the search is then given up, too.
        A search that fails keeps no other one from its turn; each begins only if there is time for a call without an
        answer.
        """
        pending, now = state.pending, self.invocation.now
        assert pending
        if not self.invocation.has_time():
            return state
        is_overdue = now - pending.intent_at >= self.grace
        try:
            described = self.service.describe(filters=_filters(state), has_time=self.invocation.has_time)
        except ServiceError as error:
            if isinstance(state, AgentState) and canonical(error.code) in INVALID_REQUEST:
                return self.states.save(replace(state, pending=None, stopped=Stopped(error.code, now)))
            self.invocation.note(error, "DescribeExportTasks", "search for a requested export failed, will retry")
            is_too_long = isinstance(state, KindState) and error.code == LISTING_TOOK_TOO_LONG
            return self._give_up(state) if is_overdue and is_too_long else state
        matching = self._matching(state, described.values())
        if matching:
            export = max(matching, key=lambda each: (each.status != Status.FAILED, each.requested_at, each.id))
            self.started += 1
            return self.states.save(replace(state, pending=replace(pending, export_id=export.id)))
        return self._give_up(state) if is_overdue else state

    def _matching(self, state: AgentState | KindState, exports: Iterable[Export]) -> list[Export]:
        """Those of the exports that the request may have started.

        Exports without a range are of a summary or recommendations. The catalog has the purpose of those whose request
        is known.
        """
        pending = state.pending
        assert pending
        new = [each for each in exports if is_after(each, pending.intent_at) and each.id not in state.tried]
        if isinstance(state, AgentState):
            return [each for each in new if has_range(each, pending)]
        without_range = [each for each in new if has_no_range(each)]
        rows = self.catalog.rows(each.id for each in without_range)
        return [each for each in without_range if each.id not in rows or "askedFor" not in rows[each.id].item]

    def _give_up(self, state: AgentState | KindState) -> AgentState | KindState:
        """The state after a search that has found no export: another agent is next, or, for a time, other kinds."""
        if isinstance(state, AgentState):
            return self.states.save(replace(state, pending=None, failed_in_a_row=state.failed_in_a_row + 1))
        return self.states.save(replace(state, pending=None).with_block(START_FAILED, self.invocation.now))

    def _follow(self, state: AgentState | KindState, row: Row | None) -> None:
        """Settle the requested export, or hand it over if no run waits for it."""
        pending, now = state.pending, self.invocation.now
        assert pending
        assert pending.export_id
        if row is None or "askedFor" not in row.item:
            self.catalog.record_purpose(pending.export_id, purpose_of(state))
        if row is not None and is_settled(row, pending, now):
            self._settle(state, row)
            return
        self.count_unsettled(finished=row is not None and row.was_listed and not row.in_progress)
        if needs_run(row, pending, now):
            if pending.handed_at is None or (row is not None and row.outcome is not None):
                self.states.save(replace(state, pending=replace(pending, handed_at=now)))
            self.export_ids.append(pending.export_id)

    def _settle(self, state: AgentState | KindState, row: Row) -> None:
        if isinstance(state, KindState):
            self.states.save(settle_kind(state, row))
            return
        settled = self.states.save(settle(state, row, self.invocation.now))
        self.gained = self.gained or settled.covered != state.covered


def purpose_of(state: AgentState | KindState) -> dict[str, str]:
    """What the export of the state was requested for, as the catalog, the manifest and the event say it.

    For an export that existed already, it is the range of that export.
    """
    pending = state.pending
    assert pending
    if isinstance(state, KindState):
        return {"kind": state.kind}
    start, end = pending.adopted or (pending.start, pending.end)
    times = {"from": start, "to": end}
    return {
        "kind": Kind.AGENT,
        "agentId": state.agent_id,
        **{name: utc_text(time) for name, time in times.items() if time},
    }


def needs_run(row: Row | None, pending: PendingRequest, now: datetime) -> bool:
    """Whether no run waits for the export: none was started, or it ended without storing it.

    A run that waits shows that in the row, so a hand-over that a kill has prevented is repeated.
    """
    if row is None or row.outcome is None:
        lease = row.time("pendingLease") if row else None
        return lease is None or lease < now
    return pending.handed_at is None or now - pending.handed_at >= HAND_OVER_AGAIN


def _export_id(state: AgentState | KindState) -> str | None:
    return state.pending.export_id if state.pending else None


def _filters(state: AgentState | KindState) -> Sequence[Mapping[str, Any]]:
    if isinstance(state, KindState):
        return ()
    return [{"name": "agentIds", "condition": "EQUALS", "values": [state.agent_id]}]
