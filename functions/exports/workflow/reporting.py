"""What a run came to: the answer to its caller, and the report that holds every export."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exports.keys import report_key
from exports.model import LANDED, Outcome, utc_text
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
    def all_landed(self) -> bool:
        return all(export["outcome"] in LANDED for export in self.exports)

    def to_json(self, most: int | None = None) -> dict[str, Any]:
        """The answer of a run with its first ``most`` exports; with all of them, the report in the bucket."""
        return {
            "runId": self.run_id,
            "requested": len(self.exports),
            "counts": self.counts,
            "exports": list(self.exports[:most]),
            "report": self.uri,
        }


def batch_results(
    batch: Batch, records: Records, *, failure: Mapping[str, Any] | None, bucket: str
) -> Iterator[dict[str, Any]]:
    """Each export of a batch with its outcome in this run.

    An event that is still owed goes out now. A batch whose checks kept failing leaves exports that nobody recorded:
    they are NOT_STORED with the code of ``failure``, the error that ended it.
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
        elif row and _already_taken(row, batch):
            yield _entry(row, bucket)
        else:
            reason = {"reason": row.last_error} if row and row.last_error else {}
            yield {"exportId": export_id, "outcome": Outcome.TIMED_OUT, **reason}


def _is_this_runs_outcome(row: Row, batch: Batch) -> bool:
    """Whether the row holds this run's outcome for the export: a settled one, or one that this run recorded."""
    if row.outcome is None:
        return False
    return row.outcome.settled or row.run_id == batch.run_id


def _already_taken(row: Row, batch: Batch) -> bool:
    """Whether another run, while this one was at the same export, recorded an outcome over this one's."""
    return row.outcome is not None and row.announced_at >= utc_text(batch.started_at)


def _entry(row: Row, bucket: str) -> dict[str, Any]:
    told = {
        "exportId": row.export_id,
        "outcome": row.outcome,
        "kind": row.item.get("kind"),
        "manifest": row.manifest_uri(bucket),
        "reason": row.reason,
        "statusMessage": (row.item.get("statusMessage") or None) if row.outcome is Outcome.FAILED else None,
    }
    return {name: value for name, value in told.items() if value is not None}
