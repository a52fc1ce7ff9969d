"""The export tasks of the double, and the status of each at a given time."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from threading import Event, Lock
from typing import Any

from .data.contents import Contents, Kind
from .data.samples import LATEST, History, Span
from .scenario import Scenario

Clock = Callable[[], float]
"""Seconds since the epoch."""
FAILED_MESSAGE = "The export failed due to an internal error. Start a new export task."


@dataclass(slots=True, eq=False)
class Task:
    """One export task. Times are epoch seconds; ``requested_start`` and ``requested_end`` come from the request.

    ``history`` is the data of the agent at the time of the request, if it depends on the time.
    """

    id: str
    kind: Kind
    scenario: Scenario
    requested_at: float
    appears_at: float
    agent_id: str | None = None
    requested_start: float | None = None
    requested_end: float | None = None
    history: History | None = None
    preferences: dict[str, Any] = field(default_factory=dict)
    is_truncated: bool = field(init=False)
    made: Event = field(default_factory=Event)
    """Set when a large export is generated, which is in progress until then. Others are generated at download."""
    broken: str = ""
    """Why the export could not be generated."""
    refused_gets: int = 0
    made_keys: set[str] = field(default_factory=set)
    making: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.is_truncated = self.contents.is_truncated

    @property
    def contents(self) -> Contents:
        latest = _datetime(self.history.end) if self.history else LATEST
        span = Span.asked_for(_datetime(self.requested_start), _datetime(self.requested_end), latest or LATEST)
        return self.scenario.contents(self.kind, self.agent_id, span, self.history)

    @property
    def position(self) -> tuple[bytes, str]:
        """The position in listings."""
        return position_of(self.id)

    def refuse_get(self) -> bool:
        """Whether to refuse this GET. Each call counts as one GET."""
        with self.making:
            self.refused_gets -= 1
            return self.refused_gets >= 0

    def in_progress(self, now: float) -> bool:
        return not self.made.is_set() or now < self.requested_at + self.scenario.in_progress_seconds

    def status(self, now: float) -> str:
        """``exportStatus`` at the time ``now``."""
        if self.broken:
            return "FAILED"
        return "IN_PROGRESS" if self.in_progress(now) else self.scenario.outcome

    def status_message(self, now: float) -> str:
        """``statusMessage`` at the time ``now``. The member is required, so the status is the default."""
        status = self.status(now)
        if status == "IN_PROGRESS":
            return status
        return self.broken or self.scenario.status_message or (FAILED_MESSAGE if status == "FAILED" else status)


def position_of(export_id: str) -> tuple[bytes, str]:
    """The position in listings, which have neither the order of the requests nor that of time."""
    return blake2b(export_id.encode(), digest_size=8).digest(), export_id


class Tasks:
    """All export tasks, in the order of listings. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_id: dict[str, Task] = {}
        self._order: list[tuple[bytes, str]] = []

    def add(self, tasks: Iterable[Task]) -> None:
        """Add the tasks. A task with a known id replaces the existing task."""
        with self._lock:
            new = {task.id: task for task in tasks}
            self._order.extend(task.position for task in new.values() if task.id not in self._by_id)
            self._order.sort()
            self._by_id.update(new)

    def get(self, export_id: str) -> Task | None:
        return self._by_id.get(export_id)

    def among(self, export_ids: Iterable[str]) -> list[Task]:
        """The tasks with these ids, in the order of listings. Unknown ids are skipped."""
        found = (self._by_id.get(export_id) for export_id in set(export_ids))
        return sorted((task for task in found if task), key=lambda task: task.position)

    def after(self, position: tuple[bytes, str] | None) -> Iterator[Task]:
        """All tasks after the position in listings."""
        with self._lock:
            order = self._order[bisect_right(self._order, position) if position else 0 :]
        return (task for _, export_id in order if (task := self._by_id.get(export_id)))

    def all(self) -> list[Task]:
        """All tasks, in the order in which they were added."""
        with self._lock:
            return list(self._by_id.values())

    def clear(self) -> None:
        with self._lock:
            self._by_id.clear()
            self._order.clear()

    def __len__(self) -> int:
        return len(self._by_id)


def _datetime(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
