"""The catalog: one row an export in DynamoDB, which never goes back once it is settled.

A row is settled with STORED or TRUNCATED for ever. FAILED and REJECTED are settled too, but a run that asks for the
export by id may settle it anew: a row settled before that run began does not bind it.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from exports.calls import aws_call
from exports.errors import ClaimLost, ServiceError
from exports.model import IN_PROGRESS, SETTLED, Export, Outcome, RawObject, utc_text
from exports.rows import Row, Write
from exports.secrecy import clean_message
from exports.uploads import Upload

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

READ_AT_ONCE = 100
"""Rows that one BatchGetItem takes at most."""
READ_ATTEMPTS = 8

_OPEN = (
    "(attribute_not_exists(#status) OR NOT #status IN (:STORED, :TRUNCATED, :FAILED, :REJECTED)"
    " OR (#status IN (:FAILED, :REJECTED) AND settledAt < :asked_at))"
)
_UNCLAIMED = "(attribute_not_exists(claimedUntil) OR claimedUntil < :now OR claimedBy = :claimedBy)"
_LEFT_OPEN = (
    "(attribute_not_exists(#status) OR NOT #status IN (:STORED, :TRUNCATED, :FAILED, :REJECTED)"
    " OR (settledAt < :asked_at AND (#status = :REJECTED OR #status = :FAILED AND exportStatus <> :FAILED)))"
)
_CLAIM = ("claimedBy", "claimedUntil", "upload", "raw", "rawKey", "linklessSince", "lastError")
"""Attributes that end with a settled outcome, unless it brings them along."""
_UPLOAD_NAMES = {"#upload": "upload", "#raw": "raw"}


class Catalog:
    """Reads and conditional writes of the table. Every write states what must still hold, so order does not matter."""

    def __init__(self, client: "DynamoDBClient", table: str, *, account: str, region: str) -> None:
        self._client = client
        self._table = table
        self._origin = {"accountId": account, "region": region}

    def rows(self, export_ids: Iterable[str]) -> dict[str, Row]:
        """The rows that exist, by id; consistent, any number of them."""
        ids = list(dict.fromkeys(export_ids))
        found: dict[str, Row] = {}
        for start in range(0, len(ids), READ_AT_ONCE):
            for row in self._read(ids[start : start + READ_AT_ONCE]):
                found[row.export_id] = row
        return found

    def _read(self, ids: Sequence[str]) -> Iterator[Row]:
        keys: Any = {"Keys": [{"exportId": {"S": each}} for each in ids], "ConsistentRead": True}
        wanted: Any = {self._table: keys}
        for attempt in range(READ_ATTEMPTS):
            with aws_call():
                answer = self._client.batch_get_item(RequestItems=wanted)
            yield from (Row(_plain(item)) for item in answer["Responses"].get(self._table, ()))
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise ServiceError("ProvisionedThroughputExceededException")

    def see(self, export: Export, *, run_id: str, correlation_id: str | None, now: datetime) -> Write:
        """Note that the service lists the export and has not finished it."""
        whose, not_theirs = _whose(run_id, correlation_id)
        values = {**self._about(export), **whose, "status": IN_PROGRESS}
        return self._write(export.id, values, now=now, condition=_OPEN, remove=("reason", "announcedAt", *not_theirs))

    def see_linkless(self, export: Export, *, asked_at: datetime | None, now: datetime) -> Write:
        """Note that the service gives no link to the finished export, and since when. Its outcome stays as it is."""
        values = {**self._about(export), "linklessSince": utc_text(now)}
        return self._write(export.id, values, now=now, asked_at=asked_at, condition=_OPEN, status_once=True)

    def claim(
        self,
        export: Export,
        *,
        run_id: str,
        asked_at: datetime | None,
        now: datetime,
        until: datetime,
    ) -> Write:
        """Take the export for this run until ``until``, so that runs that meet over it download it once.

        Lost when the row is settled or another run's claim has not expired yet. An outcome in the row is still that of
        the run which recorded it.
        """
        values = {**self._about(export), "claimedBy": run_id, "claimedUntil": utc_text(until)}
        condition = f"{_OPEN} AND {_UNCLAIMED}"
        return self._write(
            export.id, values, now=now, asked_at=asked_at, condition=condition, remove=("lastError",), status_once=True
        )

    def remember(
        self, export_id: str, *, run_id: str, upload: Upload | None = None, raw: RawObject | None = None
    ) -> None:
        """Keep what a later call needs to go on from here. Raises ClaimLost once the export is not this run's."""
        arguments = {":upload": _record(upload), ":raw": _record(raw), ":run_id": run_id}
        try:
            self._update(
                export_id, "SET #upload = :upload, #raw = :raw", "claimedBy = :run_id", _UPLOAD_NAMES, arguments
            )
        except _Lost as lost:
            raise ClaimLost(export_id, rejected=lost.row.outcome is Outcome.REJECTED) from None

    def settle(
        self,
        export: Export,
        outcome: Outcome,
        *,
        run_id: str,
        correlation_id: str | None,
        asked_at: datetime | None,
        now: datetime,
        polls: int,
        details: Mapping[str, Any],
    ) -> Write:
        """Record a settled outcome. Lost when the row is settled already; the claim ends with it."""
        whose, not_theirs = _whose(run_id, correlation_id)
        values = {
            **self._about(export),
            **whose,
            **details,
            "status": outcome,
            "settledAt": utc_text(now),
            "polls": polls,
        }
        remove = tuple(sorted({"reason", "announcedAt", *not_theirs, *_CLAIM} - details.keys()))
        return self._write(export.id, values, now=now, asked_at=asked_at, condition=_OPEN, remove=remove)

    def leave(
        self,
        export_id: str,
        outcome: Outcome,
        *,
        reason: str | None,
        run_id: str,
        correlation_id: str | None,
        asked_at: datetime | None,
        now: datetime,
    ) -> Write:
        """Record an outcome that settles nothing: a later run takes the export up again.

        Of settled outcomes it takes the place of those that were asked about again at ``asked_at`` only: of a
        rejection, and of a failure that the service has taken back. Lost when this run has left the export so already.
        """
        whose, not_theirs = _whose(run_id, correlation_id)
        values = {**self._origin, **whose, "status": outcome, **({"reason": reason} if reason else {})}
        remove = ("announcedAt", "settledAt", "lastError", *not_theirs, *(() if reason else ("reason",)))
        condition = f"{_LEFT_OPEN} AND NOT (#status = :status AND runId = :runId)"
        # What two slices of one export write at once is the same, so who was first must not be told by the values.
        return self._write(
            export_id,
            values,
            now=now,
            asked_at=asked_at,
            condition=condition,
            remove=remove,
            own_if_equal=False,
        )

    def release(self, export_id: str, run_id: str, error: str | None = None) -> None:
        """End this run's claim, if it still has it, so that nobody waits for it to expire; ``error`` ended the try."""
        noting, noted = ("SET lastError = :error ", {":error": error}) if error else ("", {})
        expression, arguments = f"{noting}REMOVE claimedBy, claimedUntil", {":run_id": run_id, **noted}
        with suppress(_Lost):
            self._update(export_id, expression, "claimedBy = :run_id", {}, arguments)

    def announced(self, row: Row, now: datetime) -> None:
        """Note that the event of the row's outcome is out, unless the row has another outcome by now."""
        told = {":status": row.item.get("status"), ":run_id": row.run_id, ":now": utc_text(now)}
        condition = "#status = :status AND (runId = :run_id OR attribute_not_exists(runId))"
        with suppress(_Lost):
            self._update(row.export_id, "SET announcedAt = :now", condition, {"#status": "status"}, told)

    def _about(self, export: Export) -> dict[str, Any]:
        """Every member of ExportInfo but the link."""
        about = {
            **self._origin,
            "exportStatus": export.status,
            "statusMessage": clean_message(export.status_message),
            "exportRequestTime": utc_text(export.requested_at),
            "isTruncated": export.is_truncated,
            "requestedStartTime": utc_text(export.requested_start) if export.requested_start else None,
            "requestedEndTime": utc_text(export.requested_end) if export.requested_end else None,
        }
        return {name: value for name, value in about.items() if value is not None}

    def _write(
        self,
        export_id: str,
        values: Mapping[str, Any],
        *,
        now: datetime,
        condition: str,
        asked_at: datetime | None = None,
        remove: Sequence[str] = (),
        status_once: bool = False,
        own_if_equal: bool = True,
    ) -> Write:
        """One UpdateItem that holds only while ``condition`` does; the loser is told the row that was there."""
        names = {f"#{name}": name for name in (*values, *remove, "status", "firstSeenAt")}
        sets = [f"#{name} = :{name}" for name in values] + ["#firstSeenAt = if_not_exists(#firstSeenAt, :now)"]
        arguments = {f":{name}": value for name, value in values.items()}
        arguments |= {":now": utc_text(now)} | {f":{each}": each for each in SETTLED}
        arguments[":asked_at"] = utc_text(asked_at) if asked_at else ""
        if status_once:
            sets.append("#status = if_not_exists(#status, :in_progress)")
            arguments[":in_progress"] = IN_PROGRESS
        expression = (
            "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(f"#{name}" for name in remove) if remove else "")
        )
        try:
            return Write(self._update(export_id, expression, condition, names, arguments), won=True)
        except _Lost as lost:
            # An answer may get lost and botocore try again: the condition then fails on what we wrote ourselves.
            own = own_if_equal and all(lost.row.item.get(name) == value for name, value in values.items())
            return Write(lost.row, won=own)

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
                raise _Lost(Row(_plain(there))) from None
        return Row(_plain(answer["Attributes"]))


class _Lost(Exception):
    """The condition of a write did not hold."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row


def _whose(run_id: str, correlation_id: str | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """Attributes that say whose outcome a row holds, and those of an earlier run's that go then."""
    if correlation_id:
        return {"runId": run_id, "correlationId": correlation_id}, ()
    return {"runId": run_id}, ("correlationId",)


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
