"""A generated data center, computed from a seed: the source of the data in the double's exports.

Every server, application, process and connection is a pure function of the seed and an index. A data center of any size
needs no memory, the same seed always gives the same bytes, and tests can compare the results of SQL with the data
center. Names are as odd as in real data centers: quotes, commas, line breaks, formulas, UTF-8, empty names.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b, shake_256
from typing import NamedTuple

from .samples import LATEST, Sample

MAX_SERVERS = 1 << 20
"""Agents of servers beyond the size of a data center have data, too, so that tests can have more agents."""
PAD_BYTES = 2048
"""Minimum size of a padding row. Padding rows make exports of gigabytes."""

_WORD = 2**64
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so it has an inverse: ids look random but map back to their index
_INVERSE = pow(_MULTIPLIER, -1, _WORD)
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_OFFSETS = (1, 3, 7)  # server i is a client of servers i+1, i+3 and i+7: the index alone determines both sides
_SERVICES = (("postgres", 5432), ("java", 8080), ("nginx", 443), ("mysqld", 3306), ("redis-server", 6379))
_OPERATING_SYSTEMS = (
    ("Linux", "Red Hat Enterprise Linux Server release 7.9 (Maipo)"),
    ("Windows", "Microsoft Windows Server 2016 Datacenter, 10.0.14393"),
    ("Linux", "Ubuntu 22.04.3 LTS"),
    ("Linux", 'SUSE "15 SP4"'),
)
_HOST_NAMES = (
    "app-{0:04}.corp.example",
    "O'Brien's \"test\" box, rack {0}",
    "büro-サーバ-{0:04}",
    "db-{0:04}",
    "",
    "=HYPERLINK({0})",
    "web-{0:04}\nformerly www{0}",
)
_APPLICATIONS = ("Lohn & Gehalt {0}", 'Order "Entry", v{0}', "受注システム {0}", "crm-{0}", "Intranet\nportal {0}")
_DESCRIPTIONS = ("", 'Owner: "Facilities", 2nd floor\nAsk first.', "naïve café ☕", "-1+1", "plain")


@dataclass(frozen=True, slots=True)
class Application:
    """A group of servers."""

    index: int
    id: str
    name: str
    description: str
    server_count: int


@dataclass(frozen=True, slots=True)
class Server:
    """One server with a discovery agent."""

    index: int
    id: str
    agent_id: str
    application: int
    host_name: str
    os_name: str
    os_version: str
    cpu_type: str
    hypervisor: str
    smbios_id: str
    ip: str
    mac: str
    cpus: int
    cores: int
    ram_mb: int
    disk_gb: int
    created_at: datetime

    @property
    def vm_name(self) -> str:
        return f"vm-{self.index:05}" if self.hypervisor else ""

    @property
    def tags(self) -> tuple[tuple[str, str], ...]:
        """Keys and values of the tags of the server."""
        owner = ("owner", ("O'Neill, Ann", "team=web;prio=1", "Żółć")[self.index % 3])
        return (owner, ("wave", str(self.index % 4))) if self.index % 3 else (owner,)


class Process(NamedTuple):
    """A row of ``process.csv``, in the order of its columns."""

    account: str
    agent_id: str
    process_id: str
    is_system: str
    name: str
    command_line: str
    path: str
    seen_at: str


class Connection(NamedTuple):
    """A row of the two connection files, in the order of their columns. Files of 2017 lack the last two."""

    account: str
    agent_id: str
    source_ip: str
    source_port: int
    destination_ip: str
    destination_port: int
    ip_version: str
    protocol: str
    process_id: str
    created_at: str
    command_path: str
    command_parameters: str


class Performance(NamedTuple):
    """A row of an agent's ``systemPerformance.csv``, in the order of its columns; units as in its header."""

    account: str
    agent_id: str
    disk_read_kbps: float
    disk_write_kbps: float
    disk_read_ops: float
    disk_write_ops: float
    network_read_kbps: float
    network_write_kbps: float
    logical_processors: int
    cores: int
    cpus: int
    disks: int
    network_cards: int
    cpu_percent: float
    disk_gb: float
    disk_free_gb: float
    ram_mb: int
    free_ram_mb: int
    sampled_at: str


@dataclass(frozen=True, slots=True)
class DataCenter:
    """``size`` servers of one account, generated from ``seed``."""

    seed: int = 7
    size: int = 12
    account: str = "123456789012"

    def server(self, index: int) -> Server:
        draw = _draw(self.seed, "server", index)
        os_name, os_version = _OPERATING_SYSTEMS[draw % len(_OPERATING_SYSTEMS)]
        cores = 1 << (draw >> 8) % 5
        return Server(
            index=index,
            id=f"d-server-{_base36(self._scatter('server', index)):0>14}",
            agent_id=f"o-{self._scatter('agent', index):017x}",
            application=index % self.application_count,
            host_name=_HOST_NAMES[index % len(_HOST_NAMES)].format(index),
            os_name=os_name,
            os_version=os_version,
            cpu_type=("x86_64", "i686", "")[(draw >> 16) % 3],
            hypervisor=("VMware", "", "xen")[(draw >> 20) % 3],
            smbios_id=f"{draw:016X}",
            ip=f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}",
            mac="02:" + ":".join(f"{index >> shift & 255:02x}" for shift in (32, 24, 16, 8, 0)),
            cpus=1 + (draw >> 24) % 2,
            cores=cores,
            ram_mb=1024 * cores * (1 + (draw >> 28) % 8),
            disk_gb=40 * (1 + (draw >> 32) % 50),
            created_at=LATEST - timedelta(days=30 + draw % 700),
        )

    def servers(self) -> Iterator[Server]:
        return map(self.server, range(self.size))

    def server_of(self, agent_id: str) -> Server | None:
        """The server that the agent runs on, or None for an unknown agent."""
        try:
            scattered = int(agent_id.removeprefix("o-"), 16)
        except ValueError:
            return None
        index = (scattered - self._key("agent")) * _INVERSE % _WORD
        if index >= max(self.size, MAX_SERVERS) or self.server(index).agent_id != agent_id:
            return None
        return self.server(index)

    @property
    def application_count(self) -> int:
        return max(1, self.size // 4)

    def application(self, index: int) -> Application:
        return Application(
            index=index,
            id=f"d-application-{_base36(self._scatter('application', index)):0>14}",
            name=_APPLICATIONS[index % len(_APPLICATIONS)].format(index),
            description=_DESCRIPTIONS[index % len(_DESCRIPTIONS)],
            server_count=len(range(index, self.size, self.application_count)),
        )

    def applications(self) -> Iterator[Application]:
        return map(self.application, range(self.application_count))

    def processes(self, server: Server, seen_at: str, padding: int = 0) -> Iterator[Process]:
        """The processes of the server, then ``padding`` rows with long command lines that do not compress well."""
        for number, (name, command, path) in enumerate(_programs(server)):
            system, process_id = "true" if number < 2 else "false", _process_id(server, name)
            yield Process(self.account, server.agent_id, process_id, system, name, command, path, seen_at)
        for number in range(padding):
            command = f"java -Dbuild={self._noise(server.index, number)} -jar worker.jar"
            process_id = f"{_process_id(server, 'worker')}-{number}"
            path = "/usr/bin/java"
            yield Process(self.account, server.agent_id, process_id, "false", "worker", command, path, seen_at)

    def outgoing(self, server: Server, samples: Iterable[Sample]) -> Iterator[Connection]:
        """A connection in each sample to each server that this one is a client of."""
        peers = [self.server((server.index + offset) % self.size) for offset in self._offsets()]
        for sample in samples:
            for peer in peers:
                yield self._connection(server, peer, "curl", server, sample)

    def incoming(self, server: Server, samples: Iterable[Sample]) -> Iterator[Connection]:
        """The other end of the ``outgoing`` connections of this server's clients."""
        peers = [self.server((server.index - offset) % self.size) for offset in self._offsets()]
        for sample in samples:
            for peer in peers:
                yield self._connection(peer, server, _service(server)[0], server, sample)

    def performance(self, server: Server, samples: Iterable[Sample]) -> Iterator[Performance]:
        """The figures of each sample. A test can compute the same."""
        for sample in samples:
            load = (sample.number * 37 + server.index * 11) % 1000
            yield Performance(
                account=self.account,
                agent_id=server.agent_id,
                disk_read_kbps=load * 1.5,
                disk_write_kbps=load * 0.25,
                disk_read_ops=load / 8,
                disk_write_ops=load / 16,
                network_read_kbps=load * 3.0,
                network_write_kbps=load * 2.0,
                logical_processors=server.cpus * server.cores,
                cores=server.cores,
                cpus=server.cpus,
                disks=1 + server.index % 3,
                network_cards=1,
                cpu_percent=load / 10,
                disk_gb=float(server.disk_gb),
                disk_free_gb=server.disk_gb / 2,
                ram_mb=server.ram_mb,
                free_ram_mb=server.ram_mb * (1000 - load) // 1000,
                sampled_at=sample.at,
            )

    def long_tags(self, count: int) -> Iterator[tuple[Server, str, str]]:
        """``count`` tags with long values, over all servers in turn. They make a summary large."""
        for number in range(count):
            server = self.server(number % self.size)
            yield server, f"inventory-{number}", self._noise(server.index, number)

    def _connection(self, client: Server, host: Server, program: str, seen_by: Server, sample: Sample) -> Connection:
        return Connection(
            account=self.account,
            agent_id=seen_by.agent_id,
            source_ip=client.ip,
            source_port=32768 + (sample.number * 7 + client.index) % 28000,
            destination_ip=host.ip,
            destination_port=_service(host)[1],
            ip_version="IPv4",
            protocol="TCP",
            process_id=_process_id(seen_by, program),
            created_at=sample.at,
            command_path=f"/usr/bin/{program}",
            command_parameters='--header "A: b, c"' if sample.number % 2 else "",
        )

    def _offsets(self) -> list[int]:
        """Distances from a server to its peers. A data center of one server has none."""
        return sorted({offset % self.size for offset in _OFFSETS} - {0})

    def _key(self, what: str) -> int:
        return _draw(self.seed, what, -1)

    def _scatter(self, what: str, index: int) -> int:
        return (index * _MULTIPLIER + self._key(what)) % _WORD

    def _noise(self, index: int, number: int) -> str:
        return shake_256(f"{self.seed}/{index}/{number}".encode()).hexdigest(PAD_BYTES // 2)


def _draw(seed: int, what: str, index: int) -> int:
    """64 bits that look random; the same arguments give the same bits."""
    return int.from_bytes(blake2b(f"{seed}/{what}/{index}".encode(), digest_size=8).digest())


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits


def _service(server: Server) -> tuple[str, int]:
    """The program that accepts connections from other servers, and its port."""
    return _SERVICES[server.index % len(_SERVICES)]


def _process_id(server: Server, program: str) -> str:
    return f"{server.agent_id}-{_draw(server.index, program, 0) & 0xFFFFFFFF:08x}"


def _programs(server: Server) -> list[tuple[str, str, str]]:
    """Name, command line and path of the server's programs. Command lines contain passwords, as real ones do."""
    service, port = _service(server)
    return [
        ("systemd", "/sbin/init splash", "/lib/systemd/systemd"),
        ("sshd", "", "/usr/sbin/sshd"),
        (service, f'/opt/{service}/bin/{service} --listen "0.0.0.0:{port}"', f"/usr/bin/{service}"),
        ("curl", "curl -u 'svc:pa,ss\"word' https://example.com/?a=1&b=2", "/usr/bin/curl"),
        ("bash", 'bash -c "for f in *; do\n  echo \\"$f\\"\ndone"', "/bin/bash"),
        ("größe.exe", "C:\\Program Files\\Größe, GmbH\\größe.exe /silent", "C:\\Program Files\\Größe, GmbH\\größe.exe"),
    ]
