"""The results of a run: its output, and the report that holds every export."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from exports.keys import report_key
from exports.model import utc_text
from exports.outcomes.outcome import WITH_DATA, Outcome
from exports.outcomes.rows import Records, Row
from exports.runs import Batch
from exports.workflow.batch_state import failure_code

MAX_EXPORTS_IN_OUTPUT = 100


@dataclass(frozen=True, slots=True)
class Report:
    """Every export of a run with its outcome."""

    run_id: str
    exports: Sequence[Mapping[str, Any]]
    bucket: str

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(export["outcome"] for export in self.exports))

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{report_key(self.run_id)}"

    @property
    def all_stored(self) -> bool:
        return all(export["outcome"] in WITH_DATA for export in self.exports)

    def to_json(self, max_exports: int | None = None) -> dict[str, Any]:
        """The output of a run with its first ``max_exports`` exports; by default all of them, as in the report."""
        return {
            "runId": self.run_id,
            "requested": len(self.exports),
            "counts": self.counts,
            "exports": list(self.exports[:max_exports]),
            "report": self.uri,
        }


def batch_failures(children: Any, batches: int) -> dict[int, Mapping[str, Any]]:
    """The failure of each of ``batches`` batches whose child execution did not say that it is settled, by number.

    ``children`` is the output of the Distributed Map. A child says ``{"batch": 3, "pending": 0}``, or gives an error
    that was caught. Of a child that failed or was stopped, there may be its description, as in the files of a
    ResultWriter, or anything else: AWS does not document it. Children of an earlier release give no number: it is their
    position.
    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
    """
    outputs = children if isinstance(children, list) else []
    failures: dict[int, Mapping[str, Any]] = {number: {"error": "BatchNotSettled"} for number in range(1, batches + 1)}
    for position, output in enumerate(outputs, start=1):
        child: Mapping[str, Any] = output if isinstance(output, Mapping) else {}
        number = _batch_number(child) or (position if len(outputs) == batches else 0)
        if number not in failures:
            continue
        if child.get("pending") == 0:
            del failures[number]
        elif error := child.get("error") or child.get("Error") or child.get("Status"):
            failures[number] = {"error": error, "cause": child.get("cause") or child.get("Cause") or ""}
    return failures


def _batch_number(child: Mapping[str, Any]) -> int | None:
    """From the output of a child execution, or from the ``Input`` in its description, which is text."""
    number = child.get("batch")
    if number is None:
        with suppress(ValueError, LookupError, TypeError):
            number = json.loads(child["Input"])["batch"]["number"]
    return number if isinstance(number, int) else None


def batch_results(
    batch: Batch, records: Records, *, failure: Mapping[str, Any] | None, bucket: str
) -> Iterator[dict[str, Any]]:
    """Each export of a batch with its outcome in this run.

    Publishes events that are still pending. If the checks of the batch kept failing, some exports have no outcome:
    they are recorded as NOT_STORED with the code of ``failure``, the error that ended the batch.
    """
    rows = records.rows(batch.export_ids)
    for export_id in batch.export_ids:
        row = rows.get(export_id)
        if row and _is_this_runs_outcome(row, batch):
            records.announce_pending(row)
            yield _entry(row, bucket)
        elif failure:
            code = failure_code(failure)
            records.record_unsettled(export_id, Outcome.NOT_STORED, code)
            yield {"exportId": export_id, "outcome": Outcome.NOT_STORED, "reason": code}
        elif row and _changed_by_other_run(row, batch):
            yield _entry(row, bucket)
        else:
            reason = {"reason": row.last_error} if row and row.last_error else {}
            yield {"exportId": export_id, "outcome": Outcome.TIMED_OUT, **reason}


def _is_this_runs_outcome(row: Row, batch: Batch) -> bool:
    """Whether the item holds this run's outcome of the export: a settled one, or one that this run recorded."""
    if row.outcome is None:
        return False
    return row.outcome.settled or row.run_id == batch.run_id


def _changed_by_other_run(row: Row, batch: Batch) -> bool:
    """Whether another run recorded its outcome of the export while this run was in progress."""
    return row.outcome is not None and row.announced_at >= utc_text(batch.started_at)


def _entry(row: Row, bucket: str) -> dict[str, Any]:
    entry = {
        "exportId": row.export_id,
        "outcome": row.outcome,
        "kind": row.item.get("kind"),
        "manifest": row.manifest_uri(bucket),
        "reason": row.reason,
        "statusMessage": (row.item.get("statusMessage") or None) if row.outcome is Outcome.FAILED else None,
    }
    return {name: value for name, value in entry.items() if value is not None}
