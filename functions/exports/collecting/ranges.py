"""Ranges of time in whole seconds, and sets of them without overlaps."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exports.model import utc_text


@dataclass(frozen=True, slots=True, order=True)
class TimeRange:
    """From ``start`` to ``end``, both included: two ranges that share a second have the rows of that second in both."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return max(self.end - self.start, timedelta())

    def to_json(self) -> list[str]:
        return [utc_text(self.start), utc_text(self.end)]


def whole_second(moment: datetime) -> datetime:
    """The moment in UTC without a fraction: the files of the service have times in whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0)


def normalized(ranges: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """The same times in order, without overlaps, shared boundaries or empty ranges."""
    found: list[TimeRange] = []
    for each in sorted(each for each in ranges if each.start < each.end):
        if found and each.start <= found[-1].end:
            found[-1] = TimeRange(found[-1].start, max(found[-1].end, each.end))
        else:
            found.append(each)
    return tuple(found)


def subtract(whole: TimeRange, covered: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """The parts of ``whole`` that no range of ``covered`` has. They share their boundaries with the covered ones."""
    left: list[TimeRange] = []
    start = whole.start
    for each in normalized(covered):
        if start < min(each.start, whole.end):
            left.append(TimeRange(start, min(each.start, whole.end)))
        start = max(start, each.end)
    if start < whole.end:
        left.append(TimeRange(start, whole.end))
    return tuple(left)


def total(ranges: Iterable[TimeRange]) -> timedelta:
    return sum((each.length for each in ranges), timedelta())
