"""The twelve queries of docs/queries, asked of stored exports, answer with what the fleet says."""

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
from tests.local.athena import Cells, Place, sql_of
from tests.local.commands import run_command
from tests.local.service import Service
from tests.local.stack import Stack

QUERIES = Path(__file__).parents[2] / "docs" / "queries"
PAGE = QUERIES.parent / "queries.md"
FLEET = DataCenter()
SERVERS = list(FLEET.servers())
SAMPLES = 5
Answers = Callable[[int], list[Cells]]
LAST_YEAR = 365 * 24 * 3600.0


@pytest.fixture(scope="module")
def place(aws: LocalAws, stack: Stack) -> Place:
    return Place(aws, stack, f"queries_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def answers(place: Place, stack: Stack, service: Service) -> Answers:
    """Answers by number, after an old export of every agent (10 columns of connections, more rows), then one of all."""
    of_agents: list[Mapping[str, Any]] = [{"kind": "agent", "agent_id": server.agent_id} for server in SERVERS]
    old = {"age_seconds": LAST_YEAR, "connection_columns": 10, "rows": SAMPLES + 1}
    export_ids = [service.has(**agent, **old) for agent in of_agents]
    export_ids += [service.has(**agent, rows=SAMPLES) for agent in of_agents]
    export_ids += [service.has(kind="summary"), service.has(kind="ec2-recommendations")]
    assert dict(stack.run(exportIds=export_ids).counts) == {"STORED": len(export_ids)}
    place.take(export_ids)

    def answer(number: int) -> list[Cells]:
        (query,) = QUERIES.glob(f"{number:02}-*.sql")
        return place.athena.rows(query.read_text("utf-8"))

    return answer


def test_there_are_twelve_and_the_page_names_each() -> None:
    page = PAGE.read_text("utf-8")

    names = [query.name for query in QUERIES.glob("*.sql")]

    assert len(names) == 12
    assert [name for name in names if f"(queries/{name})" not in page] == []


def test_every_statement_uses_the_functions_that_both_athenas_have(aws: LocalAws) -> None:
    """Those that ``docs/local-aws.md`` names."""
    page = (PAGE.parent / "local-aws.md").read_text("utf-8")
    section = page.partition("the same meaning in Trino and in DuckDB:")[2].partition(".")[0]
    pages = aws.client("glue").get_paginator("get_tables").paginate(DatabaseName=aws.outputs["DatabaseName"])
    views = [sql_of(table) for page in pages for table in page["TableList"] if table["TableType"] == "VIRTUAL_VIEW"]
    statements = [*(query.read_text("utf-8") for query in QUERIES.glob("*.sql")), *views]

    used = {word for statement in statements for word in re.findall(r"\b(\w+)\(", re.sub("--.*", "", statement))}

    assert used - {"CAST"} <= set(re.findall(r"`(\w+)`", section))
    assert len(views) == 15


def test_the_commands_of_the_page_print_the_rows_and_the_file_of_the_result(answers: Answers, aws: LocalAws) -> None:
    """In the stack's own database, where other tests store exports meanwhile: the columns are all that is certain."""
    commands = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)

    done = run_command(aws, "bash", "-euo", "pipefail", "-c", "\n".join(commands))

    assert (done.returncode, done.stderr) == (0, "")
    state, header, *_ = (line.rstrip("\t") for line in done.stdout.splitlines())
    assert (state, header.lower()) == ("SUCCEEDED", "osname\tosversion\tservers")
    assert "\nosname,osversion,servers\n" in done.stdout.lower()


def test_01_operating_systems(answers: Answers) -> None:
    systems = Counter((server.os_name, server.os_version) for server in SERVERS)

    assert Counter(answers(1)) == Counter((*system, str(count)) for system, count in systems.items())


def test_02_idle_servers(answers: Answers) -> None:
    loads = {server: server.index * 11 % 1000 for server in SERVERS}
    idle = {server.id: server.host_name for server, load in loads.items() if load / 10 < 5 and load / 8 < 20}

    assert {row[0]: row[1] for row in answers(2)} == idle
    assert 0 < len(idle) < len(SERVERS)


def test_03_oversized_servers(answers: Answers) -> None:
    def oversized(server: Server) -> bool:
        vcpus = max(2, server.cores)
        return server.cpus * server.cores > vcpus or server.ram_mb > 4096 * vcpus

    wanted = {(server.id, str(server.cpus * server.cores)) for server in SERVERS if oversized(server)}

    assert {(row[0], row[2]) for row in answers(3)} == wanted
    assert 0 < len(wanted) < len(SERVERS)


def test_04_unsupported_systems(answers: Answers) -> None:
    wanted = [server.id for server in SERVERS if "release 7.9" in server.os_version]

    assert sorted(str(row[0]) for row in answers(4)) == sorted(wanted)
    assert wanted


def test_05_dependencies_have_host_names_or_else_agent_ids(answers: Answers) -> None:
    by_ip = {server.ip: server for server in SERVERS}
    wanted: Counter[Cells] = Counter()
    for client in SERVERS:
        for connection in FLEET.outgoing(client, Span(), SAMPLES):
            server = by_ip[connection.destination_ip]
            names = client.host_name or client.agent_id, server.host_name or server.agent_id
            wanted[(*names, str(connection.destination_port), client.agent_id, server.agent_id)] += 1

    assert Counter({(*row[:3], *row[4:]): int(row[3] or 0) for row in answers(5)}) == wanted
    assert {bool(server.host_name) for server in SERVERS} == {True, False}


def test_06_listeners(answers: Answers) -> None:
    clients = {
        server.agent_id: {c.source_ip for c in FLEET.incoming(server, Span(), SAMPLES) if c.destination_port == 5432}
        for server in SERVERS
    }
    wanted = {(agent, "postgres", "/usr/bin/postgres", str(len(ips))) for agent, ips in clients.items() if ips}

    assert set(answers(6)) == wanted
    assert wanted


def test_07_applications_without_servers(answers: Answers, place: Place) -> None:
    assert answers(7) == [], "each application of the fleet has servers"

    (newest,) = place.athena.rows("SELECT exportid FROM exports WHERE kind = 'summary'")
    place.put_rows("summary_application", str(newest[0]), ["id", "name"], [["d-lonely", "Nobody's"]])

    assert answers(7) == [("d-lonely", "Nobody's")]


def test_08_instances_and_prices(answers: Answers) -> None:
    models = {1: "m5.large", 2: "m5.large", 4: "m5.xlarge", 8: "m5.2xlarge", 16: "m5.4xlarge"}
    servers = Counter(models[server.cores] for server in SERVERS)
    hourly: Counter[str] = Counter()
    for server in SERVERS:
        hourly[models[server.cores]] += 48 * max(2, server.cores)  # thousandths of a dollar

    answered = {row[0]: (row[1], float(row[2] or 0)) for row in answers(8)}

    assert answered == {model: (str(servers[model]), round(hourly[model] * 0.73, 2)) for model in servers}


def test_10_data_age(answers: Answers) -> None:
    last = {server.agent_id: list(FLEET.performance(server, Span(), SAMPLES))[-1].sampled_at for server in SERVERS}
    requested = datetime.now(UTC).date()

    answered = {row[0]: (row[1], int(row[2] or 0)) for row in answers(10)}

    for agent, moment in last.items():
        age = (requested - datetime.fromisoformat(moment).date()).days
        assert answered[str(agent)] in ((moment, age), (moment, age - 1)), "it may be past midnight by now"
    assert answered.keys() == last.keys()


def test_11_peaks(answers: Answers) -> None:
    wanted = {}
    for server in SERVERS:
        samples = list(FLEET.performance(server, Span(), SAMPLES))
        highest = max(sample.cpu_percent for sample in samples)
        wanted[server.agent_id] = (SAMPLES, highest, max(sample.ram_mb - sample.free_ram_mb for sample in samples))

    answered = {row[0]: (int(row[1] or 0), float(row[2] or 0), float(row[3] or 0)) for row in answers(11)}

    assert answered == wanted


def test_12_waves(answers: Answers) -> None:
    waves = Counter(dict(server.tags).get("wave") for server in SERVERS)

    assert set(answers(12)) == {(wave, str(count)) for wave, count in waves.items()}


def test_09_growth(answers: Answers, aws: LocalAws, stack: Stack, service: Service) -> None:
    """A place with two summaries: the older one lacks the first server, and has one that is gone since."""
    place = Place(aws, stack, f"growth_{uuid.uuid4().hex}")
    export_id = service.has(kind="summary")
    stack.run(exportIds=[export_id])
    place.take([export_id])
    before = {"exportId": "export-1", "kind": "summary", "exportRequestTime": "2026-01-01T00:00:00.000Z"}
    place.put("manifests/export-1.json", json.dumps(before).encode())
    older = [["d-gone", "old"], *([server.id, server.host_name] for server in SERVERS[1:])]
    place.put_rows("summary_server", "export-1", ["id", "hostName"], older)

    (query,) = QUERIES.glob("09-*.sql")
    changes = place.athena.rows(query.read_text("utf-8"))

    assert changes == [("d-gone", "old", "gone"), (SERVERS[0].id, SERVERS[0].host_name, "new")]


def test_the_guard_against_formulas_touches_nothing_else(answers: Answers, place: Place) -> None:
    page = PAGE.read_text("utf-8")
    guard = page.partition("```sql\n")[2].partition("```")[0]

    guarded = {row[0]: row[1] for row in place.athena.rows(guard)}

    formulas = [server for server in SERVERS if server.host_name.startswith("=")]
    assert guarded == {s.id: f"'{s.host_name}" if s in formulas else s.host_name for s in SERVERS}
    assert formulas
