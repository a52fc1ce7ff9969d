"""The status page reads the newest exports of each status, with a limited number of calls."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from exports.errors import ServiceError
from exports.model import utc_text
from exports.outcomes.catalog_index import COUNTED_PAGES, NEWEST, OLDEST, STATUSES, UNSETTLED, CatalogIndex
from tests.unit.builders import NOW, create_indexed_catalog

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SINCE = NOW - timedelta(days=30)
PAGE = 1_000
"""Items that the table in memory reads for one page, as DynamoDB reads up to 1 MiB."""


class Table:
    """The index in memory, for more items than moto can hold in the time of a test."""

    def __init__(self, **exports: int) -> None:
        """So many exports of each status, one each minute, the last of them now."""
        self.exports = exports
        self.queries: list[Mapping[str, Any]] = []
        self.items_read = 0

    def query(self, **request: Any) -> Mapping[str, Any]:
        self.queries.append(request)
        assert request["IndexName"] == "ByStatus"
        values = request["ExpressionAttributeValues"]
        status, since = values[":status"]["S"], values.get(":since", {"S": ""})["S"]
        ages: Iterable[int] = range(self.exports.get(status, 0))
        if request["ScanIndexForward"]:
            ages = reversed(range(self.exports.get(status, 0)))
        elif start := request.get("ExclusiveStartKey"):
            ages = range(int(start["age"]["N"]) + 1, self.exports[status])
        limit = min(request.get("Limit", PAGE), PAGE)
        items: list[int] = []
        last = None
        for age in ages:
            time = utc_text(NOW - timedelta(minutes=age))
            if time < since:
                break
            if len(items) == limit:
                last = {"age": {"N": str(items[-1])}}
                break
            items.append(age)
        self.items_read += len(items)
        if request.get("Select") == "COUNT":
            return {"Count": len(items), **({"LastEvaluatedKey": last} if last else {})}
        found = [
            {
                "exportId": {"S": f"{status}-{age}"},
                "status": {"S": status},
                "firstSeenAt": {"S": utc_text(NOW - timedelta(minutes=age))},
            }
            for age in items
        ]
        return {"Items": found, "Count": len(found), **({"LastEvaluatedKey": last} if last else {})}


def read(table: Any, *, clock: Callable[[], datetime] = lambda: NOW) -> Any:
    return CatalogIndex(table, "catalog", clock=clock).read(SINCE)


@pytest.mark.parametrize("exports", [10_000, 100_000])
@pytest.mark.parametrize("status", STATUSES)
def test_the_number_of_calls_is_limited_for_any_number_of_exports(status: str, exports: int) -> None:
    table = Table(**{str(status): exports})

    found = read(table)[status]

    assert len(table.queries) <= len(STATUSES) + 1 + COUNTED_PAGES
    assert table.items_read <= NEWEST + OLDEST + COUNTED_PAGES * PAGE
    assert len(found.newest) == NEWEST
    assert found.recent == NEWEST + COUNTED_PAGES * PAGE
    assert not found.recent_is_exact
    assert not found.is_complete


def test_the_number_of_calls_is_limited_if_every_status_has_100_000_exports() -> None:
    table = Table(**{str(status): 100_000 for status in STATUSES})

    read(table)

    calls = Counter("count" if "Select" in query else query["Limit"] for query in table.queries)
    assert calls == {NEWEST: len(STATUSES), OLDEST: len(UNSETTLED), "count": COUNTED_PAGES}
    assert table.items_read == len(STATUSES) * NEWEST + len(UNSETTLED) * OLDEST + COUNTED_PAGES * PAGE


def test_what_was_not_read_is_counted() -> None:
    found = read(Table(STORED=3_210))["STORED"]

    assert (found.recent, found.recent_is_exact) == (3_210, True)


def test_only_exports_since_the_time_are_counted() -> None:
    minutes = 30 * 24 * 60
    table = Table(STORED=minutes + 5_000, FAILED=100)
    table.exports["FAILED"] = 100

    found = CatalogIndex(table, "catalog", clock=lambda: NOW).read(NOW - timedelta(minutes=1_499))  # type: ignore[arg-type]

    assert (found["STORED"].recent, found["STORED"].recent_is_exact) == (1_500, True)
    assert found["FAILED"].recent == 100


def test_the_oldest_exports_that_are_not_settled_are_read() -> None:
    found = read(Table(IN_PROGRESS=2_000, STORED=2_000))

    assert [row.export_id for row in found["IN_PROGRESS"].oldest[:2]] == ["IN_PROGRESS-1999", "IN_PROGRESS-1998"]
    assert len(found["IN_PROGRESS"].oldest) == OLDEST
    assert not found["STORED"].oldest


def test_reading_that_takes_too_long_ends() -> None:
    table, now = Table(STORED=100_000), NOW

    def clock() -> datetime:
        nonlocal now
        now += timedelta(seconds=6)
        return now

    with pytest.raises(ServiceError, match="ReadingTookTooLong"):
        read(table, clock=clock)
    assert len(table.queries) == 3


def test_a_refused_query_is_an_error_with_its_code() -> None:
    class Denied:
        def query(self, **request: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "secret"}}, "Query")

    with pytest.raises(ServiceError, match=r"^AccessDeniedException$"):
        read(Denied())


def test_items_are_read_from_the_index(dynamodb: "DynamoDBClient") -> None:
    create_indexed_catalog(dynamodb, "indexed")
    serialize = TypeSerializer().serialize
    for number in range(NEWEST + 120):
        item = {
            "exportId": f"export-{number:03}",
            "status": "IN_PROGRESS" if number else "STORED",
            "firstSeenAt": utc_text(NOW - timedelta(hours=number)),
            "rows": number,
            "pendingBy": "run-1",
        }
        dynamodb.put_item(TableName="indexed", Item={name: serialize(value) for name, value in item.items()})

    found = CatalogIndex(dynamodb, "indexed", clock=lambda: NOW).read(SINCE)

    (stored,) = found["STORED"].newest
    assert stored.item == {"exportId": "export-000", "status": "STORED", "firstSeenAt": utc_text(NOW), "rows": 0}
    pending = found["IN_PROGRESS"]
    assert [row.export_id for row in pending.newest] == [f"export-{number:03}" for number in range(1, NEWEST + 1)]
    assert [row.export_id for row in pending.oldest[:3]] == ["export-619", "export-618", "export-617"]
    assert (pending.recent, pending.recent_is_exact, pending.is_complete) == (NEWEST + 119, True, False)
    assert found["FAILED"].newest == []
