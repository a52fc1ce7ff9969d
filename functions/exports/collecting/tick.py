"""One tick of collecting: settle what was requested, request what is next, and say what is covered.

The order of writes makes a kill at any point safe. The intent is written before the request, the export's id after it.
The next tick finds an intent without an id, and looks for the export in the list of the service before it requests
the range again. Only one tick runs at a time; a killed one holds the lock until its invocation would have ended.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from exports.collecting.account_state import CallFailure
from exports.collecting.agent_state import AgentState
from exports.collecting.agents import StartingService
from exports.collecting.coverage import Coverage, coverage_of, expected_at
from exports.collecting.following import Exports, RequestedExports, Service
from exports.collecting.invocation import Invocation
from exports.collecting.refreshing import AgentRefresh
from exports.collecting.setting import CollectSetting, Kind
from exports.collecting.starting import Starter
from exports.collecting.states import States
from exports.collecting.table import Table
from exports.errors import ServiceError

GAP_EVENT = "Coverage Gap"
COVERED_EVENT = "Agent Covered"


@dataclass(frozen=True, slots=True)
class Result:
    """What a tick has done and found.

    ``export_ids`` are exports for which a run is to be started. ``blocked`` are the kinds that the service permits no
    start of at present. ``observed_since`` is the time of the first tick, or of one a week ago. ``failure`` is a call
    of the service that failed.
    """

    coverage: Coverage
    export_ids: Sequence[str]
    started: int
    refused: int
    blocked: Sequence[Kind]
    observed_since: datetime | None
    failure: CallFailure | None


@dataclass(frozen=True, slots=True)
class Tick:
    """The order of the steps, the events, and what is measured. Call :meth:`run` once, with the lock.

    ``grace`` is how long the service may take to list a new export. ``publish`` publishes an event with its type and
    data.
    """

    table: Table
    service: Service
    agent_service: StartingService
    catalog: Exports
    publish: Callable[[str, Mapping[str, Any]], None]
    setting: CollectSetting
    grace: timedelta
    invocation: Invocation

    def run(self) -> Result:
        """Raises SaveConflict if another tick took the lock."""
        invocation = self.invocation
        states = States.read(self.table, invocation.log)
        states.apply(self.setting)
        requested = RequestedExports(states, self.service, self.catalog, self.grace, invocation)
        requested.follow_all()
        if self.setting.agents and invocation.has_time():
            AgentRefresh(states, self.agent_service, self.setting.agents, invocation).run()
        starter = Starter(states, requested, self.agent_service, self.setting, invocation)
        starter.start_all()
        states.save_updated(invocation.has_time)
        self._announce(states)
        tick = states.save(states.account.last_tick.followed_by(invocation.failure, invocation.now))
        account = states.account  # before this tick is measured
        return Result(
            coverage=self._measure(states, gained=requested.gained),
            export_ids=requested.export_ids,
            started=requested.started,
            refused=starter.refused,
            blocked=[kind for kind, state in account.kinds.items() if state.is_blocked(invocation.now)],
            observed_since=account.progress.observed_since,
            failure=tick.failure,
        )

    def _announce(self, states: States) -> None:
        """Publish the events of gaps and covered agents, then record that they are published."""
        for state in list(states.agents.values()):
            gaps = [gap for gap in state.gaps if not gap.announced]
            covered = self._is_newly_covered(state)
            if not (gaps or covered):
                continue
            if not self.invocation.has_time():
                return
            try:
                for gap in gaps:
                    start, end = gap.range.to_json()
                    data = {"agentId": state.agent_id, "from": start, "to": end, "reason": gap.reason}
                    self.publish(GAP_EVENT, data)
                if covered:
                    self.publish(COVERED_EVENT, self._covered_data(state))
            except ServiceError as error:
                self.invocation.log("event not published, will retry", agent_id=state.agent_id, error=error.code)
                return
            announced = tuple(replace(gap, announced=True) for gap in state.gaps)
            states.save(replace(state, gaps=announced, announced_covered=state.announced_covered or covered))

    def _is_newly_covered(self, state: AgentState) -> bool:
        setting = self.setting.agents
        if setting is None or state.announced_covered or state.pending or state.stopped:
            return False
        wanted = state.wanted(setting.since, self.invocation.now)
        return bool(wanted and wanted.length and state.covered and not state.due(wanted, self.invocation.now))

    def _covered_data(self, state: AgentState) -> dict[str, Any]:
        wanted = state.wanted(self.setting.agents.since if self.setting.agents else None, self.invocation.now)
        assert wanted
        start, end = wanted.to_json()
        return {"agentId": state.agent_id, "from": start, "to": end, "gaps": len(state.gaps)}

    def _measure(self, states: States, *, gained: bool) -> Coverage:
        found = coverage_of(states.agents.values(), states.account, self.invocation.now)
        known = states.account.progress
        progress = known.with_snapshot(self.invocation.now, found.uncovered)
        if gained or not found.uncovered:
            progress = replace(progress, last_progress_at=self.invocation.now)
        if progress != known:
            states.save(progress)
        expected = expected_at(progress, found.uncovered, self.invocation.now)
        return replace(found, expected_at=expected, last_progress_at=progress.last_progress_at)
