"""Which agent is next, and which of its times."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from exports.collecting.agent_state import MAX_WINDOW, AgentState
from exports.collecting.ranges import TimeRange
from exports.collecting.setting import AgentsSetting, Order

STOPPED_FOR = timedelta(days=7)
"""An agent that was refused or given up is tried again after this time."""


def queue(states: Iterable[AgentState], setting: AgentsSetting, now: datetime) -> list[AgentState]:
    """The agents with something to export: the least covered ones first, those that fail or were refused last."""
    waiting = [
        each for each in states if not each.pending and is_selected(each, setting) and _is_due(each, setting, now)
    ]
    return sorted(
        waiting,
        key=lambda each: (
            each.stopped is not None,
            each.failed_in_a_row,
            done_share(each, setting.since, now),
            each.agent_id,
        ),
    )


def is_selected(state: AgentState, setting: AgentsSetting) -> bool:
    return setting.ids is None or state.agent_id in setting.ids


def _is_due(state: AgentState, setting: AgentsSetting, now: datetime) -> bool:
    if state.stopped and now - state.stopped.at < STOPPED_FOR:
        return False
    wanted = state.wanted(setting.since, now)
    return wanted is None or bool(state.due(wanted, now))


def done_share(state: AgentState, since: datetime | None, now: datetime) -> float:
    """The share of the wanted times that is stored or given up, 0 to 1."""
    wanted = state.wanted(since, now)
    if wanted is None or not wanted.length:
        return 0.0
    left = sum((each.length for each in state.uncovered(wanted)), timedelta())
    return 1 - left / wanted.length


def next_range(state: AgentState, setting: AgentsSetting, now: datetime) -> tuple[datetime | None, datetime] | None:
    """The start and the end of the next export of the agent; None if nothing is due.

    The start is None if it is not known: the service then exports from the first data on. A range whose end is moved
    is not longer than the service permits.
    """
    wanted = state.wanted(setting.since, now)
    shift = timedelta(seconds=state.end_shift)
    if wanted is None:
        return None, state.wanted_end(now) + shift
    due = state.due(wanted, now)
    if not due:
        return None
    piece = _piece(due, state.window, setting.order)
    end = piece.end + shift
    return max(piece.start, end - MAX_WINDOW), end


def _piece(due: tuple[TimeRange, ...], window: timedelta, order: Order) -> TimeRange:
    if order == "newest-first":
        return TimeRange(max(due[-1].start, due[-1].end - window), due[-1].end)
    return TimeRange(due[0].start, min(due[0].end, due[0].start + window))
