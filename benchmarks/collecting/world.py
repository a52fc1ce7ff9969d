"""A simulated account: the service with its agents and limits, the collecting table, the catalog, and runs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from exports.collecting.account_state import DUE, LOCK
from exports.collecting.agents import (
    Agent,
    AlreadyPresent,
    LimitReached,
    OutcomeUnknown,
    Request,
    RequestRefused,
    SlotsTaken,
)
from exports.collecting.coverage import Coverage
from exports.collecting.invocation import Invocation
from exports.collecting.setting import CollectSetting, Kind
from exports.collecting.table import SaveConflict
from exports.collecting.tick import Result, Tick
from exports.model import Export, Status, utc_text
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row
from exports.runs import Described, Filters

T = TypeVar("T")
START = datetime(2026, 11, 1, tzinfo=UTC)
TICK = timedelta(minutes=15)
GRACE = timedelta(minutes=10)
LEASE = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Task:
    """An export task of the service. ``actual_end`` is before the requested end if the export is truncated."""

    id: str
    kind: Kind
    requested_at: datetime
    ends_at: datetime
    agent_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    fails: bool = False
    actual_start: datetime | None = None
    actual_end: datetime | None = None
    truncated: bool = False
    foreign: bool = False

    def export(self, now: datetime) -> Export:
        ended = Status.FAILED if self.fails else Status.SUCCEEDED
        return Export(
            id=self.id,
            status=ended if now >= self.ends_at else Status.IN_PROGRESS,
            status_message="",
            requested_at=self.requested_at,
            is_truncated=self.truncated,
            requested_start=self.start,
            requested_end=self.end,
        )


@dataclass
class World:
    """Everything outside of the product's code. Time passes only in :meth:`advance`.

    ``per_day`` is the service's limit of agent exports on a day in UTC, from ``limited_from`` on. ``others`` says how
    many slots others use. ``capacity`` is how much time of an agent fits into an export, None for any. ``fails`` and
    ``refuses`` decide on a request.
    """

    agents_listed: Sequence[Agent] = ()
    server_ids: Sequence[str] = ()
    now: datetime = START
    concurrent: int = 5
    per_day: int | None = None
    limited_from: datetime = START
    duration: timedelta = timedelta(minutes=20)
    others: Callable[[datetime], int] = lambda now: 0
    capacity: Callable[[str], timedelta | None] = lambda agent_id: None
    fails: Callable[[Request], bool] = lambda request: False
    refuses: Callable[[Request], str] = lambda request: ""
    listed_after: timedelta = timedelta()
    """How long after its start the service lists an export."""
    data_from: Callable[[str], datetime | None] = lambda agent_id: None
    tasks: dict[str, Task] = field(default_factory=dict)
    table: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Items as they come out of JSON, as a table keeps no reference to an object."""
    catalog: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    """Warnings."""
    informed: list[str] = field(default_factory=list)
    """Messages about what is no fault."""
    found: Coverage | None = None
    """What the last tick found."""
    refusals: int = 0
    handed_over: list[str] = field(default_factory=list)
    calls: int = 0
    """Calls of the last tick."""
    calls_per_tick: int = 1_000_000
    """After so many calls, a tick has no time left."""
    before: Callable[[str], None] = lambda call: None
    after: Callable[[str], None] = lambda call: None
    """Called before and after each call of the product; may raise, as if it were killed."""

    # --- the service ---

    def agents(self, has_time: Callable[[], bool]) -> tuple[Sequence[Agent], bool]:
        return self._call("DescribeAgents", lambda: (self.agents_listed, True))

    def server_agent_ids(self, has_time: Callable[[], bool]) -> tuple[Sequence[str], bool]:
        return self._call("ListConfigurations", lambda: (self.server_ids, True))

    def describe(
        self, export_ids: Sequence[str] = (), filters: Filters = (), has_time: Callable[[], bool] = lambda: True
    ) -> Described:
        return self._call("DescribeExportTasks", lambda: self._describe(export_ids, filters))

    def start(self, request: Request) -> str:
        return self._call("StartExportTask", lambda: self._start(request))

    def own_in_progress(self) -> int:
        return sum(self.now < task.ends_at for task in self.tasks.values() if not task.foreign)

    def _describe(self, export_ids: Sequence[str], filters: Filters) -> Described:
        agents = {agent_id for each in filters for agent_id in each["values"]}
        tasks = [self.tasks[each] for each in export_ids if each in self.tasks] if export_ids else self.tasks.values()
        return Described(
            {
                task.id: task.export(self.now)
                for task in tasks
                if (not agents or task.agent_id in agents) and self.now >= task.requested_at + self.listed_after
            }
        )

    def _start(self, request: Request) -> str:
        code = self.refuses(request)
        if code:
            self.refusals += 1
            raise OutcomeUnknown(code) if code == "ThrottlingException" else RequestRefused(code)
        present = next((task.id for task in self.tasks.values() if self._is_same(task, request)), None)
        if present:
            self.refusals += 1
            raise AlreadyPresent(present)
        if request.kind is Kind.AGENT:
            if self.own_in_progress() + self.others(self.now) >= self.concurrent:
                self.refusals += 1
                raise SlotsTaken("OperationNotPermittedException")
            if self.per_day is not None and self.now >= self.limited_from and self._today() >= self.per_day:
                self.refusals += 1
                raise LimitReached("The daily limit is reached.")
        return self.add(request).id

    def add(self, request: Request, **members: Any) -> Task:
        """A new task; a ``foreign`` one was started by others."""
        first, last, truncated = self._actual(request)
        task = Task(
            id=f"export-{len(self.tasks) + 1}",
            kind=request.kind,
            requested_at=self.now,
            ends_at=self.now + self.duration,
            agent_id=request.agent_id,
            start=request.start,
            end=request.end,
            fails=self.fails(request),
            actual_start=first,
            actual_end=last,
            truncated=truncated,
        )
        task = replace(task, **members)
        self.tasks[task.id] = task
        return task

    def _actual(self, request: Request) -> tuple[datetime | None, datetime | None, bool]:
        """The actual range of an agent export, and whether it is truncated."""
        if request.agent_id is None or request.end is None:
            return None, None, False
        first = request.start or self.data_from(request.agent_id)
        capacity = self.capacity(request.agent_id)
        if first is None:
            return None, None, False
        if capacity is None or request.end - first <= capacity:
            return first, request.end, False
        return first, first + capacity, True

    def _is_same(self, task: Task, request: Request) -> bool:
        return (
            request.kind is Kind.AGENT
            and (task.agent_id, task.start, task.end) == (request.agent_id, request.start, request.end)
            and not task.fails
            and self.now >= task.ends_at
        )

    def _today(self) -> int:
        day = self.now.date()
        return sum(task.requested_at.date() == day and task.kind is Kind.AGENT for task in self.tasks.values())

    # --- the collecting table ---

    def lock(self, holder: str, until: datetime, now: datetime) -> bool:
        raise AssertionError("the handler takes the lock")

    def unlock(self, holder: str) -> None:
        raise AssertionError("the handler ends the lock")

    def items(self) -> Sequence[Mapping[str, Any]]:
        return self._call("Scan", lambda: [item for name, item in self.table.items() if name != LOCK])

    def save(self, item: Mapping[str, Any], version: int) -> int:
        return self._call(f"PutItem {item['agentId']}", lambda: self._save(item, version))

    def mark_due(self, kind: Kind, scheduled_at: datetime) -> None:
        item = {"agentId": DUE[kind], "scheduledAt": utc_text(scheduled_at)}
        self.table[DUE[kind]] = item

    def _save(self, item: Mapping[str, Any], version: int) -> int:
        if self.table.get(item["agentId"], {}).get("version", 0) != version:
            raise SaveConflict
        self.table[item["agentId"]] = json.loads(json.dumps({**item, "version": version + 1}))
        return version + 1

    # --- the catalog ---

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        ids = list(export_ids)
        return self._call(
            "BatchGetItem", lambda: {each: Row(dict(self.catalog[each])) for each in ids if each in self.catalog}
        )

    def record_purpose(self, export_id: str, purpose: Mapping[str, str]) -> None:
        def update() -> None:
            row = self.catalog.setdefault(export_id, {"exportId": export_id, "status": "IN_PROGRESS"})
            row.setdefault("askedFor", dict(purpose))

        self._call("UpdateItem", update)

    def publish(self, name: str, data: Mapping[str, Any]) -> None:
        self._call("PutEvents", lambda: self.events.append((name, dict(data))))

    # --- runs ---

    def run(self, export_ids: Sequence[str]) -> None:
        """Start a run: it waits for the exports, and stores each when it is finished."""
        self.handed_over += export_ids
        for each in export_ids:
            row = self.catalog.setdefault(each, {"exportId": each, "status": "IN_PROGRESS"})
            pending = {"runId": "run", "pendingBy": "run", "pendingLease": utc_text(self.now + LEASE)}
            row |= {**pending, "status": "IN_PROGRESS", "exportStatus": self.tasks[each].export(self.now).status}

    def settle_runs(self) -> None:
        """What the runs have done until now: every finished export that a run waits for is settled."""
        for export_id, row in self.catalog.items():
            task = self.tasks[export_id]
            if row.get("pendingBy") and self.now >= task.ends_at:
                row.pop("pendingBy")
                row.pop("pendingLease")
                row |= self._outcome(task)

    def _outcome(self, task: Task) -> dict[str, Any]:
        settled = {"settledAt": utc_text(self.now), "exportStatus": task.export(self.now).status}
        if task.fails:
            return {**settled, "status": Outcome.FAILED.value}
        actual = {"actualStartTime": task.actual_start, "actualEndTime": task.actual_end}
        outcome = Outcome.TRUNCATED if task.truncated else Outcome.STORED
        return {**settled, "status": outcome.value, **{name: utc_text(at) for name, at in actual.items() if at}}

    # --- ticks ---

    def tick(self, setting: CollectSetting) -> Result:
        """One tick, and the start of a run for what it hands over."""
        self.calls = 0
        result = Tick(
            table=self,
            service=self,
            agent_service=self,
            catalog=self,
            publish=self.publish,
            setting=setting,
            grace=GRACE,
            invocation=Invocation(
                self.now,
                lambda: self.calls < self.calls_per_tick,
                lambda message, **_: self.logged.append(message),
                lambda message, **_: self.informed.append(message),
            ),
        ).run()
        self.found = result.coverage
        if result.export_ids:
            self.run(result.export_ids)
        return result

    def advance(self, time: timedelta = TICK) -> None:
        self.now += time
        self.settle_runs()

    def _call(self, name: str, call: Callable[[], T]) -> T:
        self.calls += 1
        self.before(name)
        result = call()
        self.after(name)
        return result
