"""Which exports a run is for, in which batches."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exports.keys import batch_key, plan_key
from exports.model import Export, Status
from exports.outcomes.rows import Row
from exports.runs import BATCH_SIZE, EXPORT_ID, Run, Service

MAX_BATCHES = 1000
"""A sweep takes the first 100,000 exports and leaves the rest to the next: the list of batches has to fit 256 KB."""


ReadRows = Callable[[Iterable[str]], Mapping[str, Row]]
"""Gives the catalog's rows of exports by id, those that there are."""
PutJson = Callable[[str, Any], None]
"""Writes a document to a key of the bucket."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The exports of a run, and what was left out of it and why."""

    export_ids: tuple[str, ...]
    invalid_ids: int = 0
    over_limit: int = 0


def plan(run: Run, *, service: Service, rows: ReadRows, max_age: timedelta | None) -> Plan:
    """The exports that ``run`` is for.

    Ids are taken as they are; filters and sweeps are resolved by the service. A sweep leaves out what is older than
    ``max_age`` and what the catalog holds as settled. An id that would not make a safe key is left out and counted: the
    service's own ids all do.
    """
    if run.export_ids:
        return Plan(run.export_ids)
    listed = service.describe(filters=run.filters)
    usable = [
        export for export in listed.values() if re.fullmatch(EXPORT_ID, export.id) and export.id not in {".", ".."}
    ]
    wanted = _unsettled(usable, rows, run.started_at, max_age) if run.is_sweep else usable
    ids = [export.id for export in sorted(wanted, key=_finished_first)]
    most = MAX_BATCHES * BATCH_SIZE
    return Plan(tuple(ids[:most]), invalid_ids=len(listed) - len(usable), over_limit=max(0, len(ids) - most))


def _unsettled(exports: Iterable[Export], rows: ReadRows, now: datetime, max_age: timedelta | None) -> list[Export]:
    recent = [export for export in exports if max_age is None or now - export.requested_at <= max_age]
    known = rows(export.id for export in recent)
    return [
        export for export in recent if not ((row := known.get(export.id)) and row.is_final_for(None) and row.announced)
    ]


def _finished_first(export: Export) -> tuple[bool, datetime, str]:
    """Exports that end together share a batch, so that few batches have to wait."""
    return export.status == Status.IN_PROGRESS, export.requested_at, export.id


def write_batches(run: Run, export_ids: Sequence[str], put_json: PutJson) -> list[dict[str, Any]]:
    """Put each batch into the bucket, then the plan, and return a pointer to each batch for the Distributed Map."""
    pointers: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, len(export_ids), BATCH_SIZE), start=1):
        ids = export_ids[start : start + BATCH_SIZE]
        put_json(batch_key(run.id, number), {"run": run.to_json(), "exportIds": list(ids)})
        pointers.append({"batch": {"runId": run.id, "number": number}})
    put_json(plan_key(run.id), {"run": run.to_json(), "batches": len(pointers)})
    return pointers
