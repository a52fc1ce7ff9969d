"""Whether an export of the service is the requested one, and which of its times can be complete."""

from datetime import datetime, timedelta

from exports.collecting.agent_state import DATA_DELAY, PendingRequest
from exports.collecting.ranges import whole_second
from exports.model import Export

CLOCK_SKEW = timedelta(minutes=2)
"""The service's time of a request may be this much before ours."""


def is_after(export: Export, intent_at: datetime) -> bool:
    """Whether it was requested after the intent, or if the service does not say when."""
    return not export.has_request_time or export.requested_at >= intent_at - CLOCK_SKEW


def has_range(export: Export, pending: PendingRequest) -> bool:
    """Whether the export was requested for this range. The service may keep whole seconds only."""
    if pending.start is None:
        return _is_near(export.requested_end, pending.end)
    return _is_near(export.requested_start, pending.start) and _is_near(export.requested_end, pending.end)


def has_no_range(export: Export) -> bool:
    return export.requested_start is None and export.requested_end is None


def own_range(export: Export, pending: PendingRequest) -> tuple[datetime | None, datetime | None] | None:
    """The requested range of an existing export, without times whose data was not complete when it was requested.

    None if it has all that is requested.
    """
    start, end = export.requested_start, export.requested_end
    if has_range(export, pending) and _is_late_enough(export, pending.end):
        return None
    if end and not _is_late_enough(export, end):
        end = export.requested_at - DATA_DELAY
    return whole_second(start) if start else None, whole_second(end) if end else None


def _is_late_enough(export: Export, end: datetime) -> bool:
    """Whether it was requested when the data until ``end`` was complete, as far as the clocks tell."""
    return not export.has_request_time or end <= export.requested_at - DATA_DELAY + CLOCK_SKEW


def _is_near(one: datetime | None, other: datetime) -> bool:
    return one is not None and abs(one - other) < timedelta(seconds=1)
