"""Files for the next migration tool, made on the deployed stack, compared with the fleet that the data is of."""

import csv
import io
import json
import subprocess
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from discovery_exports.cli.handoff.queries import Settings, statement
from local.double.data.contents import Contents, Kind
from local.double.data.data_center import Server
from local.double.data.headers import HEADERS
from local.stack.aws import LocalAws
from local.stack.servers import ROOT
from tests.local.athena import Cells, Database
from tests.local.commands import run_command
from tests.local.fleet import BRIDGE, DUPLICATE_NAME, OUTSIDE, Fleet, ipv6
from tests.local.service import Service
from tests.local.stack import Stack

PROGRAM = ROOT / ".venv" / "bin" / "discovery-exports"
DAY = 24 * 3600.0
FLEET = Fleet()
SERVERS = list(FLEET.servers())
TRUTH = FLEET.connections()
MPA_SERVERS = (
    "Server ID,Hostname,Physical/Virtual,OS Name,OS Version,CPU-Number of Processors,CPU-Cores per Processor,"
    "CPU-Number of Threads per CPU-Core,CPU-Peak Utilization,CPU-Average Utilization,RAM-Total Size,"
    "RAM-Peak Utilization,RAM-Average Utilization,Storage-Total Disk Size,Storage-Utilization,Environment Type,"
    "Hypervisor,Datacenter ID"
)
MPA_CONNECTIONS = (
    "Source Server ID,Source Server IP Address,Target Server ID,Target Server IP Address,Source Process Name,"
    "Target Process Name"
)
ENDINGS = {"transform": "zip", "dot": "dot", "mermaid": "mmd"}
"""Of files that are not CSV."""
HandOff = Callable[..., "Made"]
Recipe = Callable[[str], list[dict[str, str | None]]]
FOLDER = ROOT / "docs" / "queries" / "handoff"


class Made:
    """The file of a hand-off, its report, and what the command printed."""

    def __init__(self, path: Path, done: "subprocess.CompletedProcess[str]") -> None:
        assert done.returncode == 0, done.stderr
        self.path = path
        self.printed = {
            (row["what"], row.get("reason", "").split(":")[0]): row["count"] for row in json.loads(done.stdout)
        }
        self.notes = done.stderr
        self.report: Any = json.loads(Path(f"{path}.report.json").read_text()) if path.exists() else None

    def member(self, name: str) -> list[dict[str, str]]:
        with zipfile.ZipFile(self.path) as archive:
            return read(archive.read(name))

    def rows(self) -> list[dict[str, str]]:
        return read(self.path.read_bytes())


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


@pytest.fixture(scope="module")
def exports(stack: Stack, service: Service) -> Sequence[str]:
    """The IDs of the exports of the fleet, which are stored."""
    ids = [service.has_body(FLEET.summary()), service.has_body(FLEET.recommendations())]
    ids += [service.has_body(FLEET.agent_export(server)) for server in FLEET.monitored()]
    assert dict(stack.run(exportIds=ids).counts) == {"STORED": len(ids)}
    return ids


@pytest.fixture(scope="module")
def hand_off(aws: LocalAws, exports: Sequence[str], tmp_path_factory: pytest.TempPathFactory) -> HandOff:
    """Runs ``handoff`` with the exports of the fleet alone: other tests store exports meanwhile."""

    @cache
    def make(form: str, *options: str, again: bool = False) -> Made:
        ending = next((ENDINGS[word] for word in (form, *options) if word in ENDINGS), "csv")
        path = tmp_path_factory.mktemp(form) / f"{form}.{ending}"
        named = [word for export_id in exports for word in ("--export", export_id)]
        done = run_command(aws, PROGRAM, "handoff", form, *named, "--to", path, "-o", "json", *options)
        return Made(path, done)

    return make


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def expected_server(server: Server) -> list[str]:
    """The row of ``mpa_servers.csv``, from the server and not from the exports."""
    load = server.index * 11 % 1000
    peak = ""
    if server.agent_id:
        samples = list(FLEET.performance(server, Contents(kind=Kind.AGENT, rows=FLEET.samples).samples()))
        peak = number(max(100 * (each.ram_mb - each.free_ram_mb) / each.ram_mb for each in samples))
    tags = FLEET.extra_tags(server)
    return [
        server.id,
        server.host_name,
        "Virtual" if server.hypervisor else "",
        server.os_name,
        server.os_version,
        str(server.cpus),
        str(server.cores // server.cpus) if server.cores % server.cpus == 0 else "",
        str(server.cpus),
        number(min(100.0, load / 8)),
        number(load / 10),
        str(server.ram_mb),
        peak,
        "50",
        str(server.disk_gb),
        "50" if server.agent_id else "",
        tags.get("Environment", ""),
        server.hypervisor,
        tags.get("datacenter", ""),
    ]


def test_contents_14_transform_has_every_server_and_every_pair_of_the_fleet(hand_off: HandOff) -> None:
    made = hand_off("transform")

    servers = made.member("mpa_servers.csv")
    assert [list(row.values()) for row in servers] == [expected_server(s) for s in sorted(SERVERS, key=lambda s: s.id)]
    assert Counter(row["Hostname"] for row in servers)[DUPLICATE_NAME] == 40
    connections = made.member("network_connections.csv")
    pairs = Counter((row["Source Server ID"], row["Target Server ID"]) for row in connections)
    assert pairs == Counter((source, target) for source, target, _ in TRUTH.pairs)
    addresses = {server.id: {server.ip, ipv6(server)} for server in SERVERS}
    for row in connections:
        assert row["Source Server IP Address"] in addresses[row["Source Server ID"]]
        assert row["Target Server IP Address"] in addresses[row["Target Server ID"]]
    assert sum(":" in row["Target Server IP Address"] for row in connections) == 50
    with_agent = {server.id for server in SERVERS if server.agent_id}
    assert {row["Source Process Name"] for row in connections} == {"curl", ""}
    assert all(bool(row["Source Process Name"]) == (row["Source Server ID"] in with_agent) for row in connections)
    accepted = Counter((row["Target Server ID"], bool(row["Target Process Name"])) for row in connections)
    only_clients_saw = {9999, 9998, 0}
    assert accepted == Counter(
        (target, target in with_agent and port not in only_clients_saw) for _, target, port in TRUTH.pairs
    )


def test_the_report_counts_what_the_fleet_has(hand_off: HandOff) -> None:
    made = hand_off("transform")

    servers, connections = made.report["servers"], made.report["connections"]
    assert (servers["inSummary"], servers["in"], servers["leftOut"]) == (200, 200, {})
    assert servers["of"] == {"without an agent's export": 150}
    assert connections["pairs"] == len(TRUTH.pairs) == 311
    assert connections["rowsIn"] == TRUTH.rows
    assert {name: each["rows"] for name, each in connections["leftOut"].items()} == TRUTH.left_out
    assert TRUTH.left_out.keys() == {
        "agent not in the summary", "loopback", "no address", "self", "shared address", "unknown address",
    }  # fmt: skip
    assert connections["rowsRead"] == sum(1 for _ in FLEET.seen())
    assert connections["leftOut"]["loopback"]["most"] == [
        {"address": "::1", "rows": 100},
        {"address": "127.0.0.1", "rows": 100},
    ]
    assert connections["leftOut"]["shared address"]["most"] == [{"address": BRIDGE, "rows": 25}]
    assert connections["leftOut"]["unknown address"]["most"] == [{"address": OUTSIDE, "rows": 100}]
    empty = made.report["emptyCells"]["mpa_servers.csv"]
    assert empty["RAM-Peak Utilization"] == empty["Storage-Utilization"] == 150
    assert empty["Environment Type"] == 100
    assert empty["Hostname"] == sum(not server.host_name for server in SERVERS)
    data = made.report["data"]
    assert data["agents"]["exports"] == 51
    assert (data["summary"]["ageDays"], data["recommendations"]["ageDays"], data["agents"]["truncated"]) == (0, 0, 0)
    assert made.printed["rows left out", "shared address"] == 25
    assert made.printed["connections", ""] == len(TRUTH.pairs)
    formulas = sum(server.host_name.startswith("=") for server in SERVERS)
    assert made.report["formulaCells"] == {"mpa_servers.csv": formulas}
    assert f"Cells that begin like a formula of a spreadsheet: {formulas}." in made.notes


def test_the_zip_has_two_files_exact_headers_no_mark_and_the_same_bytes_again(hand_off: HandOff) -> None:
    first, second = hand_off("transform"), hand_off("transform", again=True)

    assert first.path.read_bytes() == second.path.read_bytes()
    with zipfile.ZipFile(first.path) as archive:
        assert archive.namelist() == ["mpa_servers.csv", "network_connections.csv"]
        assert archive.testzip() is None
        assert archive.read("mpa_servers.csv").startswith(f"{MPA_SERVERS}\r\n".encode())
        assert archive.read("network_connections.csv").startswith(f"{MPA_CONNECTIONS}\r\n".encode())
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    tested = subprocess.run(["unzip", "-t", first.path], capture_output=True, text=True, check=True)
    assert "No errors detected" in tested.stdout


def test_contents_14_no_command_line_is_in_a_file_or_a_report(hand_off: HandOff) -> None:
    """Command lines of the fleet have passwords, and paths."""
    made = [hand_off("transform"), hand_off("mgn"), hand_off("graph")]

    for each in made:
        with zipfile.ZipFile(each.path) if each.path.suffix == ".zip" else _plain(each.path) as archive:
            text = "".join(archive.read(name).decode() for name in archive.namelist())
        for place in (text, json.dumps(each.report), each.notes):
            assert "pa,ss" not in place
            assert "/usr/bin" not in place


def _plain(path: Path) -> zipfile.ZipFile:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.write(path, "plain")
    return zipfile.ZipFile(memory)


def test_the_discovery_tool_variant_counts_connections_by_port(hand_off: HandOff) -> None:
    made = hand_off("transform", "--variant", "discovery-tool")

    connections = made.member("network_connections.csv")
    found = {
        (row["Source Server ID"], row["Target Server ID"], int(row["Target Port"] or 0)): int(row["Count"])
        for row in connections
    }
    assert found == TRUTH.pairs
    assert {(row["Transport Protocol"], row["IP Version"], row["Source Port"]) for row in connections} == {
        ("TCP", "IPv4", "")
    }
    servers = {row["Serverid"]: row for row in made.member("mpa_servers.csv")}
    assert {name: row["totalRAM (GB)"] for name, row in servers.items()} == {
        server.id: number(server.ram_mb / 1024) for server in SERVERS
    }
    assert {row["Uptime"] for row in servers.values()} == {""}


def test_mgn_has_the_servers_with_their_applications_waves_and_instances(hand_off: HandOff) -> None:
    made = hand_off("mgn", "--account", "123456789012", "--target-region", "eu-central-1", "--server-tag", "owner")

    models = {1: "m5.large", 2: "m5.large", 4: "m5.xlarge", 8: "m5.2xlarge", 16: "m5.4xlarge"}
    expected = []
    for server in sorted(SERVERS, key=lambda each: each.id):
        is_dns = bool(server.host_name) and not set(server.host_name) - set("abcdefghijklmnopqrstuvwxyz0123456789.-")
        expected.append(
            {
                "mgn:account-id": "123456789012",
                "mgn:region": "eu-central-1",
                "mgn:wave:name": dict(server.tags).get("wave", ""),
                "mgn:app:name": FLEET.application(server.application).name,
                "mgn:server:user-provided-id": server.id,
                "mgn:server:platform": server.os_name,
                "mgn:server:fqdn-for-action-framework": server.host_name if is_dns else "",
                "mgn:launch:instance-type": models[server.cores],
                "mgn:launch:placement:tenancy": "default",
                "mgn:launch:nic:0:private-ip:0": server.ip,
                "mgn:server:tag:owner": dict(server.tags)["owner"],
            }
        )
    assert made.rows() == expected
    assert "connections" not in made.report
    assert made.report["servers"]["in"] == 200


def test_graph_has_each_pair_with_port_protocol_processes_times_and_count(hand_off: HandOff) -> None:
    made = hand_off("graph")

    rows = made.rows()
    found = {
        (row["Source Server ID"], row["Target Server ID"], int(row["Target Port"] or 0)): int(row["Count"])
        for row in rows
    }
    assert found == TRUTH.pairs
    times: dict[tuple[str, str, int], list[str]] = {}
    owners = FLEET.owners()
    for each in FLEET.seen():
        if each.other_address in owners and len(owners[each.other_address]) == 1:
            (other,) = owners[each.other_address]
            ends = (each.agent.id, other) if each.is_outgoing else (other, each.agent.id)
            times.setdefault((*ends, each.port), []).append(each.at.replace(" ", "T") + "Z")
    for row in rows:
        seen = times[row["Source Server ID"], row["Target Server ID"], int(row["Target Port"] or 0)]
        assert (row["First Seen"], row["Last Seen"]) == (min(seen), max(seen))
    names = {server.id: server.host_name or server.id for server in SERVERS}
    assert any(row["Source Name"].startswith("'=HYPERLINK") for row in rows)
    for row in rows:
        if names[row["Source Server ID"]].isprintable():
            assert row["Source Name"].removeprefix("'") == names[row["Source Server ID"]].removeprefix("'")


@pytest.mark.parametrize(("form", "arrow"), [("dot", " -> "), ("mermaid", " -->")])
def test_a_picture_has_an_arrow_for_each_pair_of_servers(hand_off: HandOff, form: str, arrow: str) -> None:
    made = hand_off("graph", "--format", form)

    text = made.path.read_text("utf-8")
    assert sum(arrow in line for line in text.splitlines()) == len({pair[:2] for pair in TRUTH.pairs})
    assert "servers without connections are not in it" in made.notes


def test_a_dry_run_prints_the_counts_and_writes_nothing(hand_off: HandOff) -> None:
    made = hand_off("transform", "--dry-run")

    assert made.printed["servers", ""] == 200
    assert made.printed["connections", ""] == len(TRUTH.pairs)
    assert list(made.path.parent.iterdir()) == []


def test_a_file_is_not_replaced_unless_asked(aws: LocalAws, exports: Sequence[str], tmp_path: Path) -> None:
    path = tmp_path / "mgn.csv"
    path.write_text("mine")
    words = (PROGRAM, "handoff", "mgn", "--export", exports[0], "--to", path)

    refused = run_command(aws, *words)
    replaced = run_command(aws, *words, "--overwrite")

    assert (refused.returncode, "exists. Name another file with --to" in refused.stderr) == (2, True)
    assert replaced.returncode == 0, replaced.stderr
    assert path.read_text("utf-8").startswith("mgn:account-id,")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mgn.csv", "mgn.csv.report.json"]


def test_an_object_in_s3_has_the_bytes_of_the_file(
    aws: LocalAws, stack: Stack, exports: Sequence[str], hand_off: HandOff, marker: str
) -> None:
    key = f"handoff/{marker}/graph.csv"
    named = [word for export_id in exports for word in ("--export", export_id)]
    words: list[str | Path] = [PROGRAM, "handoff", "graph", *named, "--to", f"s3://{stack.bucket}/{key}"]

    first, again = run_command(aws, *words), run_command(aws, *words)

    assert first.returncode == 0, first.stderr
    body = stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    assert body == hand_off("graph").path.read_bytes()
    report = json.loads(stack.s3.get_object(Bucket=stack.bucket, Key=f"{key}.report.json")["Body"].read())
    assert report["connections"]["pairs"] == len(TRUTH.pairs)
    assert (again.returncode, "exists. Name another" in again.stderr) == (2, True)


def test_an_export_that_is_not_used_is_an_error(aws: LocalAws, exports: Sequence[str], tmp_path: Path) -> None:
    words = (PROGRAM, "handoff", "mgn", "--to", tmp_path / "mgn.csv", "--export")

    unknown = run_command(aws, *words, exports[0], "--export", "export-unknown")
    no_summary = run_command(aws, *words, exports[2])
    early = run_command(aws, *words, exports[0], "--as-of", "2016-05-01")

    assert (unknown.returncode, "Not used: export-unknown." in unknown.stderr) == (1, True)
    assert (no_summary.returncode, "no summary" in no_summary.stderr) == (1, True)
    assert (early.returncode, f"Not used: {exports[0]}" in early.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


# --- SQL: recipes, and which exports are the newest ---


@pytest.fixture(scope="module")
def database(aws: LocalAws, stack: Stack, exports: Sequence[str]) -> Database:
    """A database that has the exports of the fleet only."""
    database = Database(aws, stack, f"handoff_{uuid.uuid4().hex}")
    database.copy_exports(exports)
    return database


@pytest.fixture(scope="module")
def recipe(database: Database) -> Recipe:
    """Rows by column of a query of the page; names as the file has them."""

    def run(name: str) -> list[dict[str, str | None]]:
        sql = (FOLDER / f"{name}.sql").read_text("utf-8")
        columns, *rows = database.athena.columns(sql), *database.athena.rows(sql)
        return [dict(zip(map(str, columns), row, strict=True)) for row in rows]

    return run


def test_every_recipe_is_in_the_page() -> None:
    page = (ROOT / "docs" / "handoff.md").read_text("utf-8")

    assert [each.name for each in FOLDER.iterdir() if f"(queries/handoff/{each.name})" not in page] == []


def test_migration_hub_import_has_the_template_of_the_fleet(recipe: Recipe) -> None:
    rows = recipe("migration-hub-import")

    assert list(rows[0]) == HEADERS[Kind.SUMMARY]["ImportTemplate"]
    assert [(row["SMBiosId"], row["IPAddress"], row["HostName"], row["RAM.TotalSizeInMB"]) for row in rows] == [
        (server.smbios_id, server.ip, server.host_name or None, f"{server.ram_mb:.1f}") for server in SERVERS
    ]


def test_cloud_migration_factory_has_a_name_of_its_own_for_each_server(recipe: Recipe) -> None:
    rows = recipe("cloud-migration-factory")

    names = Counter(server.host_name for server in SERVERS)
    unique = {server.id: server.host_name for server in SERVERS if server.host_name and names[server.host_name] == 1}
    expected = {
        (
            unique.get(server.id, server.id),
            dict(server.tags).get("wave"),
            FLEET.application(server.application).name,
            server.os_name.lower() or None,
            FLEET.extra_tags(server).get("Environment"),
            "Rehost",
        )
        for server in SERVERS
    }
    columns = ("server_name", "wave_name", "app_name", "server_os_family", "server_environment", "r_type")
    assert {tuple(row[name] for name in columns) for row in rows} == expected
    assert len({row["server_name"] for row in rows}) == len(rows) == 200


def test_servicenow_has_every_server_by_its_id(recipe: Recipe) -> None:
    rows = recipe("servicenow")

    assert [
        (row["correlation_id"], row["name"], row["ip_address"], row["cpu_count"], row["virtual"]) for row in rows
    ] == [
        (server.id, server.host_name or server.id, server.ip, str(server.cpus), "true" if server.hypervisor else None)
        for server in sorted(SERVERS, key=lambda each: each.id)
    ]


def test_neptune_has_the_connections_that_clients_have_seen(recipe: Recipe) -> None:
    vertices, edges = recipe("neptune-vertices"), recipe("neptune-edges")

    assert {row["~id"] for row in vertices} == {server.id for server in SERVERS}
    with_agent = {server.id for server in SERVERS if server.agent_id}
    found = {(row["~from"], row["~to"], int(row["port:Int"] or 0)): int(row["connections:Long"] or 0) for row in edges}
    assert found == {pair: count for pair, count in TRUTH.pairs.items() if pair[0] in with_agent}
    assert len({row["~id"] for row in edges} - {None}) == len(edges)


def test_the_newest_exports_are_used_and_those_until_a_time(
    aws: LocalAws, stack: Stack, service: Service, database: Database
) -> None:
    """The older summary lacks the last server, and the older export of the first agent has its connections alone."""
    first = FLEET.server(0)
    older = Fleet(size=199)
    summary = service.has_body(older.summary(), age_seconds=3 * DAY)
    agent = service.has_body(FLEET.agent_export(first), age_seconds=2 * DAY)
    truncated = service.has_body(older.summary(), is_truncated=True)
    now = time.time()
    past = {"kind": "agent", "requested_start": now - 9 * DAY, "requested_end": now - 8 * DAY}
    of_the_past = service.has_body(FLEET.agent_export(first), agent_id=first.agent_id, **past)
    stack.run(exportIds=[summary, agent, truncated, of_the_past])
    database.copy_exports([summary, agent, truncated, of_the_past])

    def used(settings: Settings) -> set[Cells]:
        return {(row[0], row[1]) for row in database.athena.rows(statement("exports", settings))}

    def servers(settings: Settings) -> int:
        return len(database.athena.rows(statement("servers", settings)))

    newest = used(Settings())
    yesterday = Settings(as_of=datetime.now(UTC) - timedelta(days=1))
    assert (len(newest), servers(Settings())) == (53, 200)
    assert not {("summary", summary), ("agent", agent), ("summary", truncated), ("agent", of_the_past)} & newest
    assert (used(yesterday), servers(yesterday)) == ({("summary", summary), ("agent", agent)}, 199)
