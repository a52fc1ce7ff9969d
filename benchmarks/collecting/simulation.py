"""Runs the product's ticks on a simulated account until everything is covered."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.collecting.scenarios import DAY, Scenario, agents, capacity
from benchmarks.collecting.world import START, TICK, World
from exports.collecting.account_state import ITEMS, LAST_TICK, KindState, Starts
from exports.collecting.coverage import AgentProgress
from exports.collecting.setting import Kind
from exports.collecting.starting import MAX_IN_PROGRESS


@dataclass(frozen=True)
class Result:
    """``shares`` has the covered share at the end of each day. ``days`` is None if something is missing at the end."""

    name: str
    days: float | None
    simulated_days: int
    starts: int
    refusals: int
    ticks: int
    shares: list[float]
    started_twice: int
    most_at_once: int
    most_in_24_hours: int
    runs_handed_over: int


def simulate(scenario: Scenario) -> Result:
    world = World(agents_listed=agents(START, grows=scenario.grows), capacity=capacity, **scenario.limits)
    shares: list[float] = []
    ticks, most = 0, 0
    days: float | None = None
    while world.now < START + scenario.max_days * DAY:
        before = _known(world)
        if scenario.grows:
            world.agents_listed = agents(world.now, grows=True)
        world.tick(scenario.setting)
        ticks += 1
        most = max(most, world.own_in_progress())
        found = world.found
        assert found
        if not found.uncovered and not any(agent.progress is AgentProgress.IN_PROGRESS for agent in found.agents):
            days = (world.now - START) / DAY
            shares.append(1.0)
            break
        can_change = _known(world) != before and world.own_in_progress() < MAX_IN_PROGRESS
        moment = world.now + TICK if can_change else _next_change(world)
        while (len(shares) + 1) * DAY <= moment - START:
            shares.append(round(found.share or 0.0, 5))
        world.advance(moment - world.now)
    requested = Counter((task.agent_id, task.start, task.end) for task in world.tasks.values())
    return Result(
        name=scenario.name,
        days=round(days, 1) if days else None,
        simulated_days=len(shares),
        starts=len(world.tasks),
        refusals=world.refusals,
        ticks=ticks,
        shares=shares,
        started_twice=sum(count - 1 for count in requested.values()),
        most_at_once=most,
        most_in_24_hours=_most_in_24_hours([task.requested_at for task in world.tasks.values()]),
        runs_handed_over=len(world.handed_over),
    )


def _known(world: World) -> Mapping[str, object]:
    """The items of the table but that of the last tick, which each tick writes."""
    return {name: item for name, item in world.table.items() if name != LAST_TICK}


def _next_change(world: World) -> datetime:
    """The next tick that can settle or start something: those before it are left out.

    The last tick changed nothing, or as many exports are in progress as may be.
    """
    kind = _item(world, ITEMS[Kind.AGENT])
    starts = Starts.from_json(_item(world, "account: starts"))
    moments = [
        *(task.ends_at for task in world.tasks.values() if task.ends_at > world.now),
        *(each + DAY for each in starts.recent if each + DAY > world.now),
        world.now + DAY,
    ]
    blocked = KindState.from_json(Kind.AGENT, kind).blocked_until
    if blocked and blocked > world.now:
        moments.append(blocked)
    ticks = -(-(min(moments) - world.now) // TICK)
    return world.now + max(1, ticks) * TICK


def _item(world: World, name: str) -> dict[str, object]:
    return next((dict(item) for item in world.items() if item["agentId"] == name), {})


def _most_in_24_hours(times: list[datetime]) -> int:
    most, first = 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= timedelta(hours=24):
            first += 1
        most = max(most, last - first + 1)
    return most
