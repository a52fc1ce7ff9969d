"""One tick of collecting: settle what was requested, request what is next, and say what is covered.

The order of writes makes a kill at any point safe. The intent is written before the request, the export's id after it.
The next tick finds an intent without an id, and looks for the export in the list of the service before it requests
the range again. Only one tick runs at a time; a killed one holds the lock until its invocation would have ended.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from exports.aws.error_codes import INVALID_REQUEST, canonical
from exports.collecting.account_state import AccountState, KindState, Starts, is_agent
from exports.collecting.agent_state import DATA_DELAY, AgentState, Asked, Stopped
from exports.collecting.agents import (
    Agent,
    AlreadyPresent,
    LimitReached,
    OutcomeUnknown,
    Request,
    RequestRefused,
    SlotsTaken,
    StartingService,
)
from exports.collecting.choosing import is_selected, next_range, queue
from exports.collecting.coverage import Coverage, coverage_of, expected_at, read_agent
from exports.collecting.ranges import whole_second
from exports.collecting.setting import CollectSetting, Kind
from exports.collecting.settling import ATTEMPTS, failed_to_differ, is_settled, settle
from exports.collecting.table import Table
from exports.errors import NonRetryableError, ServiceError
from exports.model import Export, Status, utc_text
from exports.outcomes.rows import Row
from exports.runs import Service

MAX_IN_PROGRESS = 5
"""Agent exports that may be in progress in an account at a time: AWS's quota. Here, exports of any kind count."""
MAX_UNSETTLED = 20
"""Exports of the collector that are not stored. If storing keeps failing, no more are started."""
MAX_REFUSED = 10
"""Requests of a tick that the service does not accept."""
CLOCK_SKEW = timedelta(minutes=2)
"""The service's time of a request may be this much before ours."""
REFRESH = timedelta(hours=6)
"""How old the last ping of an agent in the table may be, and the list of servers."""
HAND_OVER_AGAIN = timedelta(hours=1)
"""After a run could not store an export, the next one is started after this time."""
NOT_STARTED = "StartExportTask failed, and the export was not started."
GAP_EVENT = "Coverage Gap"
COVERED_EVENT = "Agent Covered"

State = TypeVar("State", bound=AgentState | KindState)


class Exports(Protocol):
    """The catalog: :class:`exports.outcomes.catalog.Catalog`."""

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]: ...
    def ask_for(self, export_id: str, asked_for: Mapping[str, str]) -> None: ...


Log = Callable[..., None]
"""Logs a warning with its fields."""


@dataclass(slots=True)
class Tick:
    """Call :meth:`run` once, with the lock. ``now`` is the time of the tick, ``has_time`` whether there is time left.

    ``grace`` is how long the service may take to list a new export. ``publish`` publishes an event with its type and
    data. A call of the service that fails is left to the next tick, and ends no other work of this one.
    """

    table: Table
    service: Service
    starting: StartingService
    catalog: Exports
    publish: Callable[[str, Mapping[str, Any]], None]
    setting: CollectSetting
    now: datetime
    grace: timedelta
    has_time: Callable[[], bool]
    log: Log
    export_ids: list[str] = field(default_factory=list)
    """Exports for which a run is to be started."""
    started: int = 0
    refused: int = 0
    error: NonRetryableError | None = None
    """A permission that is missing, or a setting that is wrong. No export is started."""
    _agents: dict[str, AgentState] = field(default_factory=dict)
    _kinds: dict[Kind, KindState] = field(default_factory=dict)
    _account: AccountState = field(default_factory=lambda: AccountState.from_items([]))
    _starts: Starts = field(default_factory=Starts)
    _without_exports: set[str] = field(default_factory=set)
    """Connectors and collectors."""
    _unreadable: set[str] = field(default_factory=set)
    """Agents whose items cannot be read; they are left alone."""
    _unsaved: dict[str, None] = field(default_factory=dict)
    _in_progress: int = 0
    _unsettled: int = 0
    _ended: bool = False
    """No more starts in this tick."""
    _ended_kinds: set[Kind] = field(default_factory=set)
    """No more starts of these kinds in this tick."""
    _gained: bool = False

    def run(self) -> Coverage:
        """Raises SaveConflict if another tick took the lock."""
        self._load()
        self._follow_all()
        if self.setting.agents:
            self._refresh_agents()
        self._select_agents()
        self._start_all()
        self._save_unsaved()
        self._announce()
        return self._measure()

    @property
    def blocked(self) -> list[Kind]:
        """The kinds that the service permits no start of at present."""
        return [kind for kind, state in self._kinds.items() if state.is_blocked(self.now)]

    @property
    def observed_since(self) -> datetime | None:
        """The time of the first tick, or of one a week ago."""
        snapshots = self._account.progress.snapshots
        return snapshots[0].at if snapshots else None

    # --- state ---

    def _load(self) -> None:
        items = self.table.items()
        self._account = AccountState.from_items([item for item in items if not is_agent(item)])
        self._kinds = dict(self._account.kinds)
        self._starts = self._account.starts
        for item in items:
            if is_agent(item):
                state = read_agent(item)
                if state:
                    self._agents[state.agent_id] = state
                else:
                    self._unreadable.add(item["agentId"])
                    self.log("item of the collecting table not readable", agent_id=item["agentId"])
        since = self.setting.agents.since if self.setting.agents else None
        if self._kinds[Kind.AGENT].since != since:
            self._save(replace(self._kinds[Kind.AGENT], since=since))
        for known in list(self._kinds.values()):
            if known.blocked_since and not self._is_on(known.kind):
                self._save(known.without_block())

    def _save(self, state: State) -> State:
        saved = replace(state, version=self.table.save(state.to_json(), state.version))
        self._keep(saved)
        return saved

    def _keep(self, state: AgentState | KindState) -> None:
        if isinstance(state, AgentState):
            self._agents[state.agent_id] = state
            self._unsaved.pop(state.agent_id, None)
        else:
            self._kinds[state.kind] = state

    # --- exports that were requested ---

    def _follow_all(self) -> None:
        asked: list[AgentState | KindState] = [
            *(state for state in self._kinds.values() if state.asked),
            *(state for state in self._agents.values() if state.asked),
        ]
        found = [self._resolve(state) if _export_id(state) is None else state for state in asked]
        rows = self.catalog.rows([export_id for state in found if (export_id := _export_id(state))])
        for state in found:
            if state.asked and state.asked.export_id is None:
                self._count_unsettled(finished=False)
            elif state.asked:
                self._follow(state, rows.get(state.asked.export_id or ""))

    def _resolve(self, state: AgentState | KindState) -> AgentState | KindState:
        """The state after a look for the export of an intent that has no id: its tick was killed, or the call failed.

        The service may list a new export late. After the grace period, an unlisted one was never started. Others are
        then started first: another agent, or, for a time, exports of other kinds.
        """
        asked = state.asked
        assert asked
        is_agent_export = isinstance(state, AgentState)
        filters = _agent_filter(state.agent_id) if isinstance(state, AgentState) else ()
        try:
            described = self.service.describe(filters=filters)
        except ServiceError as error:
            if isinstance(state, AgentState) and canonical(error.code) in INVALID_REQUEST:
                return self._save(replace(state, asked=None, stopped=Stopped(error.code, self.now)))
            self._note(error, "requested export not looked for, will retry")
            return state
        matching = [
            each
            for each in described.values()
            if _is_after(each, asked.intent_at - CLOCK_SKEW)
            and each.id not in state.tried
            and (_has_range(each, asked) if is_agent_export else _has_no_range(each))
        ]
        if not is_agent_export:
            rows = self.catalog.rows(each.id for each in matching)
            matching = [each for each in matching if each.id not in rows or "askedFor" not in rows[each.id].item]
        if matching:
            export = max(matching, key=lambda each: (each.status != Status.FAILED, each.requested_at, each.id))
            self.started += 1
            return self._save(replace(state, asked=replace(asked, export_id=export.id)))
        if self.now - asked.intent_at >= self.grace:
            if isinstance(state, AgentState):
                return self._save(replace(state, asked=None, failed_in_a_row=state.failed_in_a_row + 1))
            return self._save(replace(state, asked=None).with_block(NOT_STARTED, self.now))
        return state

    def _follow(self, state: AgentState | KindState, row: Row | None) -> None:
        """Settle the requested export, or hand it over if no run waits for it."""
        asked = state.asked
        assert asked
        assert asked.export_id
        if row is None or "askedFor" not in row.item:
            self.catalog.ask_for(asked.export_id, asked_for(state))
        if row is not None and is_settled(row, asked, self.now):
            self._settle(state, row)
            return
        self._count_unsettled(finished=row is not None and row.was_listed and not row.in_progress)
        if needs_run(row, asked, self.now):
            if asked.handed_at is None or (row is not None and row.outcome is not None):
                self._save(replace(state, asked=replace(asked, handed_at=self.now)))
            self.export_ids.append(asked.export_id)

    def _settle(self, state: AgentState | KindState, row: Row) -> None:
        if isinstance(state, KindState):
            self._save(settle_kind(state, row))
            return
        settled = settle(state, row, self.now)
        if settled.covered != state.covered:
            self._gained = True
        self._save(settled)

    def _count_unsettled(self, *, finished: bool) -> None:
        """``finished``: by the service, so that it has a free slot; it is not stored yet."""
        self._unsettled += 1
        self._in_progress += not finished

    def _note(self, error: ServiceError, message: str) -> None:
        """Log the failure of a call. After one that no retry can mend, nothing is started."""
        self.log(message, error=error.code)
        if isinstance(error, NonRetryableError):
            self.error = error
            self._ended = True

    # --- agents ---

    def _refresh_agents(self) -> None:
        """Take over what the service says of its agents. If it fails, the table's knowledge is used."""
        setting = self.setting.agents
        assert setting
        try:
            agents, complete = self.starting.agents(self.has_time)
        except ServiceError as error:
            self._note(error, "agents not listed, will retry")
            return
        self._without_exports = {agent.id for agent in agents if not agent.has_exports}
        for agent in agents:
            if agent.has_exports and (setting.ids is None or agent.id in setting.ids):
                self._update(agent)
        if not complete:
            return
        deleted = setting.ids if setting.ids is not None else self._server_agent_ids()
        for agent_id in sorted(deleted):
            if agent_id not in self._agents and agent_id not in self._without_exports:
                self._update(Agent(agent_id))

    def _server_agent_ids(self) -> Sequence[str]:
        """The agents of all servers, deleted ones among them; nothing if they were listed a short time ago."""
        state = self._kinds[Kind.AGENT]
        if state.servers_at and self.now - state.servers_at < REFRESH:
            return ()
        try:
            ids, complete = self.starting.server_agent_ids(self.has_time)
        except ServiceError as error:
            self._note(error, "servers not listed, will retry")
            return ()
        if complete:
            self._save(replace(state, servers_at=self.now))
        return ids

    def _update(self, agent: Agent) -> None:
        if agent.id in self._unreadable:
            return
        known = self._agents.get(agent.id)
        state = (known or AgentState(agent.id, seen_at=self.now)).described_by(agent)
        if state is known:
            return
        self._agents[agent.id] = state
        if known is None or _differs(known, state):
            self._unsaved[agent.id] = None

    def _select_agents(self) -> None:
        """An agent that is not in the setting any more counts in no coverage, but what is known of it stays."""
        setting = self.setting.agents
        for agent_id, state in list(self._agents.items()):
            selected = setting is not None and is_selected(state, setting)
            if selected != state.selected:
                self._agents[agent_id] = replace(state, selected=selected)
                self._unsaved[agent_id] = None

    def _save_unsaved(self) -> None:
        for agent_id in list(self._unsaved):
            if not self.has_time():
                return
            self._save(self._agents[agent_id])

    # --- starts ---

    def _start_all(self) -> None:
        for kind in (Kind.SUMMARY, Kind.RECOMMENDATIONS):
            if self._may_start(kind) and self._is_due(kind):
                self._start_kind(self._kinds[kind])
        setting = self.setting.agents
        if not setting or not self._may_start(Kind.AGENT):
            return
        states = (state for state in self._agents.values() if state.agent_id not in self._without_exports)
        waiting = queue(states, setting, self.now)
        if not waiting and self._kinds[Kind.AGENT].blocked_since:
            self._save(self._kinds[Kind.AGENT].without_block())  # nothing is refused any more
        for state in waiting:
            if not self._may_start(Kind.AGENT):
                return
            chosen = next_range(state, setting, self.now)
            if chosen:
                start, end = chosen
                request = Request(Kind.AGENT, agent_id=state.agent_id, start=start, end=end)
                self._start(state, Asked(start, end, self.now), request)

    def _may_start(self, kind: Kind) -> bool:
        limit = self.setting.max_starts_per_day
        return (
            not self._ended
            and kind not in self._ended_kinds
            and not self._kinds[kind].is_blocked(self.now)
            and self._in_progress < MAX_IN_PROGRESS
            and self._unsettled < MAX_UNSETTLED
            and (limit is None or self._starts.within_day(self.now) < limit)
            and self.has_time()
        )

    def _is_due(self, kind: Kind) -> bool:
        """Whether an export of the kind is due and none is in progress.

        Two intents of different kinds without an id could not be told apart in the list of the service.
        """
        state, due = self._kinds[kind], self._account.due.get(kind)
        unknown = any(each.asked and each.asked.export_id is None for each in self._kinds.values())
        is_new = due is not None and (state.done_for is None or due > state.done_for)
        return self._is_on(kind) and is_new and not state.asked and not unknown

    def _is_on(self, kind: Kind) -> bool:
        setting = self.setting
        on = {
            Kind.SUMMARY: setting.summary,
            Kind.AGENT: setting.agents is not None,
            Kind.RECOMMENDATIONS: setting.recommendations is not None,
        }
        return on[kind]

    def _start_kind(self, state: KindState) -> None:
        preferences = self.setting.recommendations if state.kind is Kind.RECOMMENDATIONS else None
        asked = Asked(None, self._account.due[state.kind], self.now)
        self._start(state, asked, Request(state.kind, preferences=preferences))

    def _start(self, state: AgentState | KindState, asked: Asked, request: Request) -> None:
        """Request an export: the start is counted, the intent written, the request made, its id written."""
        self._count_start()
        state = self._save(replace(state, asked=asked))
        try:
            export_id = self.starting.start(request)
        except OutcomeUnknown as error:
            self.log("export perhaps started, will look for it", kind=request.kind, error=str(error))
            self._count_unsettled(finished=False)
            self._ended_kinds.add(request.kind)
            return
        except NonRetryableError as error:
            self._take_back(state)
            self._note(error, "export not started, will retry")
            return
        except SlotsTaken:
            self._take_back(state)
            self._ended_kinds.add(request.kind)
            return
        except LimitReached as limit:
            self.log("starts refused for a time", kind=request.kind, text=str(limit))
            state = self._take_back(state)
            kind = state if isinstance(state, KindState) else self._kinds[request.kind]
            self._save(kind.with_block(str(limit), self.now))
            return
        except AlreadyPresent as present:
            self._forget_start()
            self._adopt(state, present.export_id)
            return
        except RequestRefused as error:
            self.log("request refused", kind=request.kind, agent_id=request.agent_id, error=str(error))
            self._refuse(self._take_back(state), str(error))
            return
        self.started += 1
        self._count_unsettled(finished=False)
        self._save(replace(state, asked=replace(asked, export_id=export_id, handed_at=self.now)))
        self.catalog.ask_for(export_id, asked_for(state))
        self.export_ids.append(export_id)
        kind = self._kinds[request.kind]
        if kind.blocked_since:
            self._save(kind.without_block())

    def _take_back(self, state: State) -> State:
        """The state without its intent, after a refusal: nothing was started."""
        self.refused += 1
        self._ended = self._ended or self.refused >= MAX_REFUSED
        self._forget_start()
        return self._save(replace(state, asked=None))

    def _refuse(self, state: AgentState | KindState, code: str) -> None:
        if isinstance(state, AgentState):
            self._save(replace(state, stopped=Stopped(code, self.now)))
        else:
            self._save(replace(state, done_for=self._account.due[state.kind], last_error=code))

    def _adopt(self, state: AgentState | KindState, export_id: str) -> None:
        """Take an export that exists already for the requested one. Its own range decides what is covered."""
        asked = state.asked
        assert asked
        filters = _agent_filter(state.agent_id) if isinstance(state, AgentState) else ()
        try:
            export = self.service.describe([export_id], filters).get(export_id)
        except ServiceError as error:
            if canonical(error.code) not in INVALID_REQUEST:
                self._save(replace(state, asked=None))
                self._note(error, "existing export not described, will retry")
                return
            export = None
        if isinstance(state, KindState):
            adopted = self._save(replace(state, asked=replace(asked, export_id=export_id)))
            self._follow(adopted, self.catalog.rows([export_id]).get(export_id))
        elif export is None:  # of another agent, or deleted: the same request would name it again
            self._save(failed_to_differ(state, self.now))
        else:
            own = None if _has_range(export, asked) and _is_late_enough(export, asked.end) else _range_of(export)
            found = self._save(replace(state, asked=replace(asked, export_id=export_id, adopted=own)))
            self._follow(found, self.catalog.rows([export_id]).get(export_id))

    def _count_start(self) -> None:
        if self.setting.max_starts_per_day is not None:
            self._save_starts(self._starts.with_start(self.now))

    def _forget_start(self) -> None:
        if self.setting.max_starts_per_day is not None:
            self._save_starts(self._starts.without_start(self.now))

    def _save_starts(self, starts: Starts) -> None:
        self._starts = replace(starts, version=self.table.save(starts.to_json(), starts.version))

    # --- results ---

    def _announce(self) -> None:
        """Publish the events of gaps and covered agents, then record that they are published."""
        for state in list(self._agents.values()):
            gaps = [gap for gap in state.gaps if not gap.announced]
            covered = self._is_newly_covered(state)
            if not (gaps or covered):
                continue
            if not self.has_time():
                return
            try:
                for gap in gaps:
                    start, end = gap.range.to_json()
                    data = {"agentId": state.agent_id, "from": start, "to": end, "reason": gap.reason}
                    self.publish(GAP_EVENT, data)
                if covered:
                    self.publish(COVERED_EVENT, self._covered_data(state))
            except ServiceError as error:
                self.log("event not published, will retry", agent_id=state.agent_id, error=error.code)
                return
            announced = tuple(replace(gap, announced=True) for gap in state.gaps)
            self._save(replace(state, gaps=announced, announced_covered=state.announced_covered or covered))

    def _is_newly_covered(self, state: AgentState) -> bool:
        setting = self.setting.agents
        if setting is None or state.announced_covered or state.asked or state.stopped:
            return False
        wanted = state.wanted(setting.since, self.now)
        return bool(wanted and wanted.length and state.covered and not state.due(wanted, self.now))

    def _covered_data(self, state: AgentState) -> dict[str, Any]:
        wanted = state.wanted(self.setting.agents.since if self.setting.agents else None, self.now)
        assert wanted
        start, end = wanted.to_json()
        return {"agentId": state.agent_id, "from": start, "to": end, "gaps": len(state.gaps)}

    def _measure(self) -> Coverage:
        account = replace(self._account, kinds=self._kinds)
        found = coverage_of(self._agents.values(), account, self.now)
        progress = account.progress.with_snapshot(self.now, found.uncovered)
        if self._gained:
            progress = replace(progress, last_progress_at=self.now)
        if progress != account.progress:
            self.table.save(progress.to_json(), progress.version)
        expected = expected_at(progress, found.uncovered, self.now)
        return replace(found, expected_at=expected, last_progress_at=progress.last_progress_at)


def asked_for(state: AgentState | KindState) -> dict[str, str]:
    """What the export of the state was requested for, as the catalog, the manifest and the event say it.

    For an export that existed already, it is the range of that export.
    """
    asked = state.asked
    assert asked
    if isinstance(state, KindState):
        return {"kind": state.kind}
    start, end = asked.adopted or (asked.start, asked.end)
    times = {"from": start, "to": end}
    return {
        "kind": Kind.AGENT,
        "agentId": state.agent_id,
        **{name: utc_text(time) for name, time in times.items() if time},
    }


def needs_run(row: Row | None, asked: Asked, now: datetime) -> bool:
    """Whether no run waits for the export: none was started, or it ended without storing it.

    A run that waits shows that in the row, so a hand-over that a kill has prevented is repeated.
    """
    if row is None or row.outcome is None:
        lease = row.time("pendingLease") if row else None
        return lease is None or lease < now
    return asked.handed_at is None or now - asked.handed_at >= HAND_OVER_AGAIN


def settle_kind(state: KindState, row: Row) -> KindState:
    """The state after a summary or recommendations; a failed export is requested again, three times in all."""
    asked = state.asked
    assert asked
    if row.outcome is not None and row.outcome.has_data:
        return replace(state, asked=None, failures=0, tried=(), done_for=asked.end, last_error="")
    tried = (*state.tried, asked.export_id or "")
    after = replace(state, asked=None, failures=state.failures + 1, tried=tried, last_error=str(row.outcome))
    if after.failures < ATTEMPTS:
        return after
    return replace(after, failures=0, tried=(), done_for=asked.end)


def _export_id(state: AgentState | KindState) -> str | None:
    return state.asked.export_id if state.asked else None


def _agent_filter(agent_id: str) -> Sequence[Mapping[str, Any]]:
    return [{"name": "agentIds", "condition": "EQUALS", "values": [agent_id]}]


def _is_after(export: Export, moment: datetime) -> bool:
    return not export.has_request_time or export.requested_at >= moment


def _has_range(export: Export, asked: Asked) -> bool:
    """Whether the export was requested for this range. The service may keep whole seconds only."""
    if asked.start is None:
        return _is_near(export.requested_end, asked.end)
    return _is_near(export.requested_start, asked.start) and _is_near(export.requested_end, asked.end)


def _is_late_enough(export: Export, end: datetime) -> bool:
    """Whether it was requested when the data until ``end`` was complete, as far as the clocks tell."""
    return not export.has_request_time or end <= export.requested_at - DATA_DELAY + CLOCK_SKEW


def _has_no_range(export: Export) -> bool:
    return export.requested_start is None and export.requested_end is None


def _range_of(export: Export) -> tuple[datetime | None, datetime | None]:
    """The requested range, without times whose data was not complete when it was requested."""
    start, end = export.requested_start, export.requested_end
    if end and not _is_late_enough(export, end):
        end = export.requested_at - DATA_DELAY
    return whole_second(start) if start else None, whole_second(end) if end else None


def _is_near(one: datetime | None, other: datetime) -> bool:
    return one is not None and abs(one - other) < timedelta(seconds=1)


def _differs(known: AgentState, state: AgentState) -> bool:
    """Whether the item is to be written: each agent's ping moves in every tick, which alone is no reason."""
    if known.last_ping_at and state.last_ping_at:
        moved = abs(state.last_ping_at - known.last_ping_at) >= REFRESH
        return moved or replace(known, last_ping_at=state.last_ping_at) != state
    return known != state
