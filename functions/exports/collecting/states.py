"""What the collecting table says of the agents and of the account, read once in a tick and written as it changes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from exports.collecting.account_state import AccountState, KindState, LastTick, Progress, Starts, is_agent
from exports.collecting.agent_state import AgentState
from exports.collecting.choosing import is_selected
from exports.collecting.coverage import read_agent
from exports.collecting.invocation import Log
from exports.collecting.setting import CollectSetting, Kind
from exports.collecting.table import Table

REFRESH = timedelta(hours=6)
"""How old the last ping of an agent in the table may be, and the list of servers."""

State = TypeVar("State", bound=AgentState | KindState | Starts | Progress | LastTick)


@dataclass(slots=True)
class States:
    """The states by agent ID, and those of the account: those of the table, and what the tick has changed since then.

    No other tick may run: a write of another one ends this tick with SaveConflict.
    """

    table: Table
    account: AccountState
    agents: dict[str, AgentState] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    """Agents whose items cannot be read; they are left alone."""
    without_exports: set[str] = field(default_factory=set)
    """Connectors and collectors, as far as the service has listed them in this tick."""
    _unsaved: dict[str, None] = field(default_factory=dict)

    @classmethod
    def read(cls, table: Table, log: Log) -> "States":
        items = table.items()
        states = cls(table, AccountState.from_items([item for item in items if not is_agent(item)]))
        for item in filter(is_agent, items):
            state = read_agent(item)
            if state:
                states.agents[state.agent_id] = state
            else:
                states.unreadable.add(item["agentId"])
                log("item of the collecting table not readable", agent_id=item["agentId"])
        return states

    def apply(self, setting: CollectSetting) -> None:
        """What is not in the setting any more counts in no coverage and no alarm, but what is known of it stays."""
        known, agents = self.account.kinds[Kind.AGENT], setting.agents
        since, by_id = (agents.since, agents.ids is not None) if agents else (None, False)
        given = replace(known, since=since, by_id=by_id)
        if given != known:
            self.save(given)
        for kind in self.account.kinds.values():
            if kind.blocked_since and not setting.has(kind.kind):
                self.save(kind.without_block())
        for state in list(self.agents.values()):
            selected = agents is not None and is_selected(state, agents)
            self.update(replace(state, selected=selected))

    def save(self, state: State) -> State:
        """The state as it is written, with its new version."""
        saved = replace(state, version=self.table.save(state.to_json(), state.version))
        match saved:
            case AgentState():
                self.agents[saved.agent_id] = saved
                self._unsaved.pop(saved.agent_id, None)
            case KindState():
                self.account = replace(self.account, kinds={**self.account.kinds, saved.kind: saved})
            case Starts():
                self.account = replace(self.account, starts=saved)
            case Progress():
                self.account = replace(self.account, progress=saved)
            case LastTick():
                self.account = replace(self.account, last_tick=saved)
        return saved

    def update(self, state: AgentState) -> None:
        """Take over a state that need not be written at once: :meth:`save_updated` does it."""
        known = self.agents.get(state.agent_id)
        self.agents[state.agent_id] = state
        if known is None or _differs(known, state):
            self._unsaved[state.agent_id] = None

    def save_updated(self, has_time: Callable[[], bool]) -> None:
        for agent_id in list(self._unsaved):
            if not has_time():
                return
            self.save(self.agents[agent_id])


def _differs(known: AgentState, state: AgentState) -> bool:
    """Whether the item is to be written: each agent's ping moves in every tick, which alone is no reason."""
    if known.last_ping_at and state.last_ping_at:
        moved = abs(state.last_ping_at - known.last_ping_at) >= REFRESH
        return moved or replace(known, last_ping_at=state.last_ping_at) != state
    return known != state
