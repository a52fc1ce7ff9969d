"""The twelve queries of docs/queries return the data of the simulated data center."""

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from local.double.data.data_center import DataCenter, Server
from local.double.data.samples import Span
from local.stack.aws import LocalAws
from tests.local.athena import Cells, Database, sql_of
from tests.local.commands import run_command
from tests.local.csv_exports import Rows, zipped_csv
from tests.local.service import Service
from tests.local.stack import Stack

QUERIES = Path(__file__).parents[2] / "docs" / "queries"
PAGE = QUERIES.parent / "queries.md"
CENTER = DataCenter()
SERVERS = list(CENTER.servers())
SAMPLES = 5
Results = Callable[[int], list[Cells]]
DAY = 24 * 3600.0
LAST_YEAR = 365 * DAY
Stored = Callable[..., str]
SYSTEMS = {
    "Red Hat Enterprise Linux Server release 7.9 (Maipo)": "2024-06-30",
    "Red Hat Enterprise Linux Server release 5.11 (Tikanga)": "2017-03-31",
    "Red Hat Enterprise Linux 6 (32-bit)": "2020-11-30",
    "Red Hat Enterprise Linux 7 (64-bit)": "2024-06-30",
    "CentOS Linux release 7.9.2009 (Core)": "2024-06-30",
    "CentOS 4/5 (32-bit)": "2017-03-31",
    "CentOS 4/5/6/7 (64-bit)": "2024-06-30",
    "CentOS 8 (64-bit)": "2021-12-31",
    "CentOS Stream release 8": "2024-05-31",
    "Oracle Linux Server release 7.9": "2024-12-31",
    "SUSE Linux Enterprise 11 (64-bit)": "2019-03-31",
    "SUSE Linux Enterprise Server 12 SP5": "2024-10-31",
    "SUSE Linux Enterprise Server 15 SP3": "2022-12-31",
    'SUSE "11 SP4"': "2019-03-31",
    'SUSE "15 SP4"': "2023-12-31",
    "Ubuntu 12.04.5 LTS": "2017-04-28",
    "Ubuntu 16.04.7 LTS": "2021-04-30",
    "Ubuntu 20.04 LTS": "2025-05-31",
    "Debian GNU/Linux 7 (wheezy)": "2018-05-31",
    "Debian GNU/Linux 10 (64-bit)": "2024-06-30",
    "Amazon Linux release 2 (Karoo)": "2026-06-30",
    "Amazon Linux AMI release 2015.03": "2023-12-31",
    "Amazon Linux AMI release 2018.03": "2023-12-31",
    "Microsoft Windows 2000 Server": "2010-07-13",
    "Microsoft Windows XP Professional (32-bit)": "2014-04-08",
    "Microsoft Windows 8.x (64-bit)": "2023-01-10",
    "Microsoft Windows Server 2003 Standard (64-bit)": "2015-07-14",
    "Microsoft Windows Server 2008 R2 (64-bit)": "2020-01-14",
    "Microsoft Windows Server 2012 R2 Standard, 6.3.9600": "2023-10-10",
}
"""Words of agents and names of VMware guests, each with the end of its support."""
SUPPORTED = (
    "Red Hat Enterprise Linux release 9.7 (Plow)",
    "Red Hat Enterprise Linux release 10.1 (Coughlan)",
    "CentOS Stream release 10 (Coughlan)",
    "CentOS 4/5 or later (64-bit)",
    "Oracle Linux Server release 9.4",
    "SUSE Linux Enterprise Server 15 SP7",
    "SUSE Linux Enterprise 15 (64-bit)",
    "openSUSE Tumbleweed 11",
    "Microsoft Windows Server 2012 or later (64-bit)",
    "Microsoft Windows Server 2025 Standard",
    "Debian GNU/Linux 13 (trixie)",
    "Amazon Linux release 2023.9.20251110 (Amazon Linux)",
    "Ubuntu Linux (64-bit)",
    "",
)
"""Systems that are supported, or whose names do not show one version."""
KERNELS = ("5.14.0-427.13.1.el9_4.x86_64", "6.12.0-55.el10.aarch64", "4.18.0-553", "7.0.5-8", "2.6.32", "6.2.9200", "")
"""Versions of kernels. The major version of some is that of a system that has ended."""
SPLIT = {
    ("CentOS", "7.9.2009"): "2024-06-30",
    ("Ubuntu", "18.04"): "2023-05-31",
    ("SUSE", "11 SP4"): "2019-03-31",
    ("Windows Server", "2012"): "2023-10-10",
    ("CentOS", "5.14.0-427.el9.x86_64"): None,
    ("Linux", "7.0.5"): None,
    ("Red Hat Enterprise Linux 9", "7.1"): None,
}
"""Pairs of osName and osVersion, with the end of support of the system that they name together."""


@pytest.fixture(scope="module")
def database(aws: LocalAws, stack: Stack) -> Database:
    return Database(aws, stack, f"queries_{uuid.uuid4().hex}")


@pytest.fixture
def stored(stack: Stack, service: Service) -> Stored:
    """Stores an export with these CSV files and returns its id."""

    def store(files: Mapping[str, Rows], **scenario: object) -> str:
        export_id = service.has_body(zipped_csv(files), **scenario)
        stack.run(exportIds=[export_id])
        return export_id

    return store


@pytest.fixture
def own(aws: LocalAws, stack: Stack) -> Database:
    """A database for the exports of one test."""
    return Database(aws, stack, f"queries_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def results(database: Database, stack: Stack, service: Service) -> Results:
    """Results by number, after an export of everything, and one of a day last year that was requested later.

    The export of last year has 10 connection columns and more rows.
    """
    of_agents: list[Mapping[str, Any]] = [{"kind": "agent", "agent_id": server.agent_id} for server in SERVERS]
    export_ids = [service.has(**agent, rows=SAMPLES) for agent in of_agents]
    end = time.time() - LAST_YEAR
    old = {"requested_start": end - DAY, "requested_end": end, "connection_columns": 10, "rows": SAMPLES + 1}
    export_ids += [service.has(**agent, **old) for agent in of_agents]
    export_ids += [service.has(kind="summary"), service.has(kind="ec2-recommendations")]
    assert dict(stack.run(exportIds=export_ids).counts) == {"STORED": len(export_ids)}
    database.copy_exports(export_ids)
    return lambda number: rows_of(database, number)


def rows_of(database: Database, number: int) -> list[Cells]:
    (query,) = QUERIES.glob(f"{number:02}-*.sql")
    return database.athena.rows(query.read_text("utf-8"))


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
    statements = [*(query.read_text("utf-8") for query in QUERIES.rglob("*.sql")), *views]

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
    idle = {server.id: server.host_name or None for server, load in loads.items() if load / 10 < 5 and load / 8 < 20}

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
    ends = {"release 7.9": date(2024, 6, 30), "15 SP4": date(2023, 12, 31), "Windows Server 2016": date(2027, 1, 12)}
    ended = [words for words, end in ends.items() if end < datetime.now(UTC).date()]
    expected = [server.id for server in SERVERS if any(words in server.os_version for words in ended)]

    assert sorted(str(row[0]) for row in results(4)) == sorted(expected)
    assert expected


def test_04_unsupported_systems_have_the_names_of_agents_or_of_vmware(own: Database, stored: Stored) -> None:
    """The name is in osName or in osVersion. Beside it are kernels, whose versions look like those of systems."""
    pairs: dict[tuple[str, str], str | None] = dict(SPLIT)
    for name in (*SYSTEMS, *SUPPORTED):
        pairs[("Linux", name)] = pairs[(name, "")] = SYSTEMS.get(name)
        family = "WindowsOS" if "Windows" in name else "Linux"
        pairs |= {(f"{family} - {name}", kernel): SYSTEMS.get(name) for kernel in KERNELS}
    rows = [[f"d-{number}", "host", *pair] for number, pair in enumerate(pairs)]

    own.copy_exports([stored({"1_Server.csv": [["id", "hostName", "osName", "osVersion"], *rows]})])

    found = {(row[2] or "", row[3] or ""): row[4] for row in rows_of(own, 4)}
    assert found == {pair: end for pair, end in pairs.items() if end}


def test_05_dependencies_have_host_names_or_else_agent_ids(results: Results) -> None:
    by_ip = {server.ip: server for server in SERVERS}
    expected: Counter[Cells] = Counter()
    for client in SERVERS:
        for connection in CENTER.outgoing(client, Span().samples(SAMPLES)):
            server = by_ip[connection.destination_ip]
            names = client.host_name or client.agent_id, server.host_name or server.agent_id
            expected[(*names, str(connection.destination_port), client.agent_id, server.agent_id)] += 1

    assert Counter({(*row[:3], *row[4:6]): int(row[3] or 0) for row in results(5)}) == expected
    assert {bool(server.host_name) for server in SERVERS} == {True, False}


def test_05_an_address_that_several_agents_have_identifies_no_server(own: Database, stored: Stored) -> None:
    """All three run Docker: a connection to its bridge stays on the host. One reports its loopback address."""
    bridge, addresses = "172.17.0.1", {"o-1": "10.0.0.1", "o-2": "10.0.0.2", "o-3": "10.0.0.3"}
    interfaces = [[agent, ip] for agent, own_ip in addresses.items() for ip in (own_ip, bridge)]
    connections = [[agent, ip, "443"] for agent in ("o-1", "o-3") for ip in ("10.0.0.2", bridge, "127.0.0.1")]
    files: Mapping[str, Rows] = {
        "1_osInfo.csv": [["agentId", "hostName"], *([agent, f"host {agent}"] for agent in addresses)],
        "1_networkInterface.csv": [["agentId", "ipAddress"], *interfaces, ["o-2", "127.0.0.1"]],
        "1_sourceProcessConnection.csv": [["agentId", "destinationIp", "destinationPort"], *connections],
    }

    own.copy_exports([stored(files)])

    assert rows_of(own, 5) == [
        ("host o-1", "host o-2", "443", "1", "o-1", "o-2", "false"),
        ("host o-3", "host o-2", "443", "1", "o-3", "o-2", "false"),
    ]


def test_06_listeners(results: Results) -> None:
    clients = {
        server.agent_id: {
            c.source_ip for c in CENTER.incoming(server, Span().samples(SAMPLES)) if c.destination_port == 5432
        }
        for server in SERVERS
    }
    expected = {
        (agent, "postgres", "/usr/bin/postgres", str(len(ips)), "false") for agent, ips in clients.items() if ips
    }

    assert set(results(6)) == expected
    assert expected


def test_07_applications_without_servers(results: Results, own: Database, stored: Stored) -> None:
    assert results(7) == [], "each application of the data center has servers"

    files: Mapping[str, Rows] = {
        "1_Application.csv": [["id", "name"], ["d-used", "Used"], ["d-unused", "Unused"]],
        "1_ApplicationResourceAssociation.csv": [["applicationConfigurationId", "configId"], ["d-used", "d-server"]],
    }
    own.copy_exports([stored(files)])

    assert rows_of(own, 7) == [("d-unused", "Unused")]


def test_08_instances_and_prices(results: Results) -> None:
    models = {1: "m5.large", 2: "m5.large", 4: "m5.xlarge", 8: "m5.2xlarge", 16: "m5.4xlarge"}
    servers = Counter(models[server.cores] for server in SERVERS)
    hourly: Counter[str] = Counter()
    for server in SERVERS:
        hourly[models[server.cores]] += 48 * max(2, server.cores)  # thousandths of a dollar

    found = {row[0]: (row[1], float(row[2] or 0)) for row in results(8)}

    assert found == {model: (str(servers[model]), round(hourly[model] * 0.73, 2)) for model in servers}


def test_10_data_age(results: Results) -> None:
    last = {
        server.agent_id: list(CENTER.performance(server, Span().samples(SAMPLES)))[-1].sampled_at for server in SERVERS
    }
    requested = datetime.now(UTC).date()

    found = {row[0]: (row[1], int(row[2] or 0)) for row in results(10)}

    for agent, moment in last.items():
        age = (requested - datetime.fromisoformat(moment).date()).days
        assert found[str(agent)] in ((moment, age), (moment, age - 1)), "it may be past midnight by now"
    assert found.keys() == last.keys()


def test_11_peaks(results: Results) -> None:
    expected = {}
    for server in SERVERS:
        samples = list(CENTER.performance(server, Span().samples(SAMPLES)))
        highest = max(sample.cpu_percent for sample in samples)
        expected[server.agent_id] = (SAMPLES, highest, max(sample.ram_mb - sample.free_ram_mb for sample in samples))

    found = {row[0]: (int(row[1] or 0), float(row[2] or 0), float(row[3] or 0)) for row in results(11)}

    assert found == expected


def test_12_waves(results: Results) -> None:
    waves = Counter(dict(server.tags).get("wave") for server in SERVERS)

    assert set(results(12)) == {(wave, str(count)) for wave, count in waves.items()}


def test_09_growth_compares_the_two_newest_summaries_that_are_not_truncated(
    own: Database, stored: Stored, stack: Stack, service: Service
) -> None:
    """The older one lacks the first server, and has one that the newer one lacks. A truncated one is newer still."""
    header, kept = ["id", "hostName"], [[server.id, server.host_name] for server in SERVERS[1:]]
    older = stored({"1_Server.csv": [header, ["d-gone", "old"], *kept]}, age_seconds=2 * DAY)
    newer = service.has(kind="summary", age_seconds=DAY)
    stack.run(exportIds=[newer])
    truncated = stored({"1_Server.csv": [header, *kept[:2]]}, is_truncated=True)

    own.copy_exports([older, newer, truncated])

    assert rows_of(own, 9) == [("d-gone", "old", "gone"), (SERVERS[0].id, SERVERS[0].host_name, "new")]


def test_truncated_summaries_and_recommendations_change_no_result(
    results: Results, own: Database, stack: Stack, service: Service, stored: Stored
) -> None:
    whole = [service.has(kind=kind, age_seconds=DAY) for kind in ("summary", "ec2-recommendations")]
    stack.run(exportIds=whole)
    first = SERVERS[0].id
    summary: Mapping[str, Rows] = {
        "1_Server.csv": [["id", "osName", "osVersion"], [first, "Linux", "CentOS 8 (64-bit)"]],
        "1_SystemPerformance.csv": [["serverId", "avgCpuUsagePct", "maxCpuUsagePct"], [first, "1", "1"]],
        "1_Application.csv": [["id", "name"], ["d-unused", "Unused"]],
        "1_Tags.csv": [["configurationId", "key", "value"], [first, "wave", "9"]],
    }
    recommended = [["ServerId", "Server.CPU.NumberOfLogicalCores"], [first, "512"]]
    truncated = [
        stored(summary, is_truncated=True),
        stored({"EC2InstanceRecommendations.csv": recommended}, is_truncated=True),
    ]

    own.copy_exports([*whole, *truncated])

    for number in (1, 2, 3, 4, 7, 8, 12):
        assert rows_of(own, number) == results(number), number


def test_results_from_a_truncated_export_of_an_agent_say_so(own: Database, stack: Stack, service: Service) -> None:
    whole = [service.has(kind="agent", agent_id=server.agent_id, age_seconds=DAY) for server in SERVERS]
    cut = next(
        s for s in SERVERS if any(c.destination_port == 5432 for c in CENTER.incoming(s, Span().samples(SAMPLES)))
    )
    truncated = service.has(kind="agent", agent_id=cut.agent_id, is_truncated=True)
    stack.run(exportIds=[*whole, truncated])

    own.copy_exports([*whole, truncated])

    for number, agent in {5: 4, 6: 0, 10: 0, 11: 0}.items():
        marked = {(row[agent], row[-1]) for row in rows_of(own, number)}
        assert {name for name, flag in marked if flag == "true"} == {cut.agent_id}, number
        assert {name for name, flag in marked if flag == "false"}, number


def block_of_page(containing: str) -> str:
    (block,) = (b for b in re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) if containing in b)
    return str(block)


def test_the_query_of_the_page_for_large_archives_has_the_result_of_the_first(
    results: Results, database: Database
) -> None:
    found = database.athena.rows(block_of_page("requested_month"))

    assert Counter(found) == Counter(results(1))


def test_the_guard_against_formulas_changes_nothing_else(results: Results, database: Database) -> None:
    guarded = {row[0]: row[1] for row in database.athena.rows(block_of_page("chr(9)"))}

    formulas = [server for server in SERVERS if server.host_name.startswith("=")]
    assert guarded == {s.id: f"'{s.host_name}" if s in formulas else s.host_name or None for s in SERVERS}
    assert formulas
