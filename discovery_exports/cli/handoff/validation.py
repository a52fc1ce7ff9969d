"""Reads the files of a hand-off back, and checks them against the documented form before they get their name.

The headers and rules are written down here once more, apart from the code that writes the files, so that a mistake in
either is found.
"""

import csv
import io
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, ip_address
from pathlib import Path
from typing import IO

from discovery_exports.cli.handoff.choices import Variant

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
TOOL_SERVERS = (
    "Serverid,isPhysical,hypervisor,HOSTNAME,osName,osVersion,numCpus,numCoresPerCpu,numThreadsPerCore,"
    "maxCpuUsagePctDec (%),avgCpuUsagePctDec (%),totalRAM (GB),maxRamUsagePctDec (%),avgRamUtlPctDec (%),Uptime,"
    "Environment Type,Storage-Total Disk Size (GB),Storage-Utilization %,Storage-Max Read IO Size (KB),"
    "Storage-Max Write IO Size (KB),Storage-Max Read IOPS,Storage-Max Write IOPS"
)
TOOL_CONNECTIONS = (
    "Source Server ID,Source Server IP Address,Source Port,Target Server ID,Target Server IP Address,Target Port,"
    "Source Process ID,Target Process ID,State,Transport Protocol,IP Version,Count"
)
MGN = (
    "mgn:account-id,mgn:region,mgn:wave:name,mgn:app:name,mgn:server:user-provided-id,mgn:server:platform,"
    "mgn:server:fqdn-for-action-framework,mgn:launch:instance-type,mgn:launch:placement:tenancy,"
    "mgn:launch:nic:0:private-ip:0"
)
GRAPH = (
    "Source Server ID,Source Name,Target Server ID,Target Name,Target Port,Protocol,Source Process,Target Process,"
    "First Seen,Last Seen,Count"
)
TRANSFORM = {Variant.MPA: (MPA_SERVERS, MPA_CONNECTIONS), Variant.DISCOVERY_TOOL: (TOOL_SERVERS, TOOL_CONNECTIONS)}

_PERCENTAGE = re.compile(r"Utilization|Pct|Utl")
_NUMBER = re.compile(r"^(CPU-|RAM-|Storage-|num|total|max|avg)|^Count$")
_NUMERAL = re.compile(r"\d+(\.\d{1,2})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Invalid(Exception):
    """A file is not what its form says. The message says where."""


@dataclass(slots=True)
class Checked:
    """What was counted in the files of a hand-off while they were checked."""

    rows: dict[str, int] = field(default_factory=dict)


def check_transform(path: Path, variant: Variant) -> Checked:
    """Two files and nothing else, whole, with their headers; every end of a connection is in the list of servers."""
    servers_header, connections_header = TRANSFORM[variant]
    checked = Checked()
    with zipfile.ZipFile(path) as archive:
        names = [each.filename for each in archive.infolist()]
        if names != ["mpa_servers.csv", "network_connections.csv"]:
            raise Invalid(f"the zip file has {names}")
        if damaged := archive.testzip():
            raise Invalid(f"{damaged}: its CRC-32 differs")
        ids: set[str] = set()
        with archive.open(names[0]) as servers:
            checked.rows[names[0]] = _check_servers(servers, names[0], servers_header, ids)
        with archive.open(names[1]) as connections:
            checked.rows[names[1]] = _check_connections(connections, names[1], connections_header, ids)
    return checked


def _check_servers(file: IO[bytes], name: str, header: str, ids: set[str]) -> int:
    """The number of rows. Their IDs are added to ``ids``."""
    rows = 0
    id_column = header.split(",")[0]
    for line, row in _rows(file, name, header):
        rows += 1
        if not row[id_column] or row[id_column] in ids:
            raise Invalid(f"{name}, row {line}: {id_column} is empty or that of an earlier row")
        ids.add(row[id_column])
        for title, cell in row.items():
            if cell and _NUMBER.search(title):
                _check_number(cell, 100 if _PERCENTAGE.search(title) else None, f"{name}, row {line}, {title}")
    return rows


def _check_connections(file: IO[bytes], name: str, header: str, ids: Collection[str]) -> int:
    rows = 0
    for line, row in _rows(file, name, header):
        rows += 1
        for end in ("Source", "Target"):
            _check_known(row[f"{end} Server ID"], ids, f"{name}, row {line}, {end} Server ID")
            address = row[f"{end} Server IP Address"]
            if address and not _is_address(address):
                raise Invalid(f"{name}, row {line}: {end} Server IP Address is no IP address")
        if row["Source Server ID"] == row["Target Server ID"]:
            raise Invalid(f"{name}, row {line}: a server is connected to itself")
        if row.get("Target Port"):
            _check_number(row["Target Port"], 65_535, f"{name}, row {line}, Target Port")
        if "Count" in row:
            _check_number(row["Count"], None, f"{name}, row {line}, Count")
    return rows


def check_mgn(path: Path, tag_keys: Sequence[str]) -> Checked:
    """Each server once, with an address or a name; nothing of a wave or an application without its name."""
    checked = Checked()
    seen: set[str] = set()
    header = MGN.split(",") + [f"mgn:server:tag:{key}" for key in tag_keys]
    with path.open("rb") as file:
        for line, row in _rows(file, path.name, header):
            server, address = row["mgn:server:user-provided-id"], row["mgn:launch:nic:0:private-ip:0"]
            place = f"{path.name}, row {line}"
            if not server or server in seen:
                raise Invalid(f"{place}: mgn:server:user-provided-id is empty or that of an earlier row")
            seen.add(server)
            if not address and not row["mgn:server:fqdn-for-action-framework"]:
                raise Invalid(f"{place}: neither an address nor a name")
            if address and not _is_ipv4(address):
                raise Invalid(f"{place}: the address is not one of IPv4")
            if row["mgn:server:platform"] not in {"Linux", "Windows", ""}:
                raise Invalid(f"{place}: mgn:server:platform is {row['mgn:server:platform']!r}")
            if row["mgn:launch:placement:tenancy"] not in {"default", "dedicated", "host", ""}:
                raise Invalid(f"{place}: mgn:launch:placement:tenancy is {row['mgn:launch:placement:tenancy']!r}")
    checked.rows[path.name] = len(seen)
    return checked


def check_graph(path: Path, ids: Collection[str]) -> Checked:
    """Each row joins two known servers, with a port, times in order and a count."""
    rows = 0
    with path.open("rb") as file:
        for line, row in _rows(file, path.name, GRAPH):
            rows += 1
            place = f"{path.name}, row {line}"
            for end in ("Source", "Target"):
                _check_known(row[f"{end} Server ID"], ids, f"{place}, {end} Server ID")
            if row["Target Port"]:
                _check_number(row["Target Port"], 65_535, f"{place}, Target Port")
            _check_number(row["Count"], None, f"{place}, Count")
            times = [row[title] for title in ("First Seen", "Last Seen") if row[title]]
            if times != sorted(times) or not all(map(_TIME.fullmatch, times)):
                raise Invalid(f"{place}: First Seen and Last Seen are no times in order")
    return Checked({path.name: rows})


_LABEL, _COLOR = r'label="(?:[^"\\]|\\.)*"', r'color="#\w{6}"'
_DOT_NODE = re.compile(rf"\s+(s\d+) \[{_LABEL}(?:, {_COLOR})?\];")
_DOT_EDGE = re.compile(rf"  (s\d+) -> (s\d+) \[{_COLOR}(?:, x{_LABEL}, font{_COLOR})?\];")
_MERMAID_NODE = re.compile(r'\s+(s\d+)\["[^"\]]*"\]')
_MERMAID_EDGE = re.compile(r'  (s\d+) -->(?:\|"[^"|]*"\|)? (s\d+)')


def check_dot(path: Path) -> Checked:
    return _check_picture(path, "digraph connections {", _DOT_NODE, _DOT_EDGE)


def check_mermaid(path: Path) -> Checked:
    return _check_picture(path, "flowchart LR", _MERMAID_NODE, _MERMAID_EDGE)


def _check_picture(path: Path, first: str, node: re.Pattern[str], edge: re.Pattern[str]) -> Checked:
    """Each arrow joins two servers that are declared before it; each server is declared once, and has an arrow."""
    text = path.read_text("utf-8", errors="strict")
    lines = text.splitlines()
    if lines[:1] != [first] or not text.endswith("\n"):
        raise Invalid(f"{path.name}: the first line is not {first!r}")
    declared: set[str] = set()
    joined: set[str] = set()
    arrows = 0
    for line in lines[1:]:
        if found := node.fullmatch(line):
            if found[1] in declared:
                raise Invalid(f"{path.name}: {found[1]} is declared twice")
            declared.add(found[1])
        elif found := edge.fullmatch(line):
            arrows += 1
            joined |= {found[1], found[2]}
            if not joined <= declared:
                raise Invalid(f"{path.name}: an arrow to or from a server that is not declared before it")
        elif "->" in line and not line.lstrip().startswith(("label=", "subgraph")):
            raise Invalid(f"{path.name}: a line that is no arrow: {line!r}")
    if declared != joined:
        raise Invalid(f"{path.name}: a server without an arrow")
    return Checked({path.name: arrows})


def _rows(file: IO[bytes], name: str, header: str | Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows by title, with their numbers from 1. Strict: UTF-8 without a BOM, quotes closed, every row as wide."""
    titles = header.split(",") if isinstance(header, str) else list(header)
    lines = csv.reader(_lines(file, name), strict=True)
    try:
        first = next(lines, [])
        if first != titles:
            raise Invalid(f"{name}: the header is {first}")
        for number, cells in enumerate(lines, start=1):
            if len(cells) != len(titles):
                raise Invalid(f"{name}, row {number}: {len(cells)} cells, not {len(titles)}")
            yield number, dict(zip(titles, cells, strict=True))
    except UnicodeDecodeError:
        raise Invalid(f"{name}: not UTF-8") from None
    except csv.Error as error:
        raise Invalid(f"{name}: {error}") from None


def _lines(file: IO[bytes], name: str) -> Iterable[str]:
    text = io.TextIOWrapper(file, "utf-8", errors="strict", newline="")
    for number, line in enumerate(text):
        if number == 0 and line.startswith("\ufeff"):
            raise Invalid(f"{name}: begins with a byte order mark")
        yield line


def _check_number(cell: str, most: int | None, place: str) -> None:
    if not _NUMERAL.fullmatch(cell) or (most is not None and float(cell) > most):
        raise Invalid(f"{place}: {cell!r} is no number" + (f" from 0 to {most}" if most is not None else " from 0"))


def _check_known(server: str, ids: Collection[str], place: str) -> None:
    if server not in ids:
        raise Invalid(f"{place} is not in the list of servers")


@lru_cache(maxsize=100_000)
def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
