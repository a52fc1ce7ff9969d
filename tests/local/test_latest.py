"""The views of the newest export. Queries contain the SQL of the view, since the local Athena resolves no views."""

import time
import uuid
from collections.abc import Callable

import pytest

from infra.table_schemas import known_tables
from local.double.data.data_center import DataCenter
from local.stack.aws import LocalAws
from tests.local.athena import Database, sql_of
from tests.local.csv_exports import zipped_csv
from tests.local.service import Service
from tests.local.stack import Stack

DAY = 24 * 3600.0
Latest = Callable[[str], str]


@pytest.fixture
def database(aws: LocalAws, stack: Stack) -> Database:
    return Database(aws, stack, f"latest_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def latest(aws: LocalAws) -> Latest:
    """The SQL of a view in Glue, in brackets, to use in a query in place of its name."""

    def inlined(dataset: str) -> str:
        view = aws.client("glue").get_table(DatabaseName=aws.outputs["DatabaseName"], Name=f"latest_{dataset}")["Table"]
        return f"({sql_of(view)}) latest"

    return inlined


def test_the_view_has_the_newest_summary(database: Database, stack: Stack, service: Service, latest: Latest) -> None:
    old, new = service.has(kind="summary", age_seconds=DAY), service.has(kind="summary")
    stack.run(exportIds=[new, old])

    database.copy_exports([old, new])

    seen = database.athena.rows(f"SELECT id, export_id, istruncated FROM {latest('summary_server')}")
    assert sorted(seen) == sorted((server.id, new, "false") for server in DataCenter().servers())


def test_the_view_has_the_newest_export_of_each_agent_and_whether_it_is_truncated(
    database: Database, stack: Stack, service: Service, latest: Latest
) -> None:
    first, second, *_ = (server.agent_id for server in DataCenter().servers())
    before = service.has(kind="agent", agent_id=first, rows=3, age_seconds=3 * DAY)
    other = service.has(kind="agent", agent_id=second, rows=4, age_seconds=2 * DAY)
    newest = service.has(kind="agent", agent_id=first, rows=5, age_seconds=DAY, is_truncated=True)
    stack.run(exportIds=[before, other, newest])

    database.copy_exports([before, other, newest])

    seen = database.athena.rows(
        "SELECT agentid, export_id, istruncated, count(*)"
        f" FROM {latest('agent_system_performance')} GROUP BY agentid, export_id, istruncated"
    )
    assert set(seen) == {(first, newest, "true", "5"), (second, other, "false", "4")}


def test_the_newest_export_of_an_agent_is_that_whose_range_ends_last(
    database: Database, stack: Stack, service: Service, latest: Latest
) -> None:
    """As the collector requests them: the newest range first, and what is left of it when an export is truncated.

    A range that ends after its request has no data from then on.
    """
    agent = next(server.agent_id for server in DataCenter().servers())
    now = int(time.time())

    def exported(start: int, end: int, **scenario: object) -> str:
        requested = {"requested_start": now - start * DAY, "requested_end": now - end * DAY}
        return service.has(kind="agent", agent_id=agent, rows=3, **requested, **scenario)

    until_next_week = exported(4, -7, age_seconds=2 * DAY)
    truncated = exported(4, 1, is_truncated=True, age_seconds=3_600)
    rest = exported(3, 1, age_seconds=1_800)
    before = exported(7, 4)
    export_ids = [until_next_week, truncated, rest, before]
    stack.run(exportIds=export_ids)

    database.copy_exports(export_ids)

    assert set(database.athena.rows(f"SELECT export_id, istruncated FROM {latest('agent_process')}")) == {
        (rest, "false")
    }


def test_the_view_is_empty_if_the_newest_export_of_an_agent_has_no_connections(
    database: Database, stack: Stack, service: Service, latest: Latest
) -> None:
    agent = next(server.agent_id for server in DataCenter().servers())
    older = service.has(kind="agent", agent_id=agent, age_seconds=DAY)
    newest = service.has_body(zipped_csv({"1_osInfo.csv": [["agentId"], [agent]]}))
    stack.run(exportIds=[older, newest])

    database.copy_exports([older, newest])

    assert database.athena.rows(f"SELECT * FROM {latest('agent_source_process_connection')}") == []


@pytest.fixture(scope="module")
def all_kinds(aws: LocalAws, stack: Stack, service: Service) -> Database:
    """A database with an export of each kind."""
    database = Database(aws, stack, f"latest_{uuid.uuid4().hex}")
    exports = [service.has(kind=kind) for kind in ("summary", "agent", "ec2-recommendations")]
    stack.run(exportIds=exports)
    database.copy_exports(exports)
    return database


@pytest.mark.parametrize("dataset", known_tables())
def test_every_view_selects_its_columns(aws: LocalAws, all_kinds: Database, latest: Latest, dataset: str) -> None:
    selected = all_kinds.athena.columns(f"SELECT * FROM {latest(dataset)}")

    glue = aws.client("glue")
    view = glue.get_table(DatabaseName=aws.outputs["DatabaseName"], Name=f"latest_{dataset}")["Table"]
    columns = [column["Name"] for column in view["StorageDescriptor"]["Columns"]]
    assert [str(name).lower() for name in selected] == columns
