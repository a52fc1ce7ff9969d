"""A run, its batches, and the items that are ready to be stored."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, Protocol

from exports.model import Export, utc_text

BATCH_SIZE = 100
"""Exports that one DescribeExportTasks call may describe."""
EXPORT_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")

Filters = Sequence[Mapping[str, Any]]


def is_export_id(text: str) -> bool:
    """Whether the text is an export id that can be part of a key."""
    return bool(EXPORT_ID.fullmatch(text)) and text not in {".", ".."}


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the workflow. Its id is the execution's name."""

    id: str
    started_at: datetime
    deadline: datetime
    on_failure: Literal["fail", "report"]
    export_ids: tuple[str, ...] = ()
    filters: Filters = ()
    correlation_id: str | None = None

    @property
    def is_sweep(self) -> bool:
        """Whether the run is for all exports that the service lists."""
        return not self.export_ids and not self.filters

    @property
    def retries_rejected(self) -> bool:
        """Whether the run processes failed and rejected exports again, because it requests them by id."""
        return bool(self.export_ids)

    def to_json(self) -> dict[str, Any]:
        """The ``run`` member of a batch file; the batches hold the ids."""
        return {
            "id": self.id,
            "startedAt": utc_text(self.started_at),
            "deadline": utc_text(self.deadline),
            "onFailure": self.on_failure,
            "sweep": self.is_sweep,
            "byId": bool(self.export_ids),
            "filters": list(self.filters),
            "correlationId": self.correlation_id,
        }


class Described(dict[str, Export]):
    """Exports by id, as the service describes them.

    ``refused`` has the error code for each id that the service does not accept. ``unanswered`` ids were not described,
    because the service failed or the time was over.
    """

    def __init__(
        self,
        exports: Mapping[str, Export],
        *,
        refused: Mapping[str, str] = MappingProxyType({}),
        unanswered: Iterable[str] = (),
    ) -> None:
        super().__init__(exports)
        self.refused = refused
        self.unanswered = frozenset(unanswered)


class Service(Protocol):
    """Application Discovery Service: :class:`exports.aws.discovery.DiscoveryService`."""

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Described: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """At most :data:`BATCH_SIZE` exports of a run, which one child of the Distributed Map settles."""

    run_id: str
    number: int
    started_at: datetime
    deadline: datetime
    export_ids: tuple[str, ...]
    filters: Filters = ()
    is_sweep: bool = False
    retries_rejected: bool = False
    correlation_id: str | None = field(default=None)

    @property
    def requested_at(self) -> datetime | None:
        """Time before which FAILED and REJECTED do not count as settled; None if they always count."""
        return self.started_at if self.retries_rejected else None

    @classmethod
    def from_json(cls, number: int, document: Mapping[str, Any]) -> "Batch":
        """``document`` may be from an earlier version: only members that the first version wrote are required."""
        run = document["run"]
        by_id = run.get("byId", True)
        return cls(
            run_id=run["id"],
            number=number,
            started_at=datetime.fromisoformat(run["startedAt"]),
            deadline=datetime.fromisoformat(run["deadline"]),
            export_ids=tuple(document["exportIds"]),
            filters=tuple(run.get("filters", ())) if by_id else (),
            is_sweep=run.get("sweep", False),
            retries_rejected=by_id,
            correlation_id=run.get("correlationId"),
        )


@dataclass(frozen=True, slots=True)
class Item:
    """An export that is ready to be stored, after ``polls`` polls.

    ``without_url``: the service has given no download URL within the grace period, so none is expected.
    """

    export_id: str
    polls: int
    without_url: bool = False

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Item":
        return cls(document["exportId"], document.get("polls", 1), without_url=document.get("linkless", False))

    def to_json(self) -> dict[str, Any]:
        return {"exportId": self.export_id, "polls": self.polls, **({"linkless": True} if self.without_url else {})}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The time budget of this invocation is spent; the next invocation resumes."""
