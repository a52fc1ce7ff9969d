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
    " OR (#status = :REJECTED AND settledAt < :asked_at))"
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

    def see(
        self, export: Export, *, run_id: str, correlation_id: str | None, now: datetime, linkless: bool = False
    ) -> Write:
        """Note that the service lists the export and has not finished it, or gives no link to it yet (``linkless``)."""
        values = {**self._about(export, run_id, correlation_id), "status": IN_PROGRESS}
        values |= {"linklessSince": utc_text(now)} if linkless else {}
        return self._write(export.id, values, now=now, condition=_OPEN, remove=("reason", "announcedAt"))

    def claim(
        self,
        export: Export,
        *,
        run_id: str,
        correlation_id: str | None,
        asked_at: datetime | None,
        now: datetime,
        until: datetime,
    ) -> Write:
        """Take the export for this run until ``until``, so that runs that meet over it download it once.

        Lost when the row is settled or another run's claim has not expired yet.
        """
        values = {**self._about(export, run_id, correlation_id), "claimedBy": run_id, "claimedUntil": utc_text(until)}
        # An outcome in the row is still that of the run which recorded it.
        del values["runId"]
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
        values = {
            **self._about(export, run_id, correlation_id),
            **details,
            "status": outcome,
            "settledAt": utc_text(now),
            "polls": polls,
        }
        remove = tuple(sorted({"reason", "announcedAt", *_CLAIM} - details.keys()))
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

        It takes the place of a rejection that was asked about again at ``asked_at``, and of no other settled outcome.
        """
        values = {**self._origin, "status": outcome, "runId": run_id}
        values |= {"reason": reason} if reason else {}
        values |= {"correlationId": correlation_id} if correlation_id else {}
        remove = ("announcedAt", "settledAt", "lastError", *(() if reason else ("reason",)))
        condition = f"{_LEFT_OPEN} AND NOT (#status = :status AND runId = :runId)"
        return self._write(export_id, values, now=now, asked_at=asked_at, condition=condition, remove=remove)

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

    def _about(self, export: Export, run_id: str, correlation_id: str | None) -> dict[str, Any]:
        """Every member of ExportInfo but the link, and who asks."""
        about = {
            **self._origin,
            "runId": run_id,
            "correlationId": correlation_id,
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
            return Write(lost.row, won=all(lost.row.item.get(name) == value for name, value in values.items()))

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
