"""The results of a run: its output, and the report that holds every export."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

from exports.keys import report_key
from exports.model import utc_text
from exports.outcomes.outcome import WITH_DATA, Outcome
from exports.outcomes.rows import Records, Row
from exports.runs import Batch
from exports.workflow.batch_state import failure_code

MAX_EXPORTS_IN_OUTPUT = 100
MAX_OUTPUT_BYTES = 200 * 1024
"""Of the exports in the output. A state of Step Functions has at most 256 KiB, with what surrounds the output."""


@dataclass(slots=True)
class Report:
    """Writes every export of a run to ``file`` as it is added, and keeps the counts and what fits into the output."""

    run_id: str
    bucket: str
    file: IO[bytes]
    counts: Counter[str] = field(default_factory=Counter)
    not_found: list[str] = field(default_factory=list)
    """The first ids that were not found."""
    _exports: list[Mapping[str, Any]] = field(default_factory=list)
    _output_bytes: int = 0
    _output_full: bool = False

    def __post_init__(self) -> None:
        self.file.write(b'{"runId": %s, "exports": [' % _ascii(self.run_id))

    @property
    def requested(self) -> int:
        return self.counts.total()

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{report_key(self.run_id)}"

    @property
    def all_stored(self) -> bool:
        return all(outcome in WITH_DATA for outcome in self.counts)

    def add(self, export: Mapping[str, Any]) -> None:
        self.file.write((b",\n" if self.requested else b"\n") + _ascii(export))
        self.counts[export["outcome"]] += 1
        if export["outcome"] == Outcome.NOT_FOUND and len(self.not_found) < MAX_EXPORTS_IN_OUTPUT:
            self.not_found.append(export["exportId"])
        if not self._output_full:
            # With escapes, the longest form of the text that a runtime may write.
            self._output_bytes += len(_ascii(export)) + len(", ")
            self._output_full = self._output_bytes > MAX_OUTPUT_BYTES or len(self._exports) == MAX_EXPORTS_IN_OUTPUT
        if not self._output_full:
            self._exports.append(export)

    def finish(self) -> None:
        """Complete the document in ``file``."""
        members = {"requested": self.requested, "counts": self.counts, "report": self.uri}
        self.file.write(b"\n], " + _ascii(members)[1:])

    def output(self) -> dict[str, Any]:
        """The output of the run, with its first exports: at most MAX_EXPORTS_IN_OUTPUT, and what fits."""
        return {
            "runId": self.run_id,
            "requested": self.requested,
            "counts": dict(self.counts),
            "exports": self._exports,
            "report": self.uri,
        }


def _ascii(document: Any) -> bytes:
    """A terminal that prints it obeys no control or bidirectional character of a text."""
    return json.dumps(document).encode()


def batch_failures(children: Any, batches: int) -> dict[int, Mapping[str, Any]]:
    """The failure of each of ``batches`` batches whose child execution did not say that it is settled, by number.

    ``children`` is the output of the Distributed Map. A child says ``{"batch": 3, "pending": 0}``, or gives an error
    that was caught. Of a child that failed, there is its description, as a ResultWriter with the transformation NONE
    writes it. Of one that was stopped, AWS does not say what there is. Children of an earlier version give no number:
    it is their position.
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
        elif row and (unrecorded := row.unrecorded(batch.run_id)):
            outcome, reason = unrecorded
            yield {"exportId": export_id, "outcome": outcome, **({"reason": reason} if reason else {})}
        elif failure:
            code = failure_code(failure)
            records.record_unsettled(export_id, Outcome.NOT_STORED, code)
            yield {"exportId": export_id, "outcome": Outcome.NOT_STORED, "reason": code}
        elif row and _changed_by_other_run(row, batch):
            yield _entry(row, bucket)
        else:
            error = {"reason": row.last_error} if row and row.last_error else {}
            yield {"exportId": export_id, "outcome": Outcome.TIMED_OUT, **error}


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
        "kind": row.kind,
        "manifest": row.manifest_uri(bucket),
        "schemaNotes": row.count("schemaNotes") or None,
        "reason": row.reason,
        "statusMessage": row.text("statusMessage") if row.outcome is Outcome.FAILED else None,
    }
    return {name: value for name, value in entry.items() if value is not None}
