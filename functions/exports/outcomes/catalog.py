"""The catalog: one DynamoDB item per export. A settled item never returns to an unsettled status by itself.

STORED and TRUNCATED are final. FAILED and REJECTED are settled too, but a run that requests the export by id may settle
it again if the item was settled before that run started.

``pendingBy`` is the run that waits for the export, unless it is a sweep; of several, the one with the latest deadline,
``pendingUntil``. Until ``pendingLease``, which its polls renew, no other run records an outcome that is not settled.
``pendingBy`` stays until an outcome is recorded. So the end of any later run, a sweep included, shows that the run in
``pendingBy`` was stopped or could not record its outcome, and records one for it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeSerializer

from exports.aws.client_errors import aws_call
from exports.aws.dynamodb import plain
from exports.errors import ClaimLost, ServiceError
from exports.model import IN_PROGRESS, Export, RawObject, optional_utc_text, utc_text
from exports.outcomes.outcome import SETTLED, Outcome
from exports.outcomes.rows import Row, Write
from exports.redaction import redact_message
from exports.retry import RetryPolicy
from exports.runs import Batch
from exports.s3.multipart import Upload

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_KEYS_PER_READ = 100
"""Items that one BatchGetItem call may read."""
NOT_FOUND_KEPT = timedelta(days=30)
"""How long an item of NOT_FOUND is kept: each caller of a run can make items with any id."""
LEASE_DURATION = timedelta(hours=4)
"""How long the lease of a run that waits for an export lasts. It is renewed at the first poll of each half hour, and
polls are up to 50 minutes apart. The rest is for a long round of storing, during which a batch does not poll."""
READ_RETRY = RetryPolicy(attempts=8, base_seconds=0.05)
"""For UnprocessedKeys, about six seconds in all; botocore retries calls that fail as a whole."""


def _in(outcomes: Iterable[Outcome]) -> str:
    """The operand list of IN for these outcomes; each placeholder is named after its outcome."""
    return f"({', '.join(f':{outcome}' for outcome in outcomes)})"


_SETTLED_VALUES = {f":{outcome}": outcome for outcome in SETTLED}
_NOT_SETTLED = f"attribute_not_exists(#status) OR NOT #status IN {_in(SETTLED)}"
_MAY_SETTLE = (
    f"({_NOT_SETTLED}"
    f" OR (#status IN {_in(outcome for outcome in SETTLED if not outcome.has_data)} AND settledAt < :requested_at))"
)
_NOT_CLAIMED = "(attribute_not_exists(claimedUntil) OR claimedUntil < :now OR claimedBy = :claimedBy)"
_MAY_RECORD_UNSETTLED = (
    f"({_NOT_SETTLED}"
    " OR (settledAt < :requested_at AND (#status = :REJECTED OR #status = :FAILED AND exportStatus <> :FAILED)))"
)
_NO_OTHER_LEASE = "(attribute_not_exists(pendingLease) OR pendingLease < :now OR pendingBy = :runId)"
_MAY_TAKE_LEASE = f"({_NO_OTHER_LEASE} OR pendingUntil <= :pendingUntil)"
_NO_OTHER_STORES = "(attribute_not_exists(claimedUntil) OR claimedUntil < :now OR claimedBy = :runId)"
_NOT_RECORDED = "NOT (#status = :status AND runId = :runId)"
_LEASE = ("pendingBy", "pendingUntil", "pendingLease")
_REMOVED_WHEN_SETTLED = (
    *("claimedBy", "claimedUntil", "upload", "raw", "rawKey", "linklessSince", "deniedSince", "lastError"),
    *("reason", "announcedAt", "expiresAt", "unrecorded", *_LEASE),
)
"""Attributes of earlier outcomes, of the claim and of the lease, unless the outcome sets them."""
_REMOVED_WHEN_UNSETTLED = ("reason", "announcedAt", "expiresAt", "settledAt", "lastError", "deniedSince", *_LEASE)


class Catalog:
    """Reads and conditional writes of the table. Every write has a condition, so the order of writers does not matter.

    Each write belongs to a batch of a run and records the run's id and the time of ``clock``.
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
        """The items that exist, by export id; read consistently, for any number of ids."""
        ids = list(dict.fromkeys(export_ids))
        found: dict[str, Row] = {}
        for start in range(0, len(ids), MAX_KEYS_PER_READ):
            for row in self._read(ids[start : start + MAX_KEYS_PER_READ]):
                found[row.export_id] = row
        return found

    def _read(self, ids: Sequence[str]) -> Iterator[Row]:
        keys: Any = {"Keys": [{"exportId": {"S": each}} for each in ids], "ConsistentRead": True}
        requested: Any = {self._table: keys}
        for failures in count(1):
            with aws_call():
                response = self._client.batch_get_item(RequestItems=requested)
            yield from (Row(plain(item)) for item in response["Responses"].get(self._table, ()))
            requested = response.get("UnprocessedKeys")
            if not requested:
                return
            self._retry_policy.wait_or_raise(failures, ServiceError("ProvisionedThroughputExceededException"))

    def mark_in_progress(self, batch: Batch, export: Export) -> Write:
        """Record that the service lists the export and has not finished it.

        Not applied if the item is settled, or if a run with a later deadline waits; by a sweep, if any run waits.
        """
        own, outdated = _run_attributes(batch)
        values = {**self._export_attributes(export), **own, **self._lease_attributes(batch), "status": IN_PROGRESS}
        remove = ("reason", "announcedAt", "expiresAt", *outdated)
        free = "attribute_not_exists(pendingBy)" if batch.is_sweep else _MAY_TAKE_LEASE
        return self._write(batch, export.id, values, condition=f"({_NOT_SETTLED}) AND {free}", remove=remove)

    def renew_lease(self, batch: Batch, export_id: str) -> None:
        """Renew the lease of the run that waits for the export, unless a run with a later deadline has one."""
        self._write(
            batch, export_id, self._lease_attributes(batch), condition=f"({_NOT_SETTLED}) AND {_MAY_TAKE_LEASE}"
        )

    def mark_no_url(self, batch: Batch, export: Export) -> Write:
        """Record since when the service gives no download URL for the finished export. The outcome is unchanged."""
        values = {**self._export_attributes(export), "linklessSince": utc_text(self._clock())}
        return self._write(batch, export.id, values, condition=_MAY_SETTLE, remove=("expiresAt",), keep_status=True)

    def record_purpose(self, export_id: str, purpose: Mapping[str, str]) -> None:
        """Record what the export was requested for, in an item that may not exist yet. Changes nothing else in it.

        ``purpose`` has ``kind`` and, of an agent export, ``agentId``, ``from`` and ``to``.
        """
        expression = (
            "SET askedFor = :purpose, accountId = if_not_exists(accountId, :account), #region ="
            " if_not_exists(#region, :region), firstSeenAt = if_not_exists(firstSeenAt, :now),"
            " #status = if_not_exists(#status, :in_progress)"
        )
        arguments = {
            ":purpose": dict(purpose),
            ":account": self._origin["accountId"],
            ":region": self._origin["region"],
            ":now": utc_text(self._clock()),
            ":in_progress": IN_PROGRESS,
        }
        with suppress(ConditionFailed):
            self._update(export_id, expression, "attribute_not_exists(askedFor)", arguments)

    def claim(self, batch: Batch, export: Export, duration: timedelta) -> Write:
        """Claim the export for the batch's run for ``duration``, so that concurrent runs download it once.

        Not applied if the item is settled or another run's claim has not expired. An outcome in the item remains that
        of the run that recorded it, and the run with the latest deadline that waits for the export stays in it.
        """
        until = utc_text(self._clock() + duration)
        values = {**self._export_attributes(export), "claimedBy": batch.run_id, "claimedUntil": until}
        condition = f"{_MAY_SETTLE} AND {_NOT_CLAIMED}"
        # Only a time without a URL that is not interrupted counts towards the grace period.
        remove = ("lastError", "expiresAt", *(("linklessSince",) if export.download_url else ()))
        if not batch.is_sweep:
            latest = self._write(
                batch,
                export.id,
                {**values, **self._lease_attributes(batch)},
                condition=f"{condition} AND {_MAY_TAKE_LEASE}",
                remove=remove,
                keep_status=True,
            )
            if latest.applied:
                return latest
        return self._write(batch, export.id, values, condition=condition, remove=remove, keep_status=True)

    def save_progress(
        self, batch: Batch, export_id: str, *, upload: Upload | None = None, raw: RawObject | None = None
    ) -> None:
        """Save a checkpoint for a later invocation. Raises ClaimLost if this run no longer has the claim.

        A checkpoint shows that the source can be read, so it ends the time since which access was denied.
        """
        arguments = {":upload": _record(upload), ":raw": _record(raw), ":run_id": batch.run_id}
        try:
            expression = "SET #upload = :upload, #raw = :raw REMOVE deniedSince"
            self._update(export_id, expression, "claimedBy = :run_id", arguments)
        except ConditionFailed:
            raise ClaimLost(export_id) from None

    def settle(
        self, batch: Batch, export: Export, outcome: Outcome, *, polls: int, details: Mapping[str, Any]
    ) -> Write:
        """Record a settled outcome and end the claim. Not applied if the item is already settled."""
        own, outdated = _run_attributes(batch)
        settled = {"status": outcome, "settledAt": utc_text(self._clock()), "polls": polls}
        values = {**self._export_attributes(export), **own, **details, **settled}
        remove = tuple(sorted({*_REMOVED_WHEN_SETTLED, *outdated} - details.keys()))
        return self._write(batch, export.id, values, condition=_MAY_SETTLE, remove=remove)

    def record_unsettled(self, batch: Batch, export_id: str, outcome: Outcome, reason: str | None = None) -> Write:
        """Record an outcome that is not settled: a later run processes the export again.

        It replaces a settled outcome only if the export was requested again at ``requested_at``: a REJECTED, or a
        FAILED that the service no longer reports. Not applied if this run has already recorded the same outcome, or if
        another run still waits for the export or stores it. A sweep records TIMED_OUT only for a run that has stopped.

        An item of NOT_FOUND expires if the service has never listed the export.
        """
        details: dict[str, Any] = {"reason": reason} if reason else {}
        condition = f"{_MAY_RECORD_UNSETTLED} AND {_NO_OTHER_LEASE} AND {_NO_OTHER_STORES} AND {_NOT_RECORDED}"
        if batch.is_sweep and outcome is Outcome.TIMED_OUT:
            condition += " AND attribute_exists(pendingBy)"
        if outcome is Outcome.NOT_FOUND:
            expires_at = int((self._clock() + NOT_FOUND_KEPT).timestamp())
            never_listed = f"{condition} AND attribute_not_exists(exportStatus)"
            write = self._write_unsettled(batch, export_id, outcome, {**details, "expiresAt": expires_at}, never_listed)
            if write.applied:
                return write
        return self._write_unsettled(batch, export_id, outcome, details, condition)

    def _write_unsettled(
        self, batch: Batch, export_id: str, outcome: Outcome, details: Mapping[str, Any], condition: str
    ) -> Write:
        own, outdated = _run_attributes(batch)
        return self._write(
            batch,
            export_id,
            {**self._origin, **own, **details, "status": outcome},
            condition=condition,
            remove=tuple(sorted({*_REMOVED_WHEN_UNSETTLED, *outdated} - details.keys())),
            # A repeated call writes equal values, so equal values do not show which call was applied.
            treat_equal_as_applied=False,
        )

    def hold_back(self, batch: Batch, export_id: str, outcome: Outcome, reason: str | None = None) -> None:
        """Keep an outcome that is not recorded because of another run, for this run's report; end this run's wait.

        If no other run waits for the export, ``pendingBy`` is this run, without a lease: the end of a later run records
        an outcome. Nothing is kept if the item is settled, or if this run has recorded the outcome.
        """
        condition = f"({_NOT_SETTLED}) AND {_NOT_RECORDED}"
        arguments = {
            **_SETTLED_VALUES,
            ":status": outcome,
            ":runId": batch.run_id,
            ":held": {"runId": batch.run_id, "outcome": outcome, **({"reason": reason} if reason else {})},
            ":until": utc_text(batch.deadline),
            ":now": utc_text(self._clock()),
        }
        with suppress(ConditionFailed):
            self._update(export_id, "SET unrecorded = :held", condition, arguments)
        if batch.is_sweep:
            return
        expression = "SET pendingBy = :runId, pendingUntil = :until REMOVE pendingLease"
        with suppress(ConditionFailed):
            self._update(export_id, expression, f"{condition} AND {_NO_OTHER_LEASE}", arguments)

    def release(self, batch: Batch, export_id: str, error: str | None = None, *, denied: bool = False) -> None:
        """End this run's claim, if it still has it, so that no run waits for its end; ``error`` ended the attempt.

        ``denied``: access to the source was denied. The time of the first of such errors in a row is kept.
        """
        sets = ["lastError = :error"] if error else []
        remove = ["claimedBy", "claimedUntil"]
        if denied:
            sets.append("deniedSince = if_not_exists(deniedSince, :now)")
        else:
            remove.append("deniedSince")
        expression = f"{'SET ' if sets else ''}{', '.join(sets)} REMOVE {', '.join(remove)}"
        arguments = {":error": error, ":now": utc_text(self._clock()), ":run_id": batch.run_id}
        with suppress(ConditionFailed):
            self._update(export_id, expression, "claimedBy = :run_id", arguments)

    def announced(self, row: Row) -> None:
        """Record that the event of the item's outcome is published, unless the outcome has changed since."""
        arguments = {
            ":status": row.item.get("status"),
            ":run_id": row.item.get("runId"),
            ":now": utc_text(self._clock()),
        }
        condition = "#status = :status AND (runId = :run_id OR attribute_not_exists(runId))"
        with suppress(ConditionFailed):
            self._update(row.export_id, "SET announcedAt = :now", condition, arguments)

    def _lease_attributes(self, batch: Batch) -> dict[str, str]:
        """The lease of a run that waits; none for a sweep, because the next sweep polls its exports."""
        if batch.is_sweep:
            return {}
        lease = utc_text(self._clock() + LEASE_DURATION)
        return {"pendingBy": batch.run_id, "pendingUntil": utc_text(batch.deadline), "pendingLease": lease}

    def _export_attributes(self, export: Export) -> dict[str, Any]:
        """Every member of ExportInfo except the download URL."""
        attributes = {
            **self._origin,
            "exportStatus": export.status,
            "statusMessage": redact_message(export.status_message),
            "exportRequestTime": utc_text(export.requested_at) if export.has_request_time else None,
            "isTruncated": export.is_truncated,
            "requestedStartTime": optional_utc_text(export.requested_start),
            "requestedEndTime": optional_utc_text(export.requested_end),
        }
        return {name: value for name, value in attributes.items() if value is not None}

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
        """One conditional UpdateItem; returns the new item, or the existing one if the condition failed."""
        sets = [f"#{name} = :{name}" for name in values] + ["#firstSeenAt = if_not_exists(#firstSeenAt, :now)"]
        arguments = {
            **_SETTLED_VALUES,
            **{f":{name}": value for name, value in values.items()},
            ":now": utc_text(self._clock()),
            ":runId": batch.run_id,
            ":requested_at": utc_text(batch.requested_at) if batch.requested_at else "",
            ":in_progress": IN_PROGRESS,
        }
        if keep_status:
            sets.append("#status = if_not_exists(#status, :in_progress)")
        expression = f"SET {', '.join(sets)}"
        if remove:
            expression += f" REMOVE {', '.join(f'#{name}' for name in remove)}"
        try:
            return Write(self._update(export_id, expression, condition, arguments), applied=True)
        except ConditionFailed as failed:
            # If a response is lost, botocore retries, and the condition then fails on the first write of this call.
            own = treat_equal_as_applied and all(failed.row.item.get(name) == value for name, value in values.items())
            return Write(failed.row, applied=own)

    def _update(self, export_id: str, expression: str, condition: str, arguments: Mapping[str, Any]) -> Row:
        """One conditional UpdateItem, in which ``#name`` is the attribute ``name``. Raises ConditionFailed."""
        key: Any = {"exportId": {"S": export_id}}
        serialize = TypeSerializer().serialize
        # DynamoDB rejects names and values that no expression uses.
        used = set(re.findall(r"[#:]\w+", f"{expression} {condition}"))
        names = {name: name[1:] for name in used if name.startswith("#")}
        values = {name: serialize(value) for name, value in arguments.items() if name in used}
        named: Any = {"ExpressionAttributeNames": names} if names else {}
        with aws_call():
            try:
                response = self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **named,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                existing: Any = error.response.get("Item", key)
                raise ConditionFailed(Row(plain(existing))) from None
        return Row(plain(response["Attributes"]))


class ConditionFailed(Exception):
    """The condition of a write failed; ``row`` is the existing item."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row


def _run_attributes(batch: Batch) -> tuple[dict[str, str], tuple[str, ...]]:
    """Attributes that identify the run of an outcome, and the names of an earlier run's to remove."""
    if batch.correlation_id:
        return {"runId": batch.run_id, "correlationId": batch.correlation_id}, ()
    return {"runId": batch.run_id}, ("correlationId",)


def _record(part: Upload | RawObject | None) -> dict[str, Any] | None:
    return asdict(part) if part else None
