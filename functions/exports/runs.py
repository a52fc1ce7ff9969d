"""A run: what it was asked for, until when it waits, and where its papers lie in the bucket."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from exports.model import Export, utc_text

if TYPE_CHECKING:
    pass

BATCH_SIZE = 100
"""Tasks that one DescribeExportTasks call takes at most."""
EXPORT_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")

Filters = Sequence[Mapping[str, Any]]


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
        """Whether the run asks for whatever the service lists."""
        return not self.export_ids and not self.filters

    @property
    def retries_rejected(self) -> bool:
        """Whether exports that failed or were rejected before are looked at anew, being asked for by id."""
        return bool(self.export_ids)

    def to_json(self) -> dict[str, Any]:
        """As it stands in a batch file; the ids are left to the batches."""
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


class Service(Protocol):
    """Application Discovery Service: :class:`exports.aws.discovery.DiscoveryService`."""

    def describe(self, export_ids: Sequence[str] = (), filters: Filters = ()) -> Mapping[str, Export]: ...


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
        """The moment before which FAILED and REJECTED do not count as settled; None where they always count."""
        return self.started_at if self.retries_rejected else None

    @classmethod
    def from_json(cls, number: int, document: Mapping[str, Any]) -> "Batch":
        run = document["run"]
        return cls(
            run_id=run["id"],
            number=number,
            started_at=datetime.fromisoformat(run["startedAt"]),
            deadline=datetime.fromisoformat(run["deadline"]),
            export_ids=tuple(document["exportIds"]),
            filters=tuple(run["filters"]) if run["byId"] else (),
            is_sweep=run["sweep"],
            retries_rejected=run["byId"],
            correlation_id=run["correlationId"],
        )


@dataclass(frozen=True, slots=True)
class Item:
    """An export that is ready to be stored, after ``polls`` looks at it.

    ``without_url``: the service has given no link for as long as the grace period lasts, and will not.
    """

    export_id: str
    polls: int
    without_url: bool = False

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Item":
        return cls(document["exportId"], document["polls"], without_url=document.get("linkless", False))

    def to_json(self) -> dict[str, Any]:
        return {"exportId": self.export_id, "polls": self.polls, **({"linkless": True} if self.without_url else {})}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The time of this call is spent; the next one goes on."""
