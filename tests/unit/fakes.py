"""What the domain's tests put in the place of the service, the records, the bucket and the clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from exports.errors import ServiceError
from exports.model import Export, Keys, Outcome, RawObject
from exports.rows import Row, Write
from exports.runs import Batch, Filters
from exports.uploads import Upload
from tests.unit.builders import NOW, row

NO_URL_SINCE = "2026-11-23T12:00:00.000Z"


@dataclass
class Clock:
    """Says ``now`` until a test moves it."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class FakeService:
    """Lists ``exports``, or raises ``error``; notes the ids and filters of each call."""

    exports: Sequence[Export] = ()
    error: Exception | None = None
    calls: list[tuple[tuple[str, ...], Filters]] = field(default_factory=list)

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Mapping[str, Export]:
        self.calls.append((tuple(export_ids), filters))
        if self.error:
            raise self.error
        return {each.id: each for each in self.exports if not export_ids or each.id in export_ids}


@dataclass
class FakeRecords:
    """Holds the rows of ``known`` and notes what is recorded, in ``journal`` in the order of the calls."""

    known: dict[str, Row] = field(default_factory=dict)
    claimed: Write = field(default_factory=lambda: Write(row(status="IN_PROGRESS", firstSeenAt="first"), applied=True))
    journal: list[str] = field(default_factory=list)
    outcomes: dict[str, tuple[Outcome, str | None]] = field(default_factory=dict)
    settled: list[tuple[Outcome, Mapping[str, Any]]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    caught_up: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        return {each: self.known[each] for each in export_ids if each in self.known}

    def mark_in_progress(self, export: Export, *, without_url: bool = False) -> None:
        self.seen.append(export.id)
        if without_url:
            self.known[export.id] = row(export.id, "IN_PROGRESS", linklessSince=NO_URL_SINCE)

    def claim(self, export: Export, duration: timedelta) -> Write:
        self.journal.append("claim")
        return self.claimed

    def release(self, export_id: str, error: str) -> None:
        self.journal.append(f"release {error}")

    def remember(self, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None) -> None:
        self.journal.append("remember")

    def settle(self, export: Export, outcome: Outcome, details: Mapping[str, Any], *, polls: int) -> None:
        self.journal.append(f"settle {outcome}")
        self.outcomes[export.id] = (outcome, details.get("reason"))
        self.settled.append((outcome, {**details, "polls": polls}))

    def record_unsettled(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        self.journal.append(f"leave {outcome} {reason}")
        self.outcomes[export_id] = (outcome, reason)

    def announce_overdue(self, row: Row) -> None:
        self.journal.append("catch up")
        self.caught_up.append(row.export_id)

    def announce_pending(self, row: Row) -> None:
        self.closed.append(row.export_id)


@dataclass
class FakeCatalog:
    """Gives every conditional write the same ``answer``, and notes what was written of which export."""

    answer: Write
    announced_ids: list[str] = field(default_factory=list)
    left: list[Outcome] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def settle(self, *_: Any, **__: Any) -> Write:
        return self.answer

    def record_unsettled(self, batch: Batch, export_id: str, outcome: Outcome, reason: str | None) -> Write:
        self.left.append(outcome)
        return self.answer

    def announced(self, row: Row) -> None:
        self.announced_ids.append(row.export_id)

    def release(self, batch: Batch, export_id: str) -> None:
        self.released.append(export_id)


@dataclass
class FakeBus:
    """Keeps the outcomes that it is told, or refuses every event."""

    told: list[Outcome] = field(default_factory=list)
    refuses: bool = False

    def publish(self, row: Row, outcome: Outcome) -> None:
        if self.refuses:
            raise ServiceError("ThrottlingException")
        self.told.append(outcome)


@dataclass
class FakeBucket:
    """Documents by key, and the sizes of other objects; what is written goes into ``journal``."""

    journal: list[str] = field(default_factory=list)
    objects: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def read_json(self, key: str) -> Any:
        return self.objects.get(key)

    def size(self, key: str) -> int | None:
        return self.sizes.get(key)

    def abort(self, key: str, upload_id: str) -> None:
        self.journal.append(f"abort {upload_id}")

    def put_json(self, key: str, document: Any) -> None:
        self.objects[key] = document

    def put_json_once(self, key: str, document: Any) -> bool:
        self.journal.append(f"put {key}")
        return self.objects.setdefault(key, document) is document


@dataclass
class FakeHands:
    """Copies and unpacks whatever a test says."""

    copies: Callable[[], Any]
    unpacks: Callable[[], Any]
    journal: list[str] = field(default_factory=list)

    def copy(self, export: Export, keys: Keys, known: Upload | None) -> Any:
        self.journal.append("copy")
        return self.copies()

    def unpack(self, raw: RawObject, keys: Keys) -> Any:
        self.journal.append("unpack")
        return self.unpacks()
