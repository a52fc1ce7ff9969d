"""The times of an agent's data: the range that an export covers, and the samples in it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

LATEST = datetime(2026, 1, 15, tzinfo=UTC)
"""The time of the agents' last data, unless an export requests another range."""
DETAIL_HOURS = 72
"""An agent export holds at most 72 hours of detail (API reference of StartExportTask)."""
SAMPLE_SECONDS = 900
SAMPLES_PER_INVENTORY = 96
"""Of an agent with a history, every 96th sample also has rows of the system, its network interfaces and processes."""


class Sample(NamedTuple):
    """One point in time with data. The number determines the figures."""

    number: int
    at: str


@dataclass(frozen=True, slots=True)
class Span:
    """The time range that the detail of an agent export covers."""

    start: datetime = LATEST - timedelta(hours=DETAIL_HOURS)
    end: datetime = LATEST

    @classmethod
    def asked_for(cls, start: datetime | None, end: datetime | None, latest: datetime = LATEST) -> "Span":
        """The range that an export covers for this request: at most 72 hours from its start."""
        maximum = timedelta(hours=DETAIL_HOURS)
        if start is None:
            return cls((end or latest) - maximum, end or latest)
        return cls(start, min(end or start + maximum, start + maximum))

    def samples(self, count: int) -> Iterator[Sample]:
        """``count`` samples from the start on: every 15 minutes, or more often if they would not fit."""
        step = min(float(SAMPLE_SECONDS), (self.end - self.start).total_seconds() / max(count, 1))
        for number in range(count):
            yield Sample(number, time_text(self.start + timedelta(seconds=int(number * step))))

    @property
    def first_half(self) -> "Span":
        """The range that a truncated export covers."""
        return Span(self.start, self.start + (self.end - self.start) / 2)


@dataclass(frozen=True, slots=True)
class History:
    """The data of one agent, which depends only on the agent and the time. Times are seconds since the epoch.

    There is a sample at each multiple of ``every`` seconds from ``start`` to ``end``, both included, but not within a
    gap. An export of more than ``max_samples`` samples is truncated after them. One of a range of more than
    ``max_window`` seconds is truncated before the first.
    """

    start: float
    end: float
    every: int
    gaps: tuple[tuple[float, float], ...] = ()
    max_samples: int | None = None
    max_window: float | None = None

    def samples(self, span: Span) -> Iterator[Sample]:
        """All samples of the range, its first and its last second included, in the order of time."""
        first = math.ceil(max(self.start, span.start.timestamp()) / self.every)
        last = math.floor(min(self.end, span.end.timestamp()) / self.every)
        for number in range(first, last + 1):
            seconds = number * self.every
            if not any(start <= seconds <= end for start, end in self.gaps):
                yield Sample(number, time_text(datetime.fromtimestamp(seconds, UTC)))

    def exported(self, span: Span) -> Iterator[Sample]:
        """The samples that an export of the range has."""
        return islice(self.samples(span), 0 if self._is_too_long(span) else self.max_samples)

    def truncates(self, span: Span) -> bool:
        """Whether an export of the range is truncated."""
        beyond = None if self.max_samples is None else next(islice(self.samples(span), self.max_samples, None), None)
        return self._is_too_long(span) or beyond is not None

    def _is_too_long(self, span: Span) -> bool:
        return self.max_window is not None and (span.end - span.start).total_seconds() > self.max_window


def time_text(moment: datetime) -> str:
    """The format of times in real exports: UTC to the second, ``2020-07-14 20:46:38``."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")
