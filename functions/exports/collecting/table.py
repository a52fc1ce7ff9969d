"""The collecting table: one DynamoDB item per agent and a few of the account, written with conditions only."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from boto3.dynamodb.types import TypeSerializer

from exports.aws.client_errors import aws_call
from exports.aws.dynamodb import plain
from exports.collecting.account_state import DUE, LOCK
from exports.collecting.setting import Kind
from exports.errors import ServiceError
from exports.model import utc_text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Table(Protocol):
    """What a tick needs of :class:`CollectingTable`."""

    def lock(self, holder: str, until: datetime, now: datetime) -> bool: ...
    def unlock(self, holder: str) -> None: ...
    def items(self) -> Sequence[Mapping[str, Any]]: ...
    def save(self, item: Mapping[str, Any], version: int) -> int: ...
    def mark_due(self, kind: Kind, scheduled_at: datetime) -> None: ...


class SaveConflict(ServiceError):
    """Another tick has written the item: this one has lost its lock, and ends. Nothing is wrong with the next one."""

    def __init__(self) -> None:
        super().__init__("SaveConflict")


class CollectingTable:
    """Reads are consistent. Every write has a condition, so that two ticks never undo what the other wrote."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def lock(self, holder: str, until: datetime, now: datetime) -> bool:
        """Take the lock until ``until``, if no other holder has it. A killed holder loses it at that time."""
        item = {"agentId": LOCK, "holder": holder, "until": utc_text(until)}
        condition = "attribute_not_exists(agentId) OR #until < :now OR holder = :holder"
        return self._put(item, condition, {"#until": "until"}, {":now": utc_text(now), ":holder": holder})

    def unlock(self, holder: str) -> None:
        """End the lock, if the holder still has it."""
        with aws_call(), suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.delete_item(
                TableName=self._table,
                Key={"agentId": {"S": LOCK}},
                ConditionExpression="holder = :holder",
                ExpressionAttributeValues={":holder": {"S": holder}},
            )

    def items(self, has_time: Callable[[], bool] = lambda: True) -> Sequence[Mapping[str, Any]]:
        """All items except the lock. Raises ServiceError if there is no time left after a page."""
        found: list[Mapping[str, Any]] = []
        with aws_call():
            for page in self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True):
                found += map(plain, page["Items"])
                if not has_time():
                    raise ServiceError("ReadingTookTooLong")
        return [item for item in found if item.get("agentId") != LOCK]

    def save(self, item: Mapping[str, Any], version: int) -> int:
        """Write the item if its version is still ``version``, 0 for a new one, and return the new version.

        Raises SaveConflict. A write whose response was lost is repeated by botocore, and counts as done.
        """
        new = {**item, "version": version + 1}
        condition = "#version = :version" if version else "attribute_not_exists(agentId)"
        if not self._put(new, condition, {"#version": "version"} if version else {}, {":version": version}):
            raise SaveConflict
        return version + 1

    def mark_due(self, kind: Kind, scheduled_at: datetime) -> None:
        """Record that an export of the kind is due since ``scheduled_at``, unless a later time is recorded."""
        item = {"agentId": DUE[kind], "scheduledAt": utc_text(scheduled_at)}
        self._put(item, "attribute_not_exists(agentId) OR scheduledAt < :at", {}, {":at": utc_text(scheduled_at)})

    def _put(
        self, item: Mapping[str, Any], condition: str, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> bool:
        """Whether the item is in the table now as given."""
        used: Any = {name: value for name, value in _typed(values).items() if name in condition}
        more: Any = {"ExpressionAttributeNames": names} if names else {}
        more |= {"ExpressionAttributeValues": used} if used else {}
        with aws_call():
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_typed(item),
                    ConditionExpression=condition,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **more,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                existing: Any = error.response.get("Item", {})
                return bool(plain(existing) == plain(_typed(item)))
        return True


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in values.items()}
