"""The twelve queries of docs/queries return the data of the simulated data center."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local.double.data.data_center import DataCenter, Server, Span
from local.stack.aws import LocalAws
from tests.local.athena import Cells, Database, sql_of
from tests.local.commands import run_command
from tests.local.service import Service
from tests.local.stack import Stack

QUERIES = Path(__file__).parents[2] / "docs" / "queries"
PAGE = QUERIES.parent / "queries.md"
CENTER = DataCenter()
SERVERS = list(CENTER.servers())
SAMPLES = 5
Results = Callable[[int], list[Cells]]
LAST_YEAR = 365 * 24 * 3600.0


@pytest.fixture(scope="module")
def database(aws: LocalAws, stack: Stack) -> Database:
    return Database(aws, stack, f"queries_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def results(database: Database, stack: Stack, service: Service) -> Results:
    """Results by number, after an old export of each agent (10 connection columns, more rows), then one of all."""
    of_agents: list[Mapping[str, Any]] = [{"kind": "agent", "agent_id": server.agent_id} for server in SERVERS]
    old = {"age_seconds": LAST_YEAR, "connection_columns": 10, "rows": SAMPLES + 1}
    export_ids = [service.has(**agent, **old) for agent in of_agents]
    export_ids += [service.has(**agent, rows=SAMPLES) for agent in of_agents]
    export_ids += [service.has(kind="summary"), service.has(kind="ec2-recommendations")]
    assert dict(stack.run(exportIds=export_ids).counts) == {"STORED": len(export_ids)}
    database.copy_exports(export_ids)

    def result(number: int) -> list[Cells]:
        (query,) = QUERIES.glob(f"{number:02}-*.sql")
        return database.athena.rows(query.read_text("utf-8"))

    return result


def test_the_page_lists_each_of_the_twelve_queries() -> None:
    page = PAGE.read_text("utf-8")

    names = [query.name for query in QUERIES.glob("*.sql")]

    assert len(names) == 12
    assert [name for name in names if f"(queries/{name})" not in page] == []


def test_every_statement_uses_only_functions_that_both_athenas_have(aws: LocalAws) -> None:
    """The functions are those in ``docs/local-aws.md``."""
    page = (PAGE.parent / "local-aws.md").read_text("utf-8")
    section = page.partition("the same meaning in Trino and in DuckDB:")[2].partition(".")[0]
    pages = aws.client("glue").get_paginator("get_tables").paginate(DatabaseName=aws.outputs["DatabaseName"])
    views = [sql_of(table) for page in pages for table in page["TableList"] if table["TableType"] == "VIRTUAL_VIEW"]
    statements = [*(query.read_text("utf-8") for query in QUERIES.glob("*.sql")), *views]

    used = {word for statement in statements for word in re.findall(r"\b(\w+)\(", re.sub("--.*", "", statement))}

    assert used - {"CAST"} <= set(re.findall(r"`(\w+)`", section))
    assert len(views) == 15


def test_the_commands_of_the_page_print_the_rows_and_the_file_of_the_result(results: Results, aws: LocalAws) -> None:
    """In the stack's own database, where other tests store exports meanwhile: only the columns are known."""
    commands = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)

    done = run_command(aws, "bash", "-euo", "pipefail", "-c", "\n".join(commands))

    assert (done.returncode, done.stderr) == (0, "")
    state, header, *_ = (line.rstrip("\t") for line in done.stdout.splitlines())
    assert (state, header.lower()) == ("SUCCEEDED", "osname\tosversion\tservers")
    assert "\nosname,osversion,servers\n" in done.stdout.lower()


def test_01_operating_systems(results: Results) -> None:
    systems = Counter((server.os_name, server.os_version) for server in SERVERS)

    assert Counter(results(1)) == Counter((*system, str(count)) for system, count in systems.items())


def test_02_idle_servers(results: Results) -> None:
    loads = {server: server.index * 11 % 1000 for server in SERVERS}
    idle = {server.id: server.host_name for server, load in loads.items() if load / 10 < 5 and load / 8 < 20}

    assert {row[0]: row[1] for row in results(2)} == idle
    assert 0 < len(idle) < len(SERVERS)


def test_03_oversized_servers(results: Results) -> None:
    def oversized(server: Server) -> bool:
        vcpus = max(2, server.cores)
        return server.cpus * server.cores > vcpus or server.ram_mb > 4096 * vcpus

    expected = {(server.id, str(server.cpus * server.cores)) for server in SERVERS if oversized(server)}

    assert {(row[0], row[2]) for row in results(3)} == expected
    assert 0 < len(expected) < len(SERVERS)


def test_04_unsupported_systems(results: Results) -> None:
    expected = [server.id for server in SERVERS if "release 7.9" in server.os_version]

    assert sorted(str(row[0]) for row in results(4)) == sorted(expected)
    assert expected


def test_05_dependencies_have_host_names_or_else_agent_ids(results: Results) -> None:
    by_ip = {server.ip: server for server in SERVERS}
    expected: Counter[Cells] = Counter()
    for client in SERVERS:
        for connection in CENTER.outgoing(client, Span(), SAMPLES):
            server = by_ip[connection.destination_ip]
            names = client.host_name or client.agent_id, server.host_name or server.agent_id
            expected[(*names, str(connection.destination_port), client.agent_id, server.agent_id)] += 1

    assert Counter({(*row[:3], *row[4:]): int(row[3] or 0) for row in results(5)}) == expected
    assert {bool(server.host_name) for server in SERVERS} == {True, False}


def test_06_listeners(results: Results) -> None:
    clients = {
        server.agent_id: {c.source_ip for c in CENTER.incoming(server, Span(), SAMPLES) if c.destination_port == 5432}
        for server in SERVERS
    }
    expected = {(agent, "postgres", "/usr/bin/postgres", str(len(ips))) for agent, ips in clients.items() if ips}

    assert set(results(6)) == expected
    assert expected


def test_07_applications_without_servers(results: Results, database: Database) -> None:
    assert results(7) == [], "each application of the data center has servers"

    (newest,) = database.athena.rows("SELECT exportid FROM exports WHERE kind = 'summary'")
    database.put_rows("summary_application", str(newest[0]), ["id", "name"], [["d-unused", "Unused"]])

    assert results(7) == [("d-unused", "Unused")]


def test_08_instances_and_prices(results: Results) -> None:
    models = {1: "m5.large", 2: "m5.large", 4: "m5.xlarge", 8: "m5.2xlarge", 16: "m5.4xlarge"}
    servers = Counter(models[server.cores] for server in SERVERS)
    hourly: Counter[str] = Counter()
    for server in SERVERS:
        hourly[models[server.cores]] += 48 * max(2, server.cores)  # thousandths of a dollar

    found = {row[0]: (row[1], float(row[2] or 0)) for row in results(8)}

    assert found == {model: (str(servers[model]), round(hourly[model] * 0.73, 2)) for model in servers}


def test_10_data_age(results: Results) -> None:
    last = {server.agent_id: list(CENTER.performance(server, Span(), SAMPLES))[-1].sampled_at for server in SERVERS}
    requested = datetime.now(UTC).date()

    found = {row[0]: (row[1], int(row[2] or 0)) for row in results(10)}

    for agent, moment in last.items():
        age = (requested - datetime.fromisoformat(moment).date()).days
        assert found[str(agent)] in ((moment, age), (moment, age - 1)), "it may be past midnight by now"
    assert found.keys() == last.keys()


def test_11_peaks(results: Results) -> None:
    expected = {}
    for server in SERVERS:
        samples = list(CENTER.performance(server, Span(), SAMPLES))
        highest = max(sample.cpu_percent for sample in samples)
        expected[server.agent_id] = (SAMPLES, highest, max(sample.ram_mb - sample.free_ram_mb for sample in samples))

    found = {row[0]: (int(row[1] or 0), float(row[2] or 0), float(row[3] or 0)) for row in results(11)}

    assert found == expected


def test_12_waves(results: Results) -> None:
    waves = Counter(dict(server.tags).get("wave") for server in SERVERS)

    assert set(results(12)) == {(wave, str(count)) for wave, count in waves.items()}


def test_09_growth(results: Results, aws: LocalAws, stack: Stack, service: Service) -> None:
    """With two summaries: the older one lacks the first server, and has one that the newer one lacks."""
    database = Database(aws, stack, f"growth_{uuid.uuid4().hex}")
    export_id = service.has(kind="summary")
    stack.run(exportIds=[export_id])
    database.copy_exports([export_id])
    before = {"exportId": "export-1", "kind": "summary", "exportRequestTime": "2026-01-01T00:00:00.000Z"}
    database.put("manifests/export-1.json", json.dumps(before).encode())
    older = [["d-gone", "old"], *([server.id, server.host_name] for server in SERVERS[1:])]
    database.put_rows("summary_server", "export-1", ["id", "hostName"], older)

    (query,) = QUERIES.glob("09-*.sql")
    changes = database.athena.rows(query.read_text("utf-8"))

    assert changes == [("d-gone", "old", "gone"), (SERVERS[0].id, SERVERS[0].host_name, "new")]


def test_the_guard_against_formulas_changes_nothing_else(results: Results, database: Database) -> None:
    page = PAGE.read_text("utf-8")
    guard = page.partition("```sql\n")[2].partition("```")[0]

    guarded = {row[0]: row[1] for row in database.athena.rows(guard)}

    formulas = [server for server in SERVERS if server.host_name.startswith("=")]
    assert guarded == {s.id: f"'{s.host_name}" if s in formulas else s.host_name for s in SERVERS}
    assert formulas
