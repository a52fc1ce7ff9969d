"""What a setting would start, before anything is started."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exports.collecting.agent_state import MAX_WINDOW, AgentState
from exports.collecting.choosing import next_range, queue
from exports.collecting.ranges import total
from exports.collecting.setting import CollectSetting
from exports.model import utc_text

TICK = timedelta(minutes=15)
MAX_FIRST = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """``windows`` is the number of exports if none is truncated or fails: the smallest that is possible.

    ``unknown`` counts agents of which it is not known since when they have data. ``first`` has the first exports:
    agent, start and end.
    """

    agents: int
    windows: int
    unknown: int
    missing: timedelta
    first: Sequence[tuple[str, datetime | None, datetime]]
    max_starts_per_day: int | None

    def days(self, starts_per_day: float) -> float:
        return self.windows / starts_per_day

    def to_json(self) -> dict[str, Any]:
        limit = self.max_starts_per_day
        rates = {"twoPerDay": 2.0, "fiveAtOnce": slots_per_day(5, timedelta(minutes=20))}
        rates |= {"maxStartsPerDay": float(limit)} if limit else {}
        return {
            "agents": self.agents,
            "exports": self.windows,
            "agentsWithUnknownStart": self.unknown,
            "missingSeconds": int(self.missing.total_seconds()),
            "days": {name: round(self.days(rate), 1) for name, rate in rates.items()},
            "first": [
                {"agentId": agent_id, "from": utc_text(start) if start else None, "to": utc_text(end)}
                for agent_id, start, end in self.first
            ],
        }


def plan(states: Iterable[AgentState], setting: CollectSetting, now: datetime) -> Plan:
    """The agent exports that ``setting`` would start for these agents; none without the member ``agents``.

    For an agent that is not collected yet, the state is ``AgentState(id, seen_at=now).described_by(agent)``.
    """
    agents = setting.agents
    waiting = queue(states, agents, now) if agents else []
    windows, unknown, missing = 0, 0, timedelta()
    first: list[tuple[str, datetime | None, datetime]] = []
    for state in waiting:
        assert agents
        wanted = state.wanted(agents.since, now)
        due = state.due(wanted, now) if wanted else ()
        unknown += wanted is None
        windows += sum(-(-each.length // MAX_WINDOW) for each in due) if wanted else 1
        missing += total(due)
        chosen = next_range(state, agents, now)
        if chosen and len(first) < MAX_FIRST:
            first.append((state.agent_id, *chosen))
    return Plan(len(waiting), windows, unknown, missing, first, setting.max_starts_per_day)


def slots_per_day(slots: int, duration: timedelta) -> float:
    """Starts in a day, if each export takes ``duration``: a slot is filled again by the tick after its end."""
    ticks = -(-duration // TICK) or 1
    return slots * timedelta(days=1) / (ticks * TICK)
