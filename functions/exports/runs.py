"""A run: what it was asked for, until when it waits, and where its papers lie in the bucket."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from exports.model import Export, utc_text
from exports.settings import Settings

if TYPE_CHECKING:
    from fastjsonschema import JsonSchemaValueException

BATCH_SIZE = 100
"""Tasks that one DescribeExportTasks call takes at most."""
EXPORT_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")
MAX_ERRORS = 20

Filters = Sequence[Mapping[str, Any]]


class InvalidInput(Exception):
    """The input of a run breaks its schema; the message names every faulty member."""


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
    """Application Discovery Service: :class:`exports.discovery.DiscoveryService`."""

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


def batch_key(run_id: str, number: int) -> str:
    return f"runs/{run_id}/batches/{number:05d}.json"


def plan_key(run_id: str) -> str:
    return f"runs/{run_id}/plan.json"


def report_key(run_id: str) -> str:
    return f"runs/{run_id}.json"


def read_run(execution: Mapping[str, Any], settings: Settings) -> Run:
    """The run that an execution's context object (``Id``, ``Name``, ``StartTime``, ``Input``) asks for.

    What its input leaves out comes from ``settings``.

    Raises InvalidInput, naming each faulty member, when the input breaks ``run_input.schema.json``.
    """
    asked = _distinct(execution["Input"])
    _validate(asked)
    _reject_lone_surrogates(asked)
    ids, filters = tuple(asked.get("exportIds", ())), tuple(asked.get("filters", ()))
    started_at = datetime.fromisoformat(execution["StartTime"]).astimezone(UTC)
    default = settings.deadline if ids or filters else settings.sweep_deadline
    return Run(
        id=execution["Name"],
        started_at=started_at,
        deadline=started_at + (timedelta(minutes=asked["deadlineMinutes"]) if "deadlineMinutes" in asked else default),
        on_failure=asked.get("onFailure", "fail" if ids else "report"),
        export_ids=ids,
        filters=filters,
        correlation_id=asked.get("correlationId"),
    )


def _distinct(asked: Any) -> Any:
    """The input with duplicate ids taken out, order kept: the limit of the schema counts distinct ids."""
    if not isinstance(asked, dict) or not isinstance(asked.get("exportIds"), list):
        return asked
    seen: dict[str, Any] = {json.dumps(export_id): export_id for export_id in asked["exportIds"]}
    return {**asked, "exportIds": list(seen.values())}


def _validate(asked: Any) -> None:
    # Here, because of the four functions only one reads input, and all of them should start fast.
    import fastjsonschema

    schema = json.loads(Path(__file__).with_name("run_input.schema.json").read_text("utf-8"))
    try:
        fastjsonschema.compile(schema, use_default=False, fast_fail=False)(asked)
    except fastjsonschema.JsonSchemaValuesException as error:
        raise InvalidInput(_told([_fault(each) for each in error.errors])) from None


def _reject_lone_surrogates(asked: Any) -> None:
    """Half of a surrogate pair is no text that a row or an event could hold."""
    try:
        json.dumps(asked, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput("input holds text that is not Unicode (half of a surrogate pair)") from None


def _fault(error: "JsonSchemaValueException") -> str:
    name = str(error.name)
    member = name.removeprefix("data").removeprefix(".") or "input"
    if error.rule == "additionalProperties":
        unknown = sorted(set(error.value) - set(error.definition["properties"]))
        return f"{member} has unknown members: {_told([_quoted(name) for name in unknown], ', ')}"
    if error.rule == "not":
        return f"{member} must not be . or .."
    return f"{member} {error.message.removeprefix(name).strip()}"


def _quoted(name: str) -> str:
    """A name of somebody's choosing, bounded and printable whatever it holds."""
    return ascii(name[:64])


def _told(faults: Sequence[str], between: str = "; ") -> str:
    more = len(faults) - MAX_ERRORS
    return between.join(faults[:MAX_ERRORS]) + (f"{between}and {more} more" if more > 0 else "")
