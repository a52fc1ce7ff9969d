"""The columns of each form of a hand-off, and the cell of a row in each column.

A cell is empty if its value was not measured, or is not in the range of its column. It is never 0 in place of that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from discovery_exports.cli.handoff.choices import Variant
from discovery_exports.cli.handoff.rows import Pair, Server

T = TypeVar("T")

MB_PER_GB = 1024
MAX_NUMBER = 1e15
"""More is no size and no count of anything."""
DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    title: str
    value: Callable[[T], str | float | None] = lambda _: None
    """A text or a number; None and an empty text are an empty cell."""
    is_percentage: bool = False

    def cell(self, row: T) -> tuple[str, bool]:
        """The text of the cell, and whether a value was left out because it is not in the range of its column."""
        value = self.value(row)
        if value is None or isinstance(value, str):
            return value or "", False
        shown = round(value, DECIMALS) + 0.0  # 100 * used / total can be 100.00000000000001; -0.0 becomes 0.0
        if not 0 <= shown <= (100 if self.is_percentage else MAX_NUMBER):  # false for NaN, too
            return "", True
        return number_text(shown), False


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """A CSV file of a form."""

    name: str
    columns: Sequence[Column[T]]
    is_guarded: bool = False
    """Whether cells that a spreadsheet would run as a formula get an apostrophe: in files for people."""

    @property
    def titles(self) -> list[str]:
        return [each.title for each in self.columns]

    def cells(self, row: T) -> tuple[list[str], list[int]]:
        """The cells of a row, and the indexes of the columns whose value was out of range."""
        found = [each.cell(row) for each in self.columns]
        return [text for text, _ in found], [index for index, (_, out) in enumerate(found) if out]


def number_text(value: float) -> str:
    """With at most two decimals, and none for a whole number."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _gb(mb: float | None) -> float | None:
    return None if mb is None else mb / MB_PER_GB


def _one(text: str) -> str | None:
    """None in place of several values, which ``connections.sql`` joins: the column has only one."""
    return None if "/" in text else text


def _virtual(yes: str) -> Callable[[Server], str | None]:
    return lambda server: yes if server.is_virtual else None


def _percentage(title: str, value: Callable[[Server], float | None]) -> Column[Server]:
    return Column(title, value, is_percentage=True)


MPA_SERVERS: Table[Server] = Table(
    "mpa_servers.csv",
    (
        Column("Server ID", lambda s: s.id),
        Column("Hostname", lambda s: s.host_name),
        Column("Physical/Virtual", _virtual("Virtual")),
        Column("OS Name", lambda s: s.os_name),
        Column("OS Version", lambda s: s.os_version),
        Column("CPU-Number of Processors", lambda s: s.processors),
        Column("CPU-Cores per Processor", lambda s: s.cores_per_processor),
        Column("CPU-Number of Threads per CPU-Core", lambda s: s.threads_per_core),
        _percentage("CPU-Peak Utilization", lambda s: s.cpu_max),
        _percentage("CPU-Average Utilization", lambda s: s.cpu_avg),
        Column("RAM-Total Size", lambda s: s.ram_mb),
        _percentage("RAM-Peak Utilization", lambda s: s.ram_max),
        _percentage("RAM-Average Utilization", lambda s: s.ram_avg),
        Column("Storage-Total Disk Size", lambda s: s.disk_gb),
        _percentage("Storage-Utilization", lambda s: s.disk_used),
        Column("Environment Type", lambda s: s.environment),
        Column("Hypervisor", lambda s: s.hypervisor),
        Column("Datacenter ID", lambda s: s.data_center),
    ),
)
MPA_CONNECTIONS: Table[Pair] = Table(
    "network_connections.csv",
    (
        Column("Source Server ID", lambda p: p.source),
        Column("Source Server IP Address", lambda p: p.source_address),
        Column("Target Server ID", lambda p: p.target),
        Column("Target Server IP Address", lambda p: p.target_address),
        Column("Source Process Name", lambda p: p.source_process),
        Column("Target Process Name", lambda p: p.target_process),
    ),
)
TOOL_SERVERS: Table[Server] = Table(
    "mpa_servers.csv",
    (
        Column("Serverid", lambda s: s.id),
        Column("isPhysical", _virtual("FALSE")),
        Column("hypervisor", lambda s: s.hypervisor),
        Column("HOSTNAME", lambda s: s.host_name),
        Column("osName", lambda s: s.os_name),
        Column("osVersion", lambda s: s.os_version),
        Column("numCpus", lambda s: s.processors),
        Column("numCoresPerCpu", lambda s: s.cores_per_processor),
        Column("numThreadsPerCore", lambda s: s.threads_per_core),
        _percentage("maxCpuUsagePctDec (%)", lambda s: s.cpu_max),
        _percentage("avgCpuUsagePctDec (%)", lambda s: s.cpu_avg),
        Column("totalRAM (GB)", lambda s: _gb(s.ram_mb)),
        _percentage("maxRamUsagePctDec (%)", lambda s: s.ram_max),
        _percentage("avgRamUtlPctDec (%)", lambda s: s.ram_avg),
        Column("Uptime"),
        Column("Environment Type", lambda s: s.environment),
        Column("Storage-Total Disk Size (GB)", lambda s: s.disk_gb),
        _percentage("Storage-Utilization %", lambda s: s.disk_used),
        Column("Storage-Max Read IO Size (KB)"),
        Column("Storage-Max Write IO Size (KB)"),
        Column("Storage-Max Read IOPS", lambda s: s.read_ops),
        Column("Storage-Max Write IOPS", lambda s: s.write_ops),
    ),
)
TOOL_CONNECTIONS: Table[Pair] = Table(
    "network_connections.csv",
    (
        Column("Source Server ID", lambda p: p.source),
        Column("Source Server IP Address", lambda p: p.source_address),
        Column("Source Port"),
        Column("Target Server ID", lambda p: p.target),
        Column("Target Server IP Address", lambda p: p.target_address),
        Column("Target Port", lambda p: p.port),
        Column("Source Process ID"),
        Column("Target Process ID"),
        Column("State"),
        Column("Transport Protocol", lambda p: _one(p.protocol)),
        Column("IP Version", lambda p: _one(p.ip_version)),
        Column("Count", lambda p: p.connections),
    ),
)
TRANSFORM = {Variant.MPA: (MPA_SERVERS, MPA_CONNECTIONS), Variant.DISCOVERY_TOOL: (TOOL_SERVERS, TOOL_CONNECTIONS)}

GRAPH: Table[Pair] = Table(
    "graph.csv",
    (
        Column("Source Server ID", lambda p: p.source),
        Column("Source Name", lambda p: p.source_name),
        Column("Target Server ID", lambda p: p.target),
        Column("Target Name", lambda p: p.target_name),
        Column("Target Port", lambda p: p.port),
        Column("Protocol", lambda p: p.protocol),
        Column("Source Process", lambda p: p.source_process),
        Column("Target Process", lambda p: p.target_process),
        Column("First Seen", lambda p: p.first_seen),
        Column("Last Seen", lambda p: p.last_seen),
        Column("Count", lambda p: p.connections),
    ),
    is_guarded=True,
)

TENANCIES = {"shared": "default", "default": "default"}
"""Tenancies of EC2 by those of recommendations, in lower case. Others are a word for both."""


def mgn(account: str, region: str, tag_keys: Sequence[str], tags: Callable[[str, str], str]) -> Table[Server]:
    """The inventory of AWS Application Migration Service. ``tags`` gives the value of a tag of a server."""

    def tag(key: str) -> Column[Server]:
        return Column(f"mgn:server:tag:{key}", lambda s: tags(s.id, key))

    return Table(
        "mgn.csv",
        (
            Column("mgn:account-id", lambda _: account),
            Column("mgn:region", lambda _: region),
            Column("mgn:wave:name", lambda s: s.wave),
            Column("mgn:app:name", lambda s: s.application),
            Column("mgn:server:user-provided-id", lambda s: s.id),
            Column("mgn:server:platform", lambda s: s.platform),
            Column("mgn:server:fqdn-for-action-framework", lambda s: s.dns_name),
            Column("mgn:launch:instance-type", lambda s: s.instance_type),
            Column("mgn:launch:placement:tenancy", _tenancy),
            Column("mgn:launch:nic:0:private-ip:0", lambda s: s.address),
            *map(tag, tag_keys),
        ),
    )


def _tenancy(server: Server) -> str:
    """``default``, ``dedicated`` or ``host``, if there is an instance type to which it applies."""
    tenancy = server.tenancy.lower()
    if not server.instance_type or not tenancy:
        return ""
    return TENANCIES.get(tenancy) or next((each for each in ("host", "dedicated") if each in tenancy), "")
