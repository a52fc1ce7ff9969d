"""Exports with a beginning and an end, a service that tells of them, and a catalog that forgets nothing."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from exports.model import Export, Outcome, utc_text
from exports.rows import Row
from exports.runs import Filters

START = datetime(2026, 11, 23, tzinfo=UTC)
PAGE = 100
"""Exports that a call of DescribeExportTasks tells of at most."""


@dataclass(frozen=True, slots=True)
class Task:
    """An export task: asked for, and finished, in seconds after START."""

    id: str
    begins: float
    ends: float


def at_once(count: int, seed: int) -> list[Task]:
    """Asked for at the same moment, 10 to 60 minutes long."""
    draw = random.Random(seed)  # noqa: S311 - the same each time
    return [Task(f"export-{number:05d}", 0, draw.uniform(600, 3_600)) for number in range(count)]


def days(count: int, seed: int) -> list[Task]:
    """Four bursts of 10 to 200 a day, and one export now and then."""
    draw = random.Random(seed)  # noqa: S311 - the same each time
    moments = [at for day in range(count) for _ in range(4) for at in _burst(draw, day)]
    moments += [draw.uniform(0, count * 86_400) for _ in range(count * 20)]
    return [Task(f"export-{number:05d}", at, at + draw.uniform(600, 3_600)) for number, at in enumerate(moments)]


def _burst(draw: random.Random, day: int) -> Iterator[float]:
    begins = day * 86_400 + draw.uniform(0, 80_000)
    return (begins + draw.uniform(0, 120) for _ in range(draw.randint(10, 200)))


@dataclass
class World:
    """Service and catalog at the moment ``now``. ``noticed`` has the seconds from finished to noticed."""

    tasks: Mapping[str, Task]
    now: float = 0.0
    describes: int = 0
    stored: dict[str, Row] = field(default_factory=dict)
    noticed: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, tasks: Iterable[Task]) -> "World":
        return cls({task.id: task for task in tasks})

    @property
    def moment(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Mapping[str, Export]:
        """The service's answer, and a note of how late whatever is finished in it was noticed."""
        tasks = [self.tasks[each] for each in export_ids] if export_ids else list(self.tasks.values())
        begun = [task for task in tasks if task.begins <= self.now]
        self.describes += max(1, -(-len(begun) // PAGE))
        return {task.id: self._export(task) for task in begun}

    def _export(self, task: Task) -> Export:
        finished = task.ends <= self.now
        if finished:
            self.noticed.setdefault(task.id, self.now - task.ends)
        return Export(
            id=task.id,
            status="SUCCEEDED" if finished else "IN_PROGRESS",
            status_message="",
            requested_at=START + timedelta(seconds=task.begins),
            link="https://exports.s3.amazonaws.com/one" if finished else None,
        )

    # --- the catalog, as checking and planning use it ---

    def rows(self, export_ids: Iterable[str]) -> dict[str, Row]:
        return {each: self.stored[each] for each in export_ids if each in self.stored}

    def store(self, export_id: str) -> None:
        told = {"exportId": export_id, "status": Outcome.STORED.value, "announcedAt": utc_text(self.moment)}
        self.stored[export_id] = Row(told)

    def catch_up(self, row: Row) -> None:
        """Nothing is owed here."""

    def see(self, export: Export, *, linkless: bool = False) -> None:
        """That an export is in progress changes nothing here."""

    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None:
        raise AssertionError("no export fails here")

    def leave(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        """A sweep leaves what is in progress to the next."""

    def put_json(self, key: str, document: Any) -> None:
        """Papers cost the same whoever keeps them."""
