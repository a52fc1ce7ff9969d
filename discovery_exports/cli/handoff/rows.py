"""Rows of the hand-off queries as objects, read one at a time from the result of a query."""

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, ip_address
from tempfile import TemporaryFile
from typing import IO

from discovery_exports.cli.athena import Athena

csv.field_size_limit(1 << 20)
"""In characters. No cell of a CSV that becomes a table is longer; Python's default is 131,072."""
_HOST = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*", re.ASCII)

Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """A row of ``servers.sql``. What is not known is empty or None; percentages are as measured, in any range."""

    id: str
    host_name: str
    os_name: str
    os_version: str
    hypervisor: str
    type: str
    agent_id: str
    address: str
    """An IPv4 address that no other server has."""
    addresses: int
    unique_addresses: int
    processors: float | None
    cores_per_processor: float | None
    threads_per_core: float | None
    cpu_max: float | None
    cpu_avg: float | None
    ram_mb: float | None
    ram_max: float | None
    ram_avg: float | None
    disk_gb: float | None
    disk_used: float | None
    read_ops: float | None
    write_ops: float | None
    environment: str
    data_center: str
    wave: str
    application: str
    applications: int
    instance_type: str
    tenancy: str

    @classmethod
    def of(cls, cells: Cells) -> "Server":
        numbers = (
            "processors", "cores_per_processor", "threads_per_core", "cpu_max", "cpu_avg", "ram_mb", "ram_max",
            "ram_avg", "disk_gb", "disk_used", "read_ops", "write_ops",
        )  # fmt: skip
        texts = (
            "id", "hypervisor", "type", "environment", "data_center", "wave", "application", "instance_type", "tenancy",
        )  # fmt: skip
        return cls(
            host_name=cells["hostname"],
            os_name=cells["osname"],
            os_version=cells["osversion"],
            agent_id=cells["agentid"],
            address=ipv4(cells["address"]),
            addresses=_count(cells["addresses"]),
            unique_addresses=_count(cells["unique_addresses"]),
            applications=_count(cells["applications"]),
            **{name: _number(cells[name]) for name in numbers},  # type: ignore[arg-type]
            **{name: cells[name] for name in texts},  # type: ignore[arg-type]
        )

    @property
    def name(self) -> str:
        """What people call it."""
        return self.host_name or self.id

    @property
    def is_virtual(self) -> bool | None:
        """None if it is not known: an agent reports no hypervisor on hardware, nor where it does not find out."""
        return True if self.hypervisor or self.type.upper().startswith(("EC2", "VMWARE_VM")) else None

    @property
    def dns_name(self) -> str:
        """The host name if it can be one in DNS."""
        return self.host_name if _HOST.fullmatch(self.host_name) else ""

    @property
    def platform(self) -> str:
        """``Linux``, ``Windows``, or empty for any other system."""
        name = f"{self.os_name} {self.os_version}".lower()
        if "windows" in name:
            return "Windows"
        return "Linux" if any(each in name for each in LINUX) else ""


LINUX = ("linux", "red hat", "rhel", "centos", "ubuntu", "debian", "suse", "sles", "fedora", "rocky", "almalinux")


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of ``connections.sql``: the connections of a source to a port of a target."""

    source: str
    source_name: str
    source_address: str
    source_process: str
    target: str
    target_name: str
    target_address: str
    target_process: str
    port: str
    protocol: str
    ip_version: str
    first_seen: str
    last_seen: str
    connections: int
    rows: int
    """Rows of the tables; a connection that the agents of both ends have seen has two."""

    @classmethod
    def of(cls, cells: Cells) -> "Pair":
        return cls(
            source=cells["source"],
            source_name=cells["source_host"] or cells["source"],
            source_address=ip(cells["source_address"]),
            source_process=cells["source_process"],
            target=cells["target"],
            target_name=cells["target_host"] or cells["target"],
            target_address=ip(cells["target_address"]),
            target_process=cells["target_process"],
            port=cells["target_port"],
            protocol=cells["protocol"],
            ip_version=cells["ip_version"],
            first_seen=utc_text(cells["first_seen"]),
            last_seen=utc_text(cells["last_seen"]),
            connections=_count(cells["connections"]),
            rows=_count(cells["seen_rows"]),
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row of ``connections.sql`` with a reason: the rows of one address of the other end, and of all addresses."""

    reason: str
    address: str
    rows: int
    all_rows: int
    all_addresses: int

    @classmethod
    def of(cls, cells: Cells) -> "LeftOut":
        counts = (_count(cells[name]) for name in ("seen_rows", "all_rows", "all_addresses"))
        return cls(cells["left_out"], ip(cells["address"]) or cells["address"], *counts)


@contextmanager
def rows_of(athena: Athena, sql: str, title: str) -> Iterator[Iterator[Cells]]:
    """The rows of a query by column. They are in a temporary file, and one at a time in memory."""
    with TemporaryFile() as file:
        athena.download(sql, file, title)
        file.seek(0)
        yield read(file)


def read(file: IO[bytes]) -> Iterator[Cells]:
    """The rows of a CSV file in UTF-8 by the names in its header, which are in lower case."""
    import io

    lines = csv.reader(io.TextIOWrapper(file, "utf-8", newline=""))
    names = [each.lower() for each in next(lines, [])]
    for line in lines:
        yield dict(zip(names, line, strict=True))


def ipv4(text: str) -> str:
    """The address, or an empty text if it is none."""
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        return ""


@lru_cache(maxsize=100_000)
def ip(text: str) -> str:
    """The address of IPv4 or IPv6, or an empty text if it is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def utc_text(text: str) -> str:
    """A timestamp of a result, with or without fractions, as ``2026-01-15T00:00:00Z``."""
    return f"{text[:10]}T{text[11:19]}Z" if text else ""


def _number(text: str) -> float | None:
    return float(text) if text else None


def _count(text: str) -> int:
    return int(float(text)) if text else 0
