"""What an export that has come to an outcome changes in the state of its agent or kind."""

from dataclasses import replace
from datetime import datetime, timedelta

from exports.collecting.account_state import KindState
from exports.collecting.agent_state import MAX_WINDOW, MIN_WINDOW, AgentState, Gap, PendingRequest, Stopped
from exports.collecting.ranges import TimeRange, normalized, subtract, total, whole_second
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row

ATTEMPTS = 3
"""Exports of one range that may fail; the range is then a gap."""
MAX_FAILED_IN_A_ROW = 9
"""Failed exports of an agent, or gaps of truncated ones, without a stored one between them; then it is given up for a
time. So its gaps fit into its item, too."""
GIVEN_UP_AFTER = timedelta(days=7)
"""An export that the service does not finish within this time counts as failed: it would keep its place for good."""
NO_PROGRESS = "NO_PROGRESS"
"""Reason of a gap: even the export of the shortest range was truncated before its first moment of data."""
ALREADY_PRESENT = "ALREADY_PRESENT"
"""Reason of a gap: instead of exporting the range, the service names exports that do not cover it."""
NO_START = "NO_START"
"""Reason of a stop: the agent has no time of registration, and its export does not show when its data begins."""


def is_settled(row: Row, pending: PendingRequest, now: datetime) -> bool:
    """Whether the outcome answers the request; FAILED and REJECTED of an adopted export may be older than it."""
    never_finished = row.outcome is Outcome.TIMED_OUT and row.in_progress and now - pending.intent_at >= GIVEN_UP_AFTER
    return row.is_final_for(pending.intent_at) or row.outcome is Outcome.NOT_FOUND or never_finished


def settle(state: AgentState, row: Row, now: datetime) -> AgentState:
    """The state after the requested export has been settled as ``row`` says."""
    pending = state.pending
    assert pending
    if row.outcome is None or not row.outcome.has_data:
        reason = str(row.outcome or "UNKNOWN") if not row.reason else f"{row.outcome} {row.reason}"
        return failed(state, reason, now)
    first, last = row.time("actualStartTime"), row.time("actualEndTime")
    truncated = row.outcome is Outcome.TRUNCATED
    if pending.adopted is None and pending.start is None:
        return _without_start(state, pending, first, last, truncated=truncated, now=now)
    stored = _stored(pending, first, last, truncated=truncated)
    gained = stored is not None and bool(total(subtract(stored, state.covered)))
    if stored is not None and (gained or not (pending.adopted or truncated)):
        return _progressed(state, stored)
    if pending.adopted is None and truncated:
        return _narrowed(state, now)
    return failed_to_differ(state, now)


def settle_kind(state: KindState, row: Row) -> KindState:
    """The state after the requested summary or recommendations have been settled as ``row`` says."""
    pending = state.pending
    assert pending
    if row.outcome is not None and row.outcome.has_data:
        return replace(state, pending=None, failures=0, tried=(), done_for=pending.end, last_error="")
    return failed_kind(state, str(row.outcome))


def failed_kind(state: KindState, reason: str) -> KindState:
    """The state after a failed summary or recommendations: requested again, three times in all."""
    pending = state.pending
    assert pending
    tried = (*state.tried, pending.export_id) if pending.export_id else state.tried
    after = replace(state, pending=None, failures=state.failures + 1, tried=tried, last_error=reason)
    if after.failures < ATTEMPTS:
        return after
    return replace(after, failures=0, tried=(), done_for=pending.end)


def failed(state: AgentState, reason: str, now: datetime) -> AgentState:
    """The state after a failed export: the range is tried again, and after ``ATTEMPTS`` failures it is a gap."""
    pending = state.pending
    assert pending
    in_a_row = state.failed_in_a_row + 1
    tried = (*state.tried, pending.export_id)[-MAX_FAILED_IN_A_ROW:] if pending.export_id else state.tried
    after = replace(state, pending=None, failures=state.failures + 1, failed_in_a_row=in_a_row, tried=tried)
    if after.failures < ATTEMPTS:
        return after
    if pending.range is None:
        return replace(after, failures=0, stopped=Stopped(reason, now))
    stopped = Stopped(reason, now) if in_a_row >= MAX_FAILED_IN_A_ROW else after.stopped
    return replace(_with_gap(after, pending.range, reason), stopped=stopped)


def failed_to_differ(state: AgentState, now: datetime) -> AgentState:
    """The state after the service named an export that has nothing new: the next request differs by one second more."""
    after = failed(state, ALREADY_PRESENT, now)
    return replace(after, end_shift=state.end_shift + 1) if after.failures else after


def _stored(
    pending: PendingRequest, first: datetime | None, last: datetime | None, *, truncated: bool
) -> TimeRange | None:
    """The times that the stored export has; None if they are not known.

    An export without actual times has no rows, and covers what was requested. A truncated one ends at its actual end;
    if that is the requested one, it is not known what is missing. No export has more than the longest range, unless its
    times say so.
    """
    start, end = pending.adopted if pending.adopted else (pending.start, pending.end)
    start, end = start or first, end or last
    if truncated:
        end = last if last and end and last < end else None
    if start and end:
        end = min(end, max(last or start, start + MAX_WINDOW))
    return TimeRange(whole_second(start), whole_second(end)) if start and end and start < end else None


def _progressed(state: AgentState, stored: TimeRange) -> AgentState:
    return replace(
        state,
        pending=None,
        covered=normalized([*state.covered, stored]),
        window=min(MAX_WINDOW, 2 * state.window),
        failures=0,
        failed_in_a_row=0,
        end_shift=0,
        tried=(),
        stopped=None,
    )


def _narrowed(state: AgentState, now: datetime) -> AgentState:
    """The state after an export that was truncated at its beginning: half of the range is tried next."""
    pending = state.pending
    assert pending
    assert pending.range
    length = pending.range.length
    if length.total_seconds() - state.end_shift <= MIN_WINDOW.total_seconds():
        in_a_row = state.failed_in_a_row + 1
        after = _with_gap(replace(state, pending=None, failed_in_a_row=in_a_row), pending.range, NO_PROGRESS)
        return after if in_a_row % MAX_FAILED_IN_A_ROW else replace(after, stopped=Stopped(NO_PROGRESS, now))
    window = max(MIN_WINDOW, min(state.window, length) // 2)
    return replace(state, pending=None, window=timedelta(seconds=int(window.total_seconds())))


def _with_gap(state: AgentState, range_: TimeRange, reason: str) -> AgentState:
    return replace(state, gaps=(*state.gaps, Gap(range_, reason)), failures=0, end_shift=0, tried=())


def _without_start(
    state: AgentState,
    pending: PendingRequest,
    first: datetime | None,
    last: datetime | None,
    *,
    truncated: bool,
    now: datetime,
) -> AgentState:
    """The state after an export from the first data on: from now on, the start is known.

    The service may end it after its longest range, without a word. What it has beyond that is only known by its times.
    """
    if not truncated:
        start = whole_second(first) if first and first < pending.end else pending.end
        end = min(pending.end, max(last or start, start + MAX_WINDOW))
        return replace(_progressed(state, TimeRange(start, whole_second(end))), first_data_at=start)
    if first and last and first < last <= pending.end:
        start = whole_second(first)
        return replace(_progressed(state, TimeRange(start, whole_second(last))), first_data_at=start)
    return replace(state, pending=None, stopped=Stopped(NO_START, now))
