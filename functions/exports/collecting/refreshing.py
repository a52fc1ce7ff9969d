"""Which agents there are, and since when and until when they have data: what the service says of them now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exports.collecting.agent_state import AgentState
from exports.collecting.agents import StartingService
from exports.collecting.invocation import Invocation
from exports.collecting.setting import AgentsSetting, Kind
from exports.collecting.states import REFRESH, States
from exports.errors import ServiceError


@dataclass(frozen=True, slots=True)
class AgentRefresh:
    """Takes over what the service says of the agents of the setting. If it fails, the states stay as they are."""

    states: States
    service: StartingService
    setting: AgentsSetting
    invocation: Invocation

    def run(self) -> None:
        ids = self.setting.ids
        try:
            agents, complete = self.service.agents(self.invocation.has_time)
        except ServiceError as error:
            self.invocation.note(error, "DescribeAgents", "agents not listed, will retry")
            return
        states, now = self.states, self.invocation.now
        for agent in agents:
            if not agent.has_exports:
                states.without_exports.add(agent.id)
            elif (ids is None or agent.id in ids) and agent.id not in states.unreadable:
                known = states.agents.get(agent.id) or AgentState(agent.id, seen_at=now)
                states.update(known.described_by(agent))
        if not complete:
            return
        more = set(self._server_agent_ids() if ids is None else ids)
        for agent_id in sorted(more - {*states.agents, *states.without_exports, *states.unreadable}):
            states.update(AgentState(agent_id, seen_at=now, listed=False))

    def _server_agent_ids(self) -> Sequence[str]:
        """The agents of all servers, deleted ones among them; nothing if they were listed a short time ago."""
        state, now = self.states.account.kinds[Kind.AGENT], self.invocation.now
        if state.servers_at and now - state.servers_at < REFRESH:
            return ()
        try:
            ids, complete = self.service.server_agent_ids(self.invocation.has_time)
        except ServiceError as error:
            self.invocation.note(error, "ListConfigurations", "servers not listed, will retry")
            return ()
        if complete:
            self.states.save(replace(state, servers_at=now))
        return ids
