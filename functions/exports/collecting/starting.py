"""Which exports a tick starts: those that are due, as long as the service and the setting permit another one."""

from dataclasses import dataclass, field, replace
from typing import TypeVar

from exports.collecting.account_state import KindState, Starts
from exports.collecting.agent_state import AgentState, PendingRequest, Stopped
from exports.collecting.agents import (
    AlreadyPresent,
    LimitReached,
    OutcomeUnknown,
    Request,
    RequestRefused,
    SlotsTaken,
    StartingService,
)
from exports.collecting.choosing import next_range, queue
from exports.collecting.following import RequestedExports
from exports.collecting.invocation import Invocation
from exports.collecting.setting import AgentsSetting, CollectSetting, Kind
from exports.collecting.states import States
from exports.errors import NonRetryableError

MAX_IN_PROGRESS = 5
"""Agent exports that may be in progress in an account at a time: AWS's quota. Here, exports of any kind count."""
MAX_UNSETTLED = 20
"""Exports of the collector that are not stored. If storing keeps failing, no more are started."""
MAX_REFUSED = 10
"""Requests of a tick that the service does not accept."""

State = TypeVar("State", bound=AgentState | KindState)


@dataclass(slots=True)
class Starter:
    """Starts what is due, the summary and the recommendations before any agent, until something permits no more.

    ``requested`` has followed what earlier ticks have started, so that it counts all that is in progress.
    """

    states: States
    requested: RequestedExports
    service: StartingService
    setting: CollectSetting
    invocation: Invocation
    refused: int = 0
    _ended_kinds: set[Kind] = field(default_factory=set)
    """No more starts of these kinds in this tick."""

    def start_all(self) -> None:
        for kind in (Kind.SUMMARY, Kind.RECOMMENDATIONS):
            if self._may_start(kind) and self._is_due(kind):
                self._start_kind(kind)
        if self.setting.agents and self._may_start(Kind.AGENT):
            self._start_agents(self.setting.agents)

    def _start_kind(self, kind: Kind) -> None:
        preferences = self.setting.recommendations if kind is Kind.RECOMMENDATIONS else None
        pending = PendingRequest(None, self.states.account.due[kind], self.invocation.now)
        self._start(self.states.account.kinds[kind], pending, Request(kind, preferences=preferences))

    def _start_agents(self, setting: AgentsSetting) -> None:
        now = self.invocation.now
        states = self.states.agents.values()
        waiting = queue((each for each in states if each.agent_id not in self.states.without_exports), setting, now)
        if not waiting:
            self._unblock(Kind.AGENT)  # nothing is refused any more
        for state in waiting:
            if not self._may_start(Kind.AGENT):
                return
            chosen = next_range(state, setting, now)
            if chosen:
                start, end = chosen
                request = Request(Kind.AGENT, agent_id=state.agent_id, start=start, end=end)
                self._start(state, PendingRequest(start, end, now), request)

    def _may_start(self, kind: Kind) -> bool:
        account, limit, now = self.states.account, self.setting.max_starts_per_day, self.invocation.now
        return (
            not self.invocation.is_refused
            and self.refused < MAX_REFUSED
            and kind not in self._ended_kinds
            and not account.kinds[kind].is_blocked(now)
            and self.requested.in_progress < MAX_IN_PROGRESS
            and self.requested.unsettled < MAX_UNSETTLED
            and (limit is None or account.starts.within_day(now) < limit)
            and self.invocation.has_time()
        )

    def _is_due(self, kind: Kind) -> bool:
        """Whether an export of the kind is due and none is in progress.

        Two intents of different kinds without an id could not be told apart in the list of the service.
        """
        account = self.states.account
        state, due = account.kinds[kind], account.due.get(kind)
        unknown = any(each.pending and each.pending.export_id is None for each in account.kinds.values())
        is_new = due is not None and (state.done_for is None or due > state.done_for)
        return self.setting.has(kind) and is_new and not state.pending and not unknown

    def _start(self, state: AgentState | KindState, pending: PendingRequest, request: Request) -> None:
        """Request an export: the start is counted, the intent written, the request made, its id written."""
        log = self.invocation.log
        self._save_starts(self.states.account.starts.with_start(self.invocation.now))
        state = self.states.save(replace(state, pending=pending))
        try:
            export_id = self.service.start(request)
        except OutcomeUnknown as error:
            self.invocation.note(
                error, "StartExportTask", "export perhaps started, will look for it", kind=request.kind
            )
            self.requested.count_unsettled()
            self._ended_kinds.add(request.kind)
        except NonRetryableError as error:
            self._take_back(state)
            self.invocation.note(error, "StartExportTask", "export not started, will retry")
        except SlotsTaken:
            self._take_back(state)
            self._ended_kinds.add(request.kind)
        except LimitReached as limit:
            log("starts refused for a time", kind=request.kind, text=str(limit))
            self._take_back(state)
            self.states.save(self.states.account.kinds[request.kind].with_block(str(limit), self.invocation.now))
        except AlreadyPresent as present:
            self._forget_start()
            self.requested.adopt(state, present.export_id)
        except RequestRefused as error:
            log("request refused", kind=request.kind, agent_id=request.agent_id, error=str(error))
            self._refuse(self._take_back(state), str(error))
        else:
            self.requested.add(state, export_id)
            self._unblock(request.kind)

    def _take_back(self, state: State) -> State:
        """The state without its intent, after a refusal: nothing was started."""
        self.refused += 1
        self._forget_start()
        return self.states.save(replace(state, pending=None))

    def _refuse(self, state: AgentState | KindState, code: str) -> None:
        if isinstance(state, AgentState):
            self.states.save(replace(state, stopped=Stopped(code, self.invocation.now)))
        else:
            self.states.save(replace(state, done_for=self.states.account.due[state.kind], last_error=code))

    def _unblock(self, kind: Kind) -> None:
        state = self.states.account.kinds[kind]
        if state.blocked_since:
            self.states.save(state.without_block())

    def _forget_start(self) -> None:
        self._save_starts(self.states.account.starts.without_start(self.invocation.now))

    def _save_starts(self, starts: Starts) -> None:
        if self.setting.max_starts_per_day is not None:
            self.states.save(starts)
