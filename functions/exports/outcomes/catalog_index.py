"""Reads the newest exports of each status from the catalog's index, with limited work for any number of exports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from exports.aws.client_errors import aws_call
from exports.aws.dynamodb import plain
from exports.errors import ServiceError
from exports.model import IN_PROGRESS, utc_text
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STATUSES = (IN_PROGRESS, *Outcome)
"""Every status, in the order in which they are read: an export that is settled meanwhile is read twice, not missed."""
UNSETTLED = (IN_PROGRESS, *(outcome for outcome in Outcome if not outcome.settled))
NEWEST = 500
"""Items of each status that are read, the newest first."""
OLDEST = 100
"""Items of each status that is not settled that are read from the other end, if it has more than NEWEST."""
COUNTED_PAGES = 6
"""Pages of up to 1 MiB, some 1,500 items, in which all other items are only counted."""
MAX_DURATION = timedelta(seconds=20)
"""Time after which no further page is read."""
ATTRIBUTES = (
    *("exportId", "status", "firstSeenAt", "exportRequestTime", "settledAt", "announcedAt", "kind", "bytes", "rows"),
    *("reason", "statusMessage", "lastError", "claimedBy", "exportStatus"),
)
_NAMES = {f"#{name}": name for name in ATTRIBUTES}


@dataclass(frozen=True, slots=True)
class StatusItems:
    """What was read of one status."""

    newest: Sequence[Row] = ()
    """The items that were first seen last, in this order: at most NEWEST."""
    oldest: Sequence[Row] = ()
    """If the status is not settled, and there are more: those that were first seen first, in this order."""
    is_complete: bool = True
    """Whether ``newest`` has every item of the status."""
    recent: int = 0
    """How many items were first seen since the given time."""
    recent_is_exact: bool = True
    """False: there are more than ``recent``, which were not counted."""


class CatalogIndex:
    """Reads of the index ``ByStatus``, which is eventually consistent."""

    def __init__(self, client: "DynamoDBClient", table: str, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    def read(self, since: datetime) -> Mapping[str, StatusItems]:
        """The items by status; ``recent`` counts those first seen since then.

        At most one page of NEWEST items for each status, one of OLDEST items for each that is not settled, and
        COUNTED_PAGES. Raises ServiceError, also if that takes longer than MAX_DURATION.
        """
        reading = _Reading(self._client, self._table, self._clock, since)
        return {str(status): reading.items(str(status)) for status in STATUSES}


class _Reading:
    def __init__(self, client: "DynamoDBClient", table: str, clock: Callable[[], datetime], since: datetime) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._since = utc_text(since)
        self._until = clock() + MAX_DURATION
        self._pages_left = COUNTED_PAGES

    def items(self, status: str) -> StatusItems:
        newest, rest = self._rows(status, NEWEST)
        recent = sum(str(row.item["firstSeenAt"]) >= self._since for row in newest)
        if rest is None:
            return StatusItems(newest, recent=recent)
        counted, is_exact = self._count(status, rest) if recent == len(newest) else (0, True)
        oldest = self._rows(status, OLDEST, oldest_first=True)[0] if status in UNSETTLED else ()
        return StatusItems(newest, oldest, is_complete=False, recent=recent + counted, recent_is_exact=is_exact)

    def _rows(self, status: str, limit: int, *, oldest_first: bool = False) -> tuple[list[Row], Any]:
        """The items of one page, and the key after which the next one begins; None if there is none."""
        names = ", ".join(_NAMES)
        page = self._query(status, Limit=limit, ScanIndexForward=oldest_first, ProjectionExpression=names)
        return [Row(plain(item)) for item in page["Items"]], page.get("LastEvaluatedKey")

    def _count(self, status: str, rest: Any) -> tuple[int, bool]:
        """How many items since ``since`` come after the key ``rest``, and whether all were counted."""
        counted = 0
        while rest is not None and self._pages_left:
            self._pages_left -= 1
            page = self._query(
                status, since=self._since, ScanIndexForward=False, Select="COUNT", ExclusiveStartKey=rest
            )
            counted += page["Count"]
            rest = page.get("LastEvaluatedKey")
        return counted, rest is None

    def _query(self, status: str, *, since: str | None = None, **request: Any) -> Any:
        if self._clock() > self._until:
            raise ServiceError("ReadingTookTooLong")
        condition, values = "#status = :status", {":status": {"S": status}}
        names = {"#status": "status"} if "Select" in request else _NAMES
        if since is not None:
            condition += " AND firstSeenAt >= :since"
            values[":since"] = {"S": since}
        with aws_call():
            return self._client.query(
                TableName=self._table,
                IndexName="ByStatus",
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                **request,
            )
