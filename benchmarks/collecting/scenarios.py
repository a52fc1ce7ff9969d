"""The simulated accounts: 200 agents with 90 days of history each, and different limits."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from benchmarks.collecting.world import START
from exports.collecting.agents import Agent
from exports.collecting.setting import AgentsSetting, CollectSetting

AGENTS, HISTORY = 200, timedelta(days=90)
DAY = timedelta(days=1)
CHANGES_ON = START + 5 * DAY


@dataclass(frozen=True)
class Scenario:
    """``limits`` are those of :class:`benchmarks.collecting.world.World`; ``grows``: the agents still send data."""

    name: str
    max_starts_per_day: int | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    grows: bool = False
    max_days: int = 365

    @property
    def setting(self) -> CollectSetting:
        return CollectSetting(agents=AgentsSetting(), max_starts_per_day=self.max_starts_per_day)


def agents(now: datetime, *, grows: bool) -> list[Agent]:
    """The last ping is a few days old, so that the history does not grow, or the time ``now``."""
    registered = START - 2 * DAY - HISTORY
    last = now if grows else START - 2 * DAY
    return [Agent(f"agent-{number:03}", "EC2", registered_at=registered, last_ping_at=last) for number in range(AGENTS)]


def capacity(agent_id: str) -> timedelta | None:
    """Every tenth agent has so many connections that an export holds 30 hours of it."""
    return timedelta(hours=30) if agent_id.endswith("0") else None


def others(now: datetime) -> int:
    """Slots that others use: all five from 8 to 10 in the morning, four until 18, none at night."""
    if 8 <= now.hour < 10:
        return 5
    return 4 if 10 <= now.hour < 18 else 0


def unlimited() -> dict[str, Any]:
    return {"concurrent": 1_000_000}


SCENARIOS = (
    Scenario("2 a day, maxStartsPerDay 2", 2, {"per_day": 2}),
    Scenario("2 a day, not in the setting", None, {"per_day": 2}),
    Scenario("5 at once", None, {}),
    Scenario("no limit of the service", None, unlimited()),
    Scenario("5 at once, others use slots", None, {"others": others}),
    Scenario("60 a day from day 5 on, not in the setting", None, {"per_day": 60, "limited_from": CHANGES_ON}),
    Scenario("5 at once, agents still send", None, {}, grows=True, max_days=60),
)
