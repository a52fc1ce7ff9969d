"""What stands in for the service, the catalog and the bus where rules are tested."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exports.errors import ServiceError
from exports.model import Export, Outcome
from exports.rows import Row, Write
from exports.runs import Filters


@dataclass
class FakeService:
    """Application Discovery Service, which lists ``exports``; ``calls`` are the ids and filters that were asked for."""

    exports: Sequence[Export] = ()
    calls: list[tuple[tuple[str, ...], Filters]] = field(default_factory=list)

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Mapping[str, Export]:
        self.calls.append((tuple(export_ids), filters))
        return {each.id: each for each in self.exports if not export_ids or each.id in export_ids}


@dataclass
class FakeCatalog:
    """The catalog: holds ``known`` rows and gives every conditional write the same ``answer``."""

    known: Sequence[Row] = ()
    answer: Write | None = None
    announced_ids: list[str] = field(default_factory=list)
    left: list[Outcome] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        wanted = set(export_ids)
        return {row.export_id: row for row in self.known if row.export_id in wanted}

    def settle(self, *_: Any, **__: Any) -> Write | None:
        return self.answer

    def leave(self, export_id: str, outcome: Outcome, **_: Any) -> Write | None:
        self.left.append(outcome)
        return self.answer

    def announced(self, row: Row, now: Any) -> None:
        self.announced_ids.append(row.export_id)

    def release(self, export_id: str, run_id: str) -> None:
        self.released.append(export_id)


@dataclass
class FakeRecords:
    """The ledger: ``known`` rows, the ``outcomes`` that were left with their reasons, and who was ``caught_up``."""

    known: dict[str, Row] = field(default_factory=dict)
    outcomes: dict[str, tuple[Outcome, str | None]] = field(default_factory=dict)
    caught_up: list[str] = field(default_factory=list)

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        return {each: self.known[each] for each in export_ids if each in self.known}

    def leave(self, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        self.outcomes[export_id] = (outcome, reason)

    def close(self, row: Row) -> None:
        self.caught_up.append(row.export_id)


@dataclass
class FakeBus:
    """The event bus: keeps the outcomes it was ``told``, or refuses every event."""

    told: list[Outcome] = field(default_factory=list)
    refuses: bool = False

    def announce(self, row: Row, outcome: Outcome) -> None:
        if self.refuses:
            raise ServiceError("ThrottlingException")
        self.told.append(outcome)
