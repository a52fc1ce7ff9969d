"""The collector on the deployed stack: a week of three agents, truncated exports among them, and kills at random."""

import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exports.collecting.account_state import LOCK
from local.stack.aws import LocalAws
from tests.local.athena import Athena
from tests.local.collector import CollectingStack, collecting_stack
from tests.local.inbox import Inbox
from tests.local.kills import killed_workers
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
COLLECT = {"agents": {"ids": "all"}, "summary": "rate(365 days)"}
KILLS = 8
MAX_TICKS = 150
WEEK, HOUR = 7 * 86_400, 3_600
TABLES = {
    "osInfo.csv": ("agent_os_info", '"timestamp"'),
    "networkInterface.csv": ("agent_network_interface", '"timestamp"'),
    "systemPerformance.csv": ("agent_system_performance", '"timestamp"'),
    "process.csv": ("agent_process", "agentprovidedtimestamp"),
    "sourceProcessConnection.csv": ("agent_source_process_connection", "agentcreationdate"),
    "destinationProcessConnection.csv": ("agent_destination_process_connection", "agentcreationdate"),
}


@dataclass(frozen=True, slots=True)
class Collecting:
    """The stack with the collector, and three agents with data from ``start`` to ``end``."""

    stack: CollectingStack
    athena: Athena
    agent_ids: list[str]
    start: int
    end: int


@pytest.fixture(scope="module")
def collecting(aws: LocalAws, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collecting]:
    end = int(time.time()) - 3 * 86_400
    end -= end % 3_600  # a sample, so that the rows of the boundaries are in two exports
    times = {"registered": end - WEEK, "last_ping": end}
    agent_ids = service.double.set_agents(
        {**times, "sample_seconds": 1_800},
        {**times, "sample_seconds": 1_800, "max_samples": 60},
        {**times, "sample_seconds": 3_600, "max_window_seconds": 30 * HOUR},
        {"type": "AGENTLESS_COLLECTOR"},
    )[:3]
    with collecting_stack(aws, COLLECT, tmp_path_factory.mktemp("collecting"), stackId="Week") as stack:
        athena = Athena(aws, outputs=stack.outputs)
        yield Collecting(stack, athena, agent_ids, end - WEEK, end)
    service.reset()


def test_fault_49_52_a_week_of_three_agents_is_covered_and_every_row_is_there_once_in_spite_of_kills(
    aws: LocalAws, collecting: Collecting, service: Service, events: Inbox
) -> None:
    stack, agent_ids = collecting.stack, collecting.agent_ids

    functions = [stack.function(name) for name in ("CollectExports", "StoreExport")]
    with killed_workers(aws, functions, KILLS, random.Random(1)) as killed:
        ticks = tick_until_covered(stack)

    assert killed
    found = stack.coverage()
    assert found.share == 1
    assert [agent.agent_id for agent in found.agents] == sorted(agent_ids)
    assert all(agent.gaps == [] for agent in found.agents), ticks
    assert_each_export_was_started_once_and_says_what_it_was_asked_for(service, stack, agent_ids)
    for agent_id in agent_ids:
        assert_every_row_is_there_once(collecting, service, agent_id)
    covered = [event for event in events.all() if event["detail-type"] == "Agent Covered"]
    assert {event["detail"]["data"]["agentId"] for event in covered} >= set(agent_ids)


def tick_until_covered(stack: CollectingStack) -> int:
    """Tick until nothing is missing or in progress; returns the number of ticks. The last one announces."""
    for ticks in range(1, MAX_TICKS):
        tick(stack)
        found = stack.coverage()
        if found.agents and not found.uncovered and all(agent.progress == "COVERED" for agent in found.agents):
            tick(stack)
            return ticks
    raise AssertionError(f"not covered after {MAX_TICKS} ticks: {stack.coverage().to_json()}")


def tick(stack: CollectingStack) -> None:
    """One tick, and the runs that it started, to their ends: as on AWS, the next tick is long after them.

    Then the lock of a killed tick is over, too.
    """
    stack.tick()
    stack.new_runs()
    stack.dynamodb.delete_item(TableName=stack.collecting_table, Key={"agentId": {"S": LOCK}})


def assert_each_export_was_started_once_and_says_what_it_was_asked_for(
    service: Service, stack: Stack, agent_ids: Sequence[str]
) -> None:
    started = [each for each in service.double.exports() if each["agent_id"] in agent_ids]
    requested = Counter((each["agent_id"], each["requested_start"], each["requested_end"]) for each in started)
    assert max(requested.values()) == 1
    for each in started:
        start, end = (
            datetime.fromtimestamp(each[name], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            for name in ("requested_start", "requested_end")
        )
        expected = {"kind": "agent", "agentId": each["agent_id"], "from": start, "to": end}
        assert (stack.row(each["id"]) or {})["askedFor"] == expected


def assert_every_row_is_there_once(collecting: Collecting, service: Service, agent_id: str) -> None:
    athena = collecting.athena
    (documented,) = re.findall(r"## Each row once.*?```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    truth = service.double.true_rows(agent_id, collecting.start, collecting.end)
    assert set(truth) == set(TABLES)
    doubled = 0
    for file, (table, moment) in TABLES.items():
        sql = documented.replace("agent_system_performance", table).replace('"timestamp"', moment)
        names = [name.lower() for name in athena.columns(f"SELECT * FROM {table} LIMIT 1") if name]
        listed = ", ".join(f'"{name}"' for name in names[: len(truth[file][0])])
        once = athena.rows(f"SELECT {listed} FROM ({sql}) WHERE agentid = '{agent_id}'")
        every = athena.rows(f"SELECT {listed} FROM {table} WHERE agentid = '{agent_id}'")
        assert Counter(map(cells, once)) == Counter(map(cells, truth[file])), (file, agent_id)
        doubled += len(every) - len(once)
    assert doubled, "the boundaries of the exports have rows in two of them"


def cells(row: Sequence[str | None]) -> tuple[object, ...]:
    """The cells as values: SQL writes numbers and times in other forms than the CSV."""
    return tuple(map(_value, row))


def _value(cell: str | None) -> object:
    text = (cell or "").strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.0+)?", text):
        return text.partition(".")[0]
    try:
        return float(text)
    except ValueError:
        return text


def test_a_summary_that_is_due_is_started_and_stored(collecting: Collecting, service: Service) -> None:
    stack = collecting.stack
    scheduled = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    before = summaries(service)

    stack.tick(due="summary", scheduledAt=scheduled)
    (export_id,) = summaries(service) - before
    until(lambda: (stack.row(export_id) or {}).get("status") == "STORED", what="a stored summary")
    stack.tick(due="summary", scheduledAt=scheduled)

    assert summaries(service) - before == {export_id}
    assert stack.manifest(export_id)["askedFor"] == {"kind": "summary"}


def summaries(service: Service) -> set[str]:
    """The ids of all, those of earlier tests among them."""
    return {each["id"] for each in service.double.exports() if each["kind"] == "summary"}
