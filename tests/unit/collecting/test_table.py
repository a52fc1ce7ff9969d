"""Conditional writes of the collecting table, on moto."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from exports.collecting.account_state import DUE, LOCK, AccountState
from exports.collecting.agent_state import AgentState, PendingRequest
from exports.collecting.ranges import TimeRange
from exports.collecting.setting import Kind
from exports.collecting.table import CollectingTable, SaveConflict
from exports.dependencies import CONFIG
from tests.unit.builders import NOW, SESSION, create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MINUTE = timedelta(minutes=1)
AGENT = AgentState(
    "o-1", seen_at=NOW, pending=PendingRequest(NOW, NOW + MINUTE, NOW), covered=(TimeRange(NOW, NOW + MINUTE),)
)


@pytest.fixture
def client() -> "Iterator[DynamoDBClient]":
    with mock_aws():
        client = SESSION.client("dynamodb", config=CONFIG)
        create_table(client, "collecting", "agentId")
        yield client


@pytest.fixture
def table(client: Any) -> CollectingTable:
    return CollectingTable(client, "collecting")


def test_an_agent_is_read_as_it_was_saved(table: CollectingTable) -> None:
    assert table.save(AGENT.to_json(), 0) == 1

    (item,) = table.items()
    assert AgentState.from_json(item) == replace(AGENT, version=1)


def test_a_save_of_an_outdated_version_is_a_conflict(table: CollectingTable) -> None:
    table.save(AGENT.to_json(), 0)
    table.save(AGENT.to_json(), 1)

    for outdated in (0, 1):
        with pytest.raises(SaveConflict):
            table.save({**AGENT.to_json(), "failures": 1}, outdated)

    assert table.items()[0]["failures"] == 0


def test_a_save_whose_response_was_lost_is_done(table: CollectingTable) -> None:
    table.save(AGENT.to_json(), 0)

    assert table.save(AGENT.to_json(), 0) == 1


def test_one_holder_has_the_lock_until_it_ends_it(table: CollectingTable) -> None:
    assert table.lock("first", NOW + MINUTE, NOW)
    assert not table.lock("second", NOW + 2 * MINUTE, NOW)

    table.unlock("second")
    assert not table.lock("second", NOW + 2 * MINUTE, NOW)

    table.unlock("first")
    assert table.lock("second", NOW + 2 * MINUTE, NOW)
    assert table.items() == []


def test_a_killed_holder_loses_the_lock_when_its_time_is_over(table: CollectingTable) -> None:
    table.lock("killed", NOW + MINUTE, NOW)

    assert not table.lock("next", NOW + 3 * MINUTE, NOW + MINUTE)
    assert table.lock("next", NOW + 3 * MINUTE, NOW + MINUTE + timedelta(seconds=1))


def test_the_latest_due_time_is_kept(table: CollectingTable) -> None:
    table.mark_due(Kind.SUMMARY, NOW)
    table.mark_due(Kind.SUMMARY, NOW - MINUTE)
    table.mark_due(Kind.SUMMARY, NOW)

    assert AccountState.from_items(table.items()).due == {Kind.SUMMARY: NOW}
    assert not DUE.keys() - {Kind.SUMMARY, Kind.RECOMMENDATIONS}


def test_no_agent_can_have_the_id_of_an_item_of_the_account(table: CollectingTable) -> None:
    assert all(" " in name for name in (LOCK, *DUE.values()))


def test_all_pages_of_items_are_read(table: CollectingTable) -> None:
    for number in range(30):
        gap = {"from": "x" * 50_000, "to": "", "reason": ""}
        table.save({"agentId": f"o-{number}", "gaps": [gap]}, 0)

    assert len(table.items()) == 30
