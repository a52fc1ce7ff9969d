"""Reads the catalog: one item for each export."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from discovery_exports.cli.failures import ExitCode, Misused, Throttled
from exports.model import IN_PROGRESS, utc_text
from exports.outcomes.outcome import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = Mapping[str, Any]

STATUSES = (IN_PROGRESS, *Outcome)
"""Every value of ``status``."""
MEMBERS = (
    "exportId",
    "status",
    "reason",
    "statusMessage",
    "kind",
    "exportStatus",
    "exportRequestTime",
    "requestedStartTime",
    "requestedEndTime",
    "isTruncated",
    "firstSeenAt",
    "settledAt",
    "announcedAt",
    "files",
    "rows",
    "bytes",
    "rawCrc32",
    "manifestKey",
    "schemaNotes",
    "askedFor",
    "polls",
    "runId",
    "correlationId",
    "accountId",
    "region",
    "expiresAt",
)
"""The attributes that readers may rely on. The others are for the functions, and can change."""
MAX_KEYS = 100
"""Items that one BatchGetItem call may read."""
MAX_ATTEMPTS = 8
"""Calls for the same keys: 13 seconds of pauses before the last one."""
_RECENT = "settledAt >= :since OR announcedAt >= :since OR firstSeenAt >= :since"


class Catalog:
    """Reads of the table. No read is a scan: lists come from the index ``ByStatus``."""

    def __init__(self, client: "DynamoDBClient", table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def item(self, export_id: str) -> Item | None:
        """The item of the export, read consistently."""
        found = self._client.get_item(TableName=self._table, Key={"exportId": {"S": export_id}}, ConsistentRead=True)
        return _plain(found["Item"]) if "Item" in found else None

    def items(self, export_ids: Iterable[str]) -> dict[str, Item]:
        """The items that exist, by export ID."""
        found: dict[str, Item] = {}
        left = iter(dict.fromkeys(export_ids))
        while keys := [{"exportId": {"S": each}} for each in islice(left, MAX_KEYS)]:
            found |= {str(item["exportId"]): item for item in self._batch(keys)}
        return found

    def _batch(self, keys: Sequence[Any]) -> Iterator[Item]:
        """Keys that DynamoDB leaves out, because it is throttled, are read again after longer and longer pauses."""
        requested: Any = {self._table: {"Keys": keys}}
        for attempt in range(MAX_ATTEMPTS):
            if attempt:
                self._sleep(0.1 * 2 ** (attempt - 1))
            response = self._client.batch_get_item(RequestItems=requested)
            yield from map(_plain, response["Responses"].get(self._table, ()))
            requested = response.get("UnprocessedKeys")
            if not requested:
                return
        raise Throttled("DynamoDB throttles the reads of the catalog. Try again later.")

    def current(
        self,
        statuses: Iterable[str],
        *,
        kind: str | None = None,
        since: datetime | None = None,
        ids: Set[str] | None = None,
        limit: int | None = None,
    ) -> list[Item]:
        """Items with one of these statuses, of this kind, recorded or first seen ``since``, among ``ids``.

        ``limit``: of each status, at most this many, those that were first seen last; no more pages are read.
        """

        def read(status: str) -> Iterator[Item]:
            items = (
                item for page in self._pages(status, kind=kind, since=since) for item in map(_plain, page["Items"])
            )
            return islice((item for item in items if ids is None or item["exportId"] in ids), limit)

        return self._each_once(statuses, read)

    def recent_and_unsettled(self, since: datetime) -> tuple[list[Item], dict[str, int]]:
        """Items recorded or first seen ``since``, all that are not settled, and the number of all by status.

        Old settled items are counted by DynamoDB, and not transferred. One whose status changes meanwhile may be
        counted twice.
        """
        counts: Counter[str] = Counter()

        def read(status: str) -> Iterator[Item]:
            counts[status] = 0
            outcome = Outcome.__members__.get(status)
            for page in self._pages(status, since=since if outcome and outcome.settled else None):
                counts[status] += page["ScannedCount"]
                yield from map(_plain, page["Items"])

        items = self._each_once(STATUSES, read)
        return items, {status: count for status, count in counts.items() if count}

    def _each_once(self, statuses: Iterable[str], read: Callable[[str], Iterator[Item]]) -> list[Item]:
        """What ``read`` returns for each status; each item once, also if it gets another status between the queries.

        One with two of them is read by its ID. Those in progress are read again at the end: an export that was
        requested again has left a status that was not read yet for one that was.
        """
        queries = list(dict.fromkeys(statuses))
        if len(queries) > 1 and IN_PROGRESS in queries:
            queries.append(IN_PROGRESS)
        found: dict[str, Item] = {}
        moved: set[str] = set()
        for status in queries:
            for item in read(status):
                export_id = str(item["exportId"])
                if export_id in found and found[export_id]["status"] != status:
                    moved.add(export_id)
                found[export_id] = item
        found |= self.items(moved)
        return [item for name, item in found.items() if name not in moved or item["status"] in queries]

    def _pages(self, status: str, *, kind: str | None = None, since: datetime | None = None) -> Iterator[Any]:
        """Pages of the items with this status, those that were first seen last at the beginning."""
        conditions = {":kind": "kind = :kind"} if kind else {}
        conditions |= {":since": f"({_RECENT})"} if since else {}
        values = {":status": status, ":kind": kind, ":since": utc_text(since) if since else None}
        filtered: Any = {"FilterExpression": " AND ".join(conditions.values())} if conditions else {}
        yield from self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="ByStatus",
            KeyConditionExpression="#status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={name: {"S": str(values[name])} for name in (":status", *conditions)},
            ScanIndexForward=False,
            **filtered,
        )


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    return {name: _number(deserialize(value)) for name, value in item.items()}


def _number(value: Any) -> Any:
    """Whole numbers as int: boto3 returns each number as a Decimal, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _number(each) for name, each in value.items()}
    if hasattr(value, "as_tuple"):
        return int(value) if value == int(value) else float(value)
    return value


def read_status(text: str) -> str:
    """The status that a person names, such as ``failed`` or ``in-progress``. Raises Misused."""
    status = text.strip().upper().replace("-", "_")
    if status in STATUSES:
        return status
    raise Misused(f"{text!r} is not a status. Statuses are {', '.join(STATUSES)}.")


def outcome_of(item: Item) -> Outcome | None:
    """None while the export is in progress."""
    return Outcome.__members__.get(str(item.get("status")))


def exit_code_of(statuses: Iterable[str]) -> ExitCode:
    """0 if all exports with these statuses are stored, 1 if any is not, 3 if a later run or poll may still store them.

    An export that timed out is still pending: the next run that processes it continues.
    """
    pending = False
    for status in statuses:
        outcome = Outcome.__members__.get(status)
        if outcome is None or outcome is Outcome.TIMED_OUT:
            pending = True
        elif not outcome.has_data:
            return ExitCode.NOT_STORED
    return ExitCode.PENDING if pending else ExitCode.DONE


def why(item: Item) -> str:
    """Why the export has its status, as far as the item tells."""
    from exports.outcomes.rows import Row

    return Row(item).why


def newest_first(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: str(item.get("firstSeenAt", "")), reverse=True)


def public(item: Item) -> dict[str, Any]:
    """The members of the item that readers may rely on."""
    return {name: item[name] for name in MEMBERS if item.get(name) is not None}
