"""Reads of the catalog that only a busy table shows."""

from typing import Any

import pytest

from discovery_exports.cli.catalog import Catalog
from discovery_exports.cli.failures import CallRefused
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

    with pytest.raises(CallRefused, match="DynamoDB throttles"):
        Catalog(client, TABLE, lambda _: None).items([stack.has("export-1")])
