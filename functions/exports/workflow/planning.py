"""Resolve the input of a run to exports, and split them into batches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exports.keys import batch_key, plan_key
from exports.model import Export, Status
from exports.outcomes.rows import Row
from exports.runs import BATCH_SIZE, Run, Service, is_export_id

MAX_BATCHES = 1000
"""100,000 exports in a sweep; the next sweep takes the rest. The list of batches must fit into 256 KB."""


ReadRows = Callable[[Iterable[str]], Mapping[str, Row]]
"""Returns the catalog items that exist, by export id."""
PutJson = Callable[[str, Any], None]
"""Writes a document to a key of the bucket."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The exports of a run, and how many were skipped for which reason."""

    export_ids: tuple[str, ...]
    invalid_ids: int = 0
    over_limit: int = 0


def plan(run: Run, *, service: Service, rows: ReadRows, max_age: timedelta | None) -> Plan:
    """The exports that ``run`` is for.

    Ids are used as given; the service resolves filters and sweeps. A sweep skips exports that are older than
    ``max_age`` or that the catalog holds as settled and announced. Ids that are unsafe as a key are skipped and counted
    as ``invalid_ids``; the service's own ids are all safe.
    """
    if run.export_ids:
        return Plan(run.export_ids)
    listed = service.describe(filters=run.filters)
    usable = [export for export in listed.values() if is_export_id(export.id)]
    wanted = _unsettled(usable, rows, run.started_at, max_age) if run.is_sweep else usable
    ids = [export.id for export in sorted(wanted, key=_finished_first)]
    limit = MAX_BATCHES * BATCH_SIZE
    return Plan(tuple(ids[:limit]), invalid_ids=len(listed) - len(usable), over_limit=max(0, len(ids) - limit))


def _unsettled(exports: Iterable[Export], rows: ReadRows, now: datetime, max_age: timedelta | None) -> list[Export]:
    recent = [
        export
        for export in exports
        if max_age is None or not export.has_request_time or now - export.requested_at <= max_age
    ]
    unsettled: list[Export] = []
    for start in range(0, len(recent), BATCH_SIZE):  # items of all exports would not fit into the memory
        some = recent[start : start + BATCH_SIZE]
        known = rows(export.id for export in some)
        unsettled += (export for export in some if not _is_done(known.get(export.id)))
    return unsettled


def _is_done(row: Row | None) -> bool:
    return row is not None and row.is_final_for(None) and row.announced


def _finished_first(export: Export) -> tuple[bool, datetime, str]:
    """Sort key: finished exports first, then by age, so that few batches have to wait."""
    return export.status == Status.IN_PROGRESS, export.requested_at, export.id


def write_batches(run: Run, export_ids: Sequence[str], put_json: PutJson) -> list[dict[str, Any]]:
    """Write each batch to the bucket, then the plan; return a pointer to each batch for the Distributed Map."""
    pointers: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, len(export_ids), BATCH_SIZE), start=1):
        ids = export_ids[start : start + BATCH_SIZE]
        put_json(batch_key(run.id, number), {"run": run.to_json(), "exportIds": list(ids)})
        pointers.append({"batch": {"runId": run.id, "number": number}})
    put_json(plan_key(run.id), {"run": run.to_json(), "batches": len(pointers)})
    return pointers
