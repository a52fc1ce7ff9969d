"""Reads of the catalog that only a busy table shows."""

from datetime import timedelta
from typing import Any

import pytest

from discovery_exports.cli.catalog import MAX_ATTEMPTS, STATUSES, Catalog
from discovery_exports.cli.failures import CallRefused, is_transient
from tests.unit.builders import NOW
from tests.unit.cli.stack import TABLE, FakeStack


class Throttled:
    """A client whose BatchGetItem leaves out the last key of ``calls`` calls."""

    def __init__(self, client: Any, calls: int) -> None:
        self._client = client
        self._left = calls

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        keys = RequestItems[TABLE]["Keys"]
        taken = keys[:-1] if self._left else keys
        self._left = max(0, self._left - 1)
        unprocessed = {TABLE: {"Keys": keys[-1:]}} if len(taken) < len(keys) else {}
        if not taken:
            return {"Responses": {}, "UnprocessedKeys": unprocessed}
        return {**self._client.batch_get_item(RequestItems={TABLE: {"Keys": taken}}), "UnprocessedKeys": unprocessed}


def test_items_are_read_in_batches_of_a_hundred(stack: FakeStack) -> None:
    ids = [stack.has(f"export-{index}") for index in range(150)]

    found = Catalog(stack.dynamodb, TABLE).items([*ids, "export-0", "none"])

    assert set(found) == set(ids)


def test_keys_that_are_left_out_are_read_again(stack: FakeStack) -> None:
    ids = [stack.has(f"export-{index}") for index in range(3)]
    pauses: list[float] = []
    client: Any = Throttled(stack.dynamodb, calls=3)

    found = Catalog(client, TABLE, pauses.append).items(ids)

    assert set(found) == set(ids)
    assert pauses == [0.1, 0.2, 0.4]


def test_a_table_that_stays_throttled_is_a_refusal(stack: FakeStack) -> None:
    client: Any = Throttled(stack.dynamodb, calls=100)

    pauses: list[float] = []

    with pytest.raises(CallRefused, match="DynamoDB throttles") as raised:
        Catalog(client, TABLE, pauses.append).items([stack.has("export-1")])

    assert is_transient(raised.value)
    assert len(pauses) == MAX_ATTEMPTS - 1


class Moving:
    """A client on which exports get other statuses, before the numbered query."""

    def __init__(self, stack: FakeStack, moves: dict[int, tuple[str, str]]) -> None:
        self._stack, self._moves, self._queries = stack, moves, 0
        self.batch_get_item = stack.dynamodb.batch_get_item

    def get_paginator(self, operation: str) -> Any:
        if move := self._moves.get(self._queries):
            self._stack.has(*move)
        self._queries += 1
        return self._stack.dynamodb.get_paginator(operation)


FIRST, SECOND, LAST = STATUSES.index("STORED"), STATUSES.index("FAILED"), len(STATUSES)


@pytest.mark.parametrize(
    ("before", "moves", "expected"),
    [
        ("IN_PROGRESS", {FIRST: ("export-1", "STORED")}, "STORED"),
        ("REJECTED", {SECOND: ("export-1", "IN_PROGRESS")}, "IN_PROGRESS"),
        ("STORED", {LAST: ("export-1", "IN_PROGRESS")}, "IN_PROGRESS"),
        ("IN_PROGRESS", {FIRST: ("export-1", "STORED"), SECOND: ("export-1", "FAILED")}, "FAILED"),
    ],
)
def test_an_export_that_changes_its_status_is_read_once_and_not_lost(
    stack: FakeStack, before: str, moves: dict[int, tuple[str, str]], expected: str
) -> None:
    stack.has("export-1", before)
    stack.has("export-2", "TIMED_OUT")
    client: Any = Moving(stack, moves)

    items = Catalog(client, TABLE).current(STATUSES)

    assert sorted((item["exportId"], item["status"]) for item in items) == [
        ("export-1", expected),
        ("export-2", "TIMED_OUT"),
    ]


class Pages:
    """A client that returns pages of items, and notes how many it has returned."""

    def __init__(self, stack: FakeStack, size: int) -> None:
        self._stack, self._size, self.items = stack, size, 0

    def get_paginator(self, _: str) -> "Pages":
        return self

    def paginate(self, **arguments: Any) -> Any:
        pages = self._stack.dynamodb.get_paginator("query").paginate(
            **arguments, PaginationConfig={"PageSize": self._size}
        )
        for page in pages:
            self.items += len(page["Items"])
            yield page


def test_old_settled_items_are_counted_and_not_transferred(stack: FakeStack) -> None:
    for index in range(30):
        stack.has(f"old-{index}", hours=100)
    stack.has("old-and-unsettled", "NOT_STORED", hours=100)
    stack.has("new", hours=1)
    client: Any = Pages(stack, size=4)

    items, counts = Catalog(client, TABLE).recent_and_unsettled(NOW - timedelta(hours=24))

    assert sorted(str(item["exportId"]) for item in items) == ["new", "old-and-unsettled"]
    assert counts == {"STORED": 31, "NOT_STORED": 1}
    assert client.items == 2


def test_a_limit_ends_the_reading_with_the_newest(stack: FakeStack) -> None:
    for index in range(30):
        stack.has(f"export-{index}", hours=index + 1)
    client: Any = Pages(stack, size=4)

    items = Catalog(client, TABLE).current(["STORED"], limit=5)

    assert [item["exportId"] for item in items] == [f"export-{index}" for index in range(5)]
    assert client.items == 8


def test_an_export_that_has_left_the_statuses_is_left_out(stack: FakeStack) -> None:
    stack.has("export-1", "STORED")
    client: Any = Moving(stack, {1: ("export-1", "FAILED")})
    client.batch_get_item = lambda **arguments: (
        stack.has("export-1", "IN_PROGRESS"),
        stack.dynamodb.batch_get_item(**arguments),
    )[1]

    assert Catalog(client, TABLE).current(["STORED", "FAILED"]) == []
