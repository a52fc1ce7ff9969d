"""Results of the hand-off queries, as Athena writes them to S3, for the command on a stack in memory."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.unit.cli.stack import BUCKET, FakeStack

SERVER_COLUMNS = (
    "id", "hostname", "osname", "osversion", "hypervisor", "type", "agentid", "address", "addresses",
    "unique_addresses", "processors", "cores_per_processor", "threads_per_core", "cpu_max", "cpu_avg", "ram_mb",
    "ram_max", "ram_avg", "disk_gb", "disk_used", "read_ops", "write_ops", "environment", "data_center", "wave",
    "application", "applications", "instance_type", "tenancy",
)  # fmt: skip
CONNECTION_COLUMNS = (
    "left_out", "address", "source", "source_host", "target", "target_host", "target_port", "protocol", "ip_version",
    "source_address", "target_address", "source_process", "target_process", "first_seen", "last_seen", "connections",
    "seen_rows", "all_rows", "all_addresses",
)  # fmt: skip
EXPORT_COLUMNS = ("kind", "exportid", "exportrequesttime", "data_until", "istruncated", "agentid")
SUMMARY = {
    "kind": "summary", "exportid": "export-1", "exportrequesttime": "2026-01-14 00:00:00.000",
    "data_until": "2026-01-14 00:00:00.000",
}  # fmt: skip
FIRST_WORDS = {"exports": "-- Which exports", "servers": "-- Every server", "connections": "-- Which server connects"}
Rows = Iterable[Mapping[str, object]]


def server(server_id: str, **cells: object) -> dict[str, object]:
    """A row of ``servers.sql``: only counts are known of the server, unless given."""
    return {"id": server_id, "addresses": 0, "unique_addresses": 0, "applications": 0, **cells}


def pair(source: str, target: str, **cells: object) -> dict[str, object]:
    """A row of ``connections.sql`` that joins two servers."""
    ends = {"source": source, "source_host": source, "target": target, "target_host": target}
    addresses = {"source_address": "10.0.0.1", "target_address": "10.0.0.2", "target_port": 443}
    seen = {"first_seen": "2026-01-12 00:00:00.000", "last_seen": "2026-01-15 00:00:00.000"}
    return {**ends, **addresses, **seen, "protocol": "TCP", "connections": 1, "seen_rows": 1, **cells}


class FakeAthena:
    """Each query has succeeded at once. Its result is in the bucket, where Athena writes it."""

    def __init__(self, stack: FakeStack) -> None:
        self._stack = stack
        self.results: dict[str, bytes] = {}
        self.statements: list[str] = []
        self.interrupted = ""
        self.during: dict[str, Callable[[], object]] = {}
        """What happens, once, while a query runs."""
        stack.cloudformation.outputs |= {"WorkGroupName": "group", "DatabaseName": "database"}
        stack.others["athena"] = self
        self.gives("exports", EXPORT_COLUMNS, [{**SUMMARY, "istruncated": "false"}])
        self.gives("servers", SERVER_COLUMNS, [])
        self.gives("connections", CONNECTION_COLUMNS, [])

    def gives(self, name: str, columns: Iterable[str], rows: Rows) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(columns), lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
        self.results[name] = text.getvalue().encode()

    def servers(self, *rows: Mapping[str, object]) -> None:
        self.gives("servers", SERVER_COLUMNS, rows)

    def connections(self, *rows: Mapping[str, object]) -> None:
        self.gives("connections", CONNECTION_COLUMNS, rows)

    def start_query_execution(self, **request: Any) -> Any:
        sql = request["QueryString"]
        (name,) = (name for name, words in FIRST_WORDS.items() if sql.startswith(words))
        if name == self.interrupted:
            raise KeyboardInterrupt
        self.statements.append(sql)
        self.during.pop(name, lambda: None)()
        query = f"q-{len(self.statements)}"
        self._stack.puts(f"queries/{query}.csv", self.results[name])
        self._stack.puts(f"queries/{query}.csv.metadata", b"")
        return {"QueryExecutionId": query}

    def stop_query_execution(self, **_: Any) -> None: ...

    def get_query_execution(self, *, QueryExecutionId: str) -> Any:  # noqa: N803
        location = {"OutputLocation": f"s3://{BUCKET}/queries/{QueryExecutionId}.csv"}
        status = {"State": "SUCCEEDED"}
        return {
            "QueryExecution": {
                "QueryExecutionId": QueryExecutionId, "Status": status, "ResultConfiguration": location,
            }
        }  # fmt: skip
