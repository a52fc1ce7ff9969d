"""The catalog: one row an export in DynamoDB, which never goes back once it is settled.

A row is settled with STORED or TRUNCATED for ever. FAILED and REJECTED are settled too, but a run that asks for the
export by id may settle it anew: a row settled before that run began does not bind it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from exports.aws.client_errors import aws_call
from exports.errors import ClaimLost, ServiceError
from exports.model import IN_PROGRESS, SETTLED, Export, Outcome, RawObject, utc_text
from exports.outcomes.rows import Row, Write
from exports.redaction import redact_message
from exports.retry import RetryPolicy
from exports.runs import Batch
from exports.s3.multipart import Upload

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_KEYS_PER_READ = 100
"""Rows that one BatchGetItem takes at most."""
READ_RETRY = RetryPolicy(attempts=8, base_seconds=0.05)
"""For keys that DynamoDB leaves unprocessed, about six seconds in all; botocore repeats what fails as a whole."""


def _in(outcomes: Iterable[Outcome]) -> str:
    """A condition's list of outcomes, each by a placeholder of its own name."""
    return f"({', '.join(f':{outcome}' for outcome in outcomes)})"


_NOT_SETTLED = f"attribute_not_exists(#status) OR NOT #status IN {_in(SETTLED)}"
_MAY_SETTLE = (
    f"({_NOT_SETTLED}"
    f" OR (#status IN {_in(outcome for outcome in SETTLED if not outcome.landed)} AND settledAt < :requested_at))"
)
_NOT_CLAIMED = "(attribute_not_exists(claimedUntil) OR claimedUntil < :now OR claimedBy = :claimedBy)"
_MAY_RECORD_UNSETTLED = (
    f"({_NOT_SETTLED}"
    " OR (settledAt < :requested_at AND (#status = :REJECTED OR #status = :FAILED AND exportStatus <> :FAILED)))"
)
_CLAIM = ("claimedBy", "claimedUntil", "upload", "raw", "rawKey", "linklessSince", "lastError")
"""Attributes that end with a settled outcome, unless it brings them along."""
_UPLOAD_NAMES = {"#upload": "upload", "#raw": "raw"}


class Catalog:
    """Reads and conditional writes of the table. Every write states what must still hold, so order does not matter.

    Writes are those of one batch of a run, whose ids and times they note. ``clock`` tells the time of each.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        account: str,
        region: str,
        clock: Callable[[], datetime],
        retry_policy: RetryPolicy = READ_RETRY,
    ) -> None:
        self._client = client
        self._table = table
        self._origin = {"accountId": account, "region": region}
        self._clock = clock
        self._retry_policy = retry_policy

    def rows(self, export_ids: Iterable[str]) -> dict[str, Row]:
        """The rows that exist, by id; consistent, any number of them."""
        ids = list(dict.fromkeys(export_ids))
        found: dict[str, Row] = {}
        for start in range(0, len(ids), MAX_KEYS_PER_READ):
            for row in self._read(ids[start : start + MAX_KEYS_PER_READ]):
                found[row.export_id] = row
        return found

    def _read(self, ids: Sequence[str]) -> Iterator[Row]:
        keys: Any = {"Keys": [{"exportId": {"S": each}} for each in ids], "ConsistentRead": True}
        wanted: Any = {self._table: keys}
        for failures in count(1):
            with aws_call():
                answer = self._client.batch_get_item(RequestItems=wanted)
            yield from (Row(_plain(item)) for item in answer["Responses"].get(self._table, ()))
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return
            self._retry_policy.wait_or_raise(failures, ServiceError("ProvisionedThroughputExceededException"))

    def mark_in_progress(self, batch: Batch, export: Export) -> Write:
        """Note that the service lists the export and has not finished it."""
        whose, not_theirs = _run_attributes(batch)
        values = {**self._export_attributes(export), **whose, "status": IN_PROGRESS}
        remove = ("reason", "announcedAt", *not_theirs)
        return self._write(batch, export.id, values, condition=f"({_NOT_SETTLED})", remove=remove)

    def mark_no_url(self, batch: Batch, export: Export) -> Write:
        """Note that the service gives no link to the finished export, and since when. Its outcome stays as it is."""
        values = {**self._export_attributes(export), "linklessSince": utc_text(self._clock())}
        return self._write(batch, export.id, values, condition=_MAY_SETTLE, keep_status=True)

    def claim(self, batch: Batch, export: Export, duration: timedelta) -> Write:
        """Take the export for the batch's run for ``duration``, so that runs that meet over it download it once.

        Lost when the row is settled or another run's claim has not expired yet. An outcome in the row is still that of
        the run which recorded it.
        """
        until = utc_text(self._clock() + duration)
        values = {**self._export_attributes(export), "claimedBy": batch.run_id, "claimedUntil": until}
        condition = f"{_MAY_SETTLE} AND {_NOT_CLAIMED}"
        return self._write(batch, export.id, values, condition=condition, remove=("lastError",), keep_status=True)

    def save_progress(
        self, batch: Batch, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None
    ) -> None:
        """Keep what a later call needs to go on from here. Raises ClaimLost once the export is not this run's."""
        arguments = {":upload": _record(upload), ":raw": _record(raw), ":run_id": batch.run_id}
        try:
            self._update(
                export_id, "SET #upload = :upload, #raw = :raw", "claimedBy = :run_id", _UPLOAD_NAMES, arguments
            )
        except ConditionFailed:
            raise ClaimLost(export_id) from None

    def settle(
        self, batch: Batch, export: Export, outcome: Outcome, *, polls: int, details: Mapping[str, Any]
    ) -> Write:
        """Record a settled outcome. Lost when the row is settled already; the claim ends with it."""
        whose, not_theirs = _run_attributes(batch)
        settled = {"status": outcome, "settledAt": utc_text(self._clock()), "polls": polls}
        values = {**self._export_attributes(export), **whose, **details, **settled}
        remove = tuple(sorted({"reason", "announcedAt", *not_theirs, *_CLAIM} - details.keys()))
        return self._write(batch, export.id, values, condition=_MAY_SETTLE, remove=remove)

    def record_unsettled(self, batch: Batch, export_id: str, outcome: Outcome, reason: str | None = None) -> Write:
        """Record an outcome that settles nothing: a later run takes the export up again.

        Of settled outcomes it takes the place of those that were asked about again at ``requested_at`` only: of a
        rejection, and of a failure that the service has taken back. Lost when this run has left the export so already.
        """
        whose, not_theirs = _run_attributes(batch)
        values = {**self._origin, **whose, "status": outcome, **({"reason": reason} if reason else {})}
        remove = ("announcedAt", "settledAt", "lastError", *not_theirs, *(() if reason else ("reason",)))
        condition = f"{_MAY_RECORD_UNSETTLED} AND NOT (#status = :status AND runId = :runId)"
        # A call that is repeated writes the same again, so the values do not tell which of them was first.
        return self._write(batch, export_id, values, condition=condition, remove=remove, treat_equal_as_applied=False)

    def release(self, batch: Batch, export_id: str, error: str | None = None) -> None:
        """End this run's claim, if it still has it, so that nobody waits for it to expire; ``error`` ended the try."""
        noting, noted = ("SET lastError = :error ", {":error": error}) if error else ("", {})
        expression, arguments = f"{noting}REMOVE claimedBy, claimedUntil", {":run_id": batch.run_id, **noted}
        with suppress(ConditionFailed):
            self._update(export_id, expression, "claimedBy = :run_id", {}, arguments)

    def announced(self, row: Row) -> None:
        """Note that the event of the row's outcome is out, unless the row has another outcome by now."""
        told = {":status": row.item.get("status"), ":run_id": row.run_id, ":now": utc_text(self._clock())}
        condition = "#status = :status AND (runId = :run_id OR attribute_not_exists(runId))"
        with suppress(ConditionFailed):
            self._update(row.export_id, "SET announcedAt = :now", condition, {"#status": "status"}, told)

    def _export_attributes(self, export: Export) -> dict[str, Any]:
        """Every member of ExportInfo but the link."""
        about = {
            **self._origin,
            "exportStatus": export.status,
            "statusMessage": redact_message(export.status_message),
            "exportRequestTime": utc_text(export.requested_at),
            "isTruncated": export.is_truncated,
            "requestedStartTime": utc_text(export.requested_start) if export.requested_start else None,
            "requestedEndTime": utc_text(export.requested_end) if export.requested_end else None,
        }
        return {name: value for name, value in about.items() if value is not None}

    def _write(
        self,
        batch: Batch,
        export_id: str,
        values: Mapping[str, Any],
        *,
        condition: str,
        remove: Sequence[str] = (),
        keep_status: bool = False,
        treat_equal_as_applied: bool = True,
    ) -> Write:
        """One UpdateItem that holds only while ``condition`` does; the loser is told the row that was there."""
        names = {f"#{name}": name for name in (*values, *remove, "status", "firstSeenAt")}
        sets = [f"#{name} = :{name}" for name in values] + ["#firstSeenAt = if_not_exists(#firstSeenAt, :now)"]
        arguments = {f":{name}": value for name, value in values.items()}
        arguments |= {":now": utc_text(self._clock())} | {f":{each}": each for each in SETTLED}
        if ":requested_at" in condition:  # DynamoDB refuses values that nothing uses
            arguments[":requested_at"] = utc_text(batch.requested_at) if batch.requested_at else ""
        if keep_status:
            sets.append("#status = if_not_exists(#status, :in_progress)")
            arguments[":in_progress"] = IN_PROGRESS
        expression = (
            "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(f"#{name}" for name in remove) if remove else "")
        )
        try:
            return Write(self._update(export_id, expression, condition, names, arguments), applied=True)
        except ConditionFailed as lost:
            # An answer may get lost and botocore try again: the condition then fails on what we wrote ourselves.
            own = treat_equal_as_applied and all(lost.row.item.get(name) == value for name, value in values.items())
            return Write(lost.row, applied=own)

    def _update(
        self, export_id: str, expression: str, condition: str, names: Mapping[str, str], arguments: Mapping[str, Any]
    ) -> Row:
        key: Any = {"exportId": {"S": export_id}}
        named: Any = {"ExpressionAttributeNames": names} if names else {}
        with aws_call():
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=_typed(arguments),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **named,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                there: Any = error.response.get("Item", key)
                raise ConditionFailed(Row(_plain(there))) from None
        return Row(_plain(answer["Attributes"]))


class ConditionFailed(Exception):
    """The condition of a write did not hold."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row


def _run_attributes(batch: Batch) -> tuple[dict[str, str], tuple[str, ...]]:
    """Attributes that say whose outcome a row holds, and those of an earlier run's that go then."""
    if batch.correlation_id:
        return {"runId": batch.run_id, "correlationId": batch.correlation_id}, ()
    return {"runId": batch.run_id}, ("correlationId",)


def _record(part: Upload | RawObject | None) -> dict[str, Any] | None:
    return asdict(part) if part else None


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(str(value) if isinstance(value, Outcome) else value) for name, value in values.items()}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    deserialize = TypeDeserializer().deserialize
    return {name: _whole(deserialize(value)) for name, value in item.items()}


def _whole(value: Any) -> Any:
    """DynamoDB's numbers as int: the catalog holds no fractions."""
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return int(value) if hasattr(value, "as_tuple") else value
