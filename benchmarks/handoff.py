"""`make bench-handoff`: time and memory of ``discovery-exports handoff`` with 10,000 servers, 1,000,000 connections.

The tables are Parquet files that DuckDB makes, in the bucket of a local AWS of its own: no export is stored. Each of
the 10,000 agents has seen 100 connections, each to another server or port: every connection is a row of the result.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import machine
from benchmarks.page import markdown, save
from local.stack.aws import LocalAws
from local.stack.servers import MINISTACK_PYTHON, ROOT
from tests.local.stack import Stack

DATASETS = ROOT / "functions" / "exports" / "datasets"
SQL_TYPES = {
    "string": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
PROGRAM = Path(sys.executable).with_name("discovery-exports")
# Of a child of a small process: a child of a large one, such as this, begins with its peak.
MEASURING = """
import json, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_kib": usage.ru_maxrss}))
"""
COMMANDS = (
    ("transform",),
    ("transform", "--variant", "discovery-tool"),
    ("mgn",),
    ("graph",),
)
REQUESTED = "TIMESTAMP '2026-11-01 00:00:00'"
MONTH = "requested_month=2026-11"
HOST = "printf('10.%d.%d.%d', i >> 16, (i >> 8) & 255, i & 255)"
MADE: dict[str, tuple[str, str]] = {
    "exports": (
        "0",
        f"CASE WHEN i < 2 THEN ['summary', 'ec2-recommendations'][i + 1] ELSE 'agent' END AS kind, "
        f"'export-' || i AS exportid, {REQUESTED} AS exportrequesttime, false AS istruncated",
    ),
    "summary_server": (
        "0",
        "'d-' || i AS id, 'o-' || i AS agentid, 'host-' || i AS hostname, 'Linux' AS osname, "
        "'Ubuntu 22.04' AS osversion, printf('%08X', i) AS smbiosid, 'OTHER' AS type",
    ),
    "summary_network_interface": ("0", f"'d-' || i AS serverid, {HOST} AS ipaddress"),
    "summary_import_template": (
        "0",
        "printf('%08X', i) AS smbiosid, 2 AS cpu_numberofprocessors, 8 AS cpu_numberofcores, "
        "16 AS cpu_numberoflogicalcores, 16384 AS ram_totalsizeinmb",
    ),
    "summary_system_performance": (
        "0",
        "'d-' || i AS serverid, 8192 AS avgfreeram, 16384 AS totalram, 500 AS totaldisksize, i % 100 AS maxcpuusagepct",
    ),
    "summary_tags": ("0", "'d-' || i AS configurationid, 'environment' AS key, 'Production' AS value"),
    "summary_application": ("0", "'a-' || i AS id, 'Application ' || i AS name"),
    "summary_application_resource_association": (
        "0",
        "'a-' || (i % 500) AS applicationconfigurationid, 'd-' || i AS configid",
    ),
    "summary_vmware_info": ("0", "'d-' || i AS serverid"),
    "ec2_instance_recommendations": ("1", "'d-' || i AS serverid, 'm5.xlarge' AS recommendation_ec2_instance_model"),
    "agent_os_info": ("i + 2", "'o-' || i AS agentid, 'host-' || i AS hostname"),
    "agent_network_interface": ("i + 2", f"'o-' || i AS agentid, {HOST} AS ipaddress"),
    "agent_process": ("i + 2", "'o-' || i AS agentid, 'p-' || i AS agentassignedprocessid, 'java' AS name"),
    "agent_system_performance": (
        "i + 2",
        f"'o-' || i AS agentid, {REQUESTED} AS \"timestamp\", 16384 AS totalram_mb, 4096 AS freeram_mb",
    ),
    "agent_source_process_connection": (
        "i % {servers} + 2",
        "'o-' || (i % {servers}) AS agentid, "
        "printf('10.%d.%d.%d', own >> 16, (own >> 8) & 255, own & 255) AS sourceip, "
        "printf('10.%d.%d.%d', target >> 16, (target >> 8) & 255, target & 255) AS destinationip, "
        "1000 + i // {servers} AS destinationport, 'TCP' AS transportprotocol, 'IPv4' AS ipversion, "
        f"'p-' || (i % {{servers}}) AS agentassignedprocessid, {REQUESTED} AS agentcreationdate",
    ),
    "agent_destination_process_connection": ("i + 2", "'o-' || i AS agentid"),
}
"""By table: the number of the export of row i, and its columns. All others are null."""
EMPTY = frozenset({"agent_destination_process_connection"})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.handoff", description=__doc__)
    parser.add_argument("--servers", type=int, default=10_000, help="servers with agents (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=1_000_000, help="rows (default: %(default)s)")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder, LocalAws(Path(folder) / "aws", bound=True) as aws:
        fill(aws, Path(folder), asked.servers, asked.connections)
        found = [measured(aws, Path(folder), *command) for command in COMMANDS]
    facts = {"machine": machine(), "servers": asked.servers, "rows": asked.connections, "commands": found}
    print(table(facts))
    if (asked.servers, asked.connections) == (10_000, 1_000_000):
        save("handoff", facts, "handoff.md", table(facts))


def fill(aws: LocalAws, folder: Path, servers: int, connections: int) -> None:
    """Put one Parquet file of each table into the bucket."""
    stack = Stack(aws)
    for table, sql in statements(servers, connections):
        path = folder / f"{table}.parquet"
        code = f"import duckdb; duckdb.sql({f'COPY ({sql}) TO {str(path)!r} (FORMAT parquet)'!r})"
        subprocess.run([MINISTACK_PYTHON, "-c", code], check=True)
        stack.s3.upload_file(str(path), stack.bucket, f"tables/{table}/{MONTH}/export-0-0001.parquet")
        path.unlink()


def statements(servers: int, connections: int) -> Iterator[tuple[str, str]]:
    columns: dict[str, dict[str, str]] = {
        table: {name.lower(): kind for name, kind in of_table.values()}
        for table, of_table in json.loads((DATASETS / "tables.json").read_text("utf-8")).items()
    }
    columns["exports"] = json.loads((DATASETS / "exports_table.json").read_text("utf-8"))["columns"]
    for table, (export, made) in MADE.items():
        rows = {"exports": servers + 2, "agent_source_process_connection": connections}.get(table, servers)
        made_columns = made.format(servers=servers) if "{servers}" in made else made
        export_id = "" if table == "exports" else f"'export-' || ({export.format(servers=servers)}) AS export_id, "
        named = {part.rpartition(" AS ")[2].strip('"') for part in made_columns.split(", ") if " AS " in part}
        nulls = "".join(
            f', CAST(NULL AS {SQL_TYPES[kind]}) AS "{name}"'
            for name, kind in columns[table].items()
            if name not in named
        )
        target = f"((i % {servers}) + (i // {servers}) * 7 + 1) % {servers}"
        yield (
            table,
            f"SELECT {export_id}i + 1 AS row_number, {made_columns}{nulls} "  # noqa: S608
            f"FROM (SELECT i, i % {servers} AS own, {target} AS target "
            f"FROM range({0 if table in EMPTY else rows}) each (i)) ORDER BY i",
        )


def measured(aws: LocalAws, folder: Path, form: str, *options: str) -> dict[str, Any]:
    """The command in a process of its own: seconds, peak memory, and the size of its file."""
    path = folder / ("out.zip" if form == "transform" else "out.csv")
    words: list[str | Path] = [PROGRAM, "handoff", form, "--to", path, "--overwrite", "-o", "json", *options]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURING, *words], env={**os.environ, **aws.env}, stdout=subprocess.PIPE, check=True
    )
    usage = json.loads(done.stdout.splitlines()[-1])
    report = json.loads(Path(f"{path}.report.json").read_text("ascii"))
    return {
        "command": " ".join([form, *options]),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(usage["cpu_seconds"], 1),
        "peak_mb": round(usage["peak_kib"] * 1024 / 1_000_000),
        "file_bytes": path.stat().st_size,
        "rows": report["rows"],
    }


def table(found: dict[str, Any]) -> str:
    rows = [("command", "s", "s of CPU of the command", "peak MB of the command", "MB of the file")]
    rows += [
        (
            f"`{each['command']}`",
            f"{each['seconds']:.0f}",
            f"{each['cpu_seconds']:.0f}",
            str(each["peak_mb"]),
            f"{each['file_bytes'] / 1_000_000:.1f}",
        )
        for each in found["commands"]
    ]
    return markdown(*rows)


if __name__ == "__main__":
    main()
