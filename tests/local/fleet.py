"""A fleet for hand-offs: 200 servers of the generated data center, 50 with agents, and what confuses such data.

Agents with an even index have a Docker bridge, all with the same address; others have one of their own, and all have
link-local addresses, and one of IPv6 that their connections spell differently. Several servers have the same host name,
and some no known system. The connections of agents also lead to loopback addresses, to themselves, to addresses that
nobody has, and nowhere.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import NamedTuple

from local.double.data.contents import Contents, Kind
from local.double.data.data_center import DataCenter, Server
from local.double.data.files import csv_files
from tests.local.csv_exports import zipped_csv

BRIDGE = "172.17.0.1"
OUTSIDE = "203.0.113.9"
DUPLICATE_NAME = "localhost.localdomain"
Row = Sequence[object]


class Seen(NamedTuple):
    """A connection as one agent has seen it."""

    is_outgoing: bool
    agent: Server
    own_address: str
    other_address: str
    port: int
    protocol: str
    program: str
    at: str


@dataclass(frozen=True, slots=True)
class Fleet(DataCenter):
    """``size`` servers; those with an index below ``agents`` have an agent, and one agent is on no listed server."""

    size: int = 200
    agents: int = 50
    samples: int = 3

    def server(self, index: int) -> Server:
        server = DataCenter.server(self, index)
        has_agent = index < self.agents or index == self.size
        name = DUPLICATE_NAME if index % 10 in {3, 4} else server.host_name
        # As texts, the addresses that only the server itself can use come before its own.
        ip = f"192.168.{index >> 8}.{index & 255}"
        if index % 20 == 7:
            server = replace(server, os_name="", os_version="")
        return replace(server, agent_id=server.agent_id if has_agent else "", host_name=name, ip=ip)

    def server_of(self, agent_id: str) -> Server | None:
        return next((each for each in self.monitored() if each.agent_id == agent_id), None)

    def monitored(self) -> list[Server]:
        """The servers with agents, and the one that the summary does not list."""
        return [*map(self.server, range(self.agents)), self.server(self.size)]

    # --- exports ---

    def summary(self) -> bytes:
        files = self._files(Contents(kind=Kind.SUMMARY))
        files["Tags.csv"] += [
            (self.account, server.id, "SERVER", key, value, "2026-01-15 00:00:00")
            for server in self.servers()
            for key, value in self.extra_tags(server).items()
        ]
        return self._zipped(files)

    def recommendations(self) -> bytes:
        return self._zipped(self._files(Contents(kind=Kind.EC2_RECOMMENDATIONS)))

    def agent_export(self, server: Server) -> bytes:
        files = self._files(Contents(kind=Kind.AGENT, agent_id=server.agent_id, rows=self.samples))
        files["networkInterface.csv"] += [
            (self.account, server.agent_id, name, server.mac, "IPv4", ip, "", "255.255.0.0", "2026-01-12 00:00:00")
            for name, ip in (*self.inner_interfaces(server), ("eth0", ipv6(server)), ("eth0", "fe80::1%eth0"))
        ]
        first = files["sourceProcessConnection.csv"][1]
        files["sourceProcessConnection.csv"] += [
            (*first[:2], source, *first[3:4], destination, port or "", *first[6:])
            for source, destination, port in self.odd_connections(server)
        ]
        return self._zipped(files)

    def odd_connections(self, server: Server) -> list[tuple[str, str, int]]:
        """Source address, destination address and port of connections that the data center does not have. 0 is no port.

        The first are to other servers, and written as Linux does for a socket of IPv6, and as Java does.
        """
        peer = self.server((server.index + 2) % self.size)
        monitored = self.server((server.index + 2) % self.agents)
        spelled: Callable[[str], str] = java if server.index % 2 else str
        return [
            (f"::ffff:{server.ip}", f"::FFFF:{peer.ip}", 9999),
            (f"0:0:0:0:0:ffff:{server.ip}", f"0:0:0:0:0:FFFF:{peer.ip}", 9999),
            (f"{spelled(ipv6(server))}%2", spelled(ipv6(monitored)).upper(), 9998),
            ("fe80:0:0:0:0:0:0:1%2", "fe80:0:0:0:0:0:0:1%2", 546),
            ("0:0:0:0:0:0:0:1%lo", "0:0:0:0:0:0:0:1%lo", 6379),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1", 6379),
            (server.ip, peer.ip, 0),
            ("127.0.0.1", "127.0.0.1", 6379),
            ("::1", "::1", 6379),
            (server.ip, server.ip, 5432),
            (server.ip, BRIDGE, 2375),
            (server.ip, OUTSIDE, 443),
            (server.ip, OUTSIDE, 443),
            (server.ip, "", 443),
        ]

    def inner_interfaces(self, server: Server) -> list[tuple[str, str]]:
        """Names and addresses of the interfaces that only the server itself can use."""
        end = f"{server.index >> 8}.{server.index & 255}"
        bridge = ("docker0", BRIDGE) if self.has_bridge(server) else ("br-0a1b2c3d", f"172.18.{end}")
        return [bridge, ("eth1", f"169.254.{end}")]

    def own_addresses(self, server: Server) -> list[str]:
        """Those to which there are connections. The summary knows the first one alone."""
        bridge = [BRIDGE] if self.has_bridge(server) else []
        return [server.ip, *bridge, *([ipv6(server), "fe80::1"] if server.agent_id else [])]

    @staticmethod
    def has_bridge(server: Server) -> bool:
        return bool(server.agent_id) and server.index % 2 == 0

    @staticmethod
    def extra_tags(server: Server) -> dict[str, str]:
        return {"Environment": "Production", "datacenter": "dc-1, Köln"} if server.index % 2 else {}

    def _files(self, contents: Contents) -> dict[str, list[Row]]:
        """Header and rows of each file by its name without the account."""
        return {
            each.name.removeprefix(f"{self.account}_"): [each.header, *each.rows()]
            for each in csv_files(self, contents)
        }

    def _zipped(self, files: Mapping[str, list[Row]]) -> bytes:
        return zipped_csv({f"{self.account}_{name}": rows for name, rows in files.items()})

    # --- the truth ---

    def seen(self) -> Iterator[Seen]:
        """Every connection that is in the exports of the agents."""
        contents = Contents(kind=Kind.AGENT, rows=self.samples)
        for server in self.monitored():
            for each in self.outgoing(server, contents.samples()):
                yield Seen(
                    True,
                    server,
                    each.source_ip,
                    each.destination_ip,
                    each.destination_port,
                    each.protocol,
                    "curl",
                    each.created_at,
                )
            first = next(iter(self.outgoing(server, contents.samples())))
            for ends in self.odd_connections(server):
                source, destination = map(normal, ends[:2])
                yield Seen(True, server, source, destination, ends[2], first.protocol, "curl", first.created_at)
            for each in self.incoming(server, contents.samples()):
                program = each.command_path.rpartition("/")[2]
                yield Seen(
                    False,
                    server,
                    each.destination_ip,
                    each.source_ip,
                    each.destination_port,
                    each.protocol,
                    program,
                    each.created_at,
                )

    def owners(self) -> dict[str, set[str]]:
        """The IDs of the listed servers by address."""
        owners: dict[str, set[str]] = {}
        for server in self.servers():
            for address in self.own_addresses(server):
                owners.setdefault(address, set()).add(server.id)
        return owners

    def connections(self) -> "Truth":
        owners = self.owners()
        listed = {server.id for server in self.servers()}
        seen: dict[tuple[str, str, int], Counter[bool]] = {}
        left_out: Counter[str] = Counter()
        for each in self.seen():
            reason = self._reason(each, owners, listed)
            if reason:
                left_out[reason] += 1
                continue
            (other,) = owners[each.other_address]
            ends = (each.agent.id, other) if each.is_outgoing else (other, each.agent.id)
            seen.setdefault((*ends, each.port), Counter())[each.is_outgoing] += 1
        return Truth(
            {pair: max(counts.values()) for pair, counts in seen.items()},
            sum(counts.total() for counts in seen.values()),
            left_out,
        )

    def _reason(self, seen: Seen, owners: Mapping[str, set[str]], listed: set[str]) -> str:
        if seen.agent.id not in listed:
            return "agent not in the summary"
        if not seen.other_address:
            return "no address"
        if seen.other_address in {"127.0.0.1", "::1"}:
            return "loopback"
        if seen.other_address in self.own_addresses(seen.agent):
            return "self"
        found = owners.get(seen.other_address, set())
        return {0: "unknown address", 1: ""}.get(len(found), "shared address")


def ipv6(server: Server) -> str:
    return f"fd00::{server.index + 1:x}"


def java(address: str) -> str:
    """An address of IPv6 as Java writes it: no group is left out."""
    return ":".join(f"{int(group, 16):x}" for group in ip_address(address).exploded.split(":"))


def normal(address: str) -> str:
    if not address:
        return ""
    parsed = ip_address(address.partition("%")[0])
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


class Truth(NamedTuple):
    """Connections by source, target and port, the rows that they are made of, and the rows left out by reason."""

    pairs: dict[tuple[str, str, int], int]
    rows: int
    left_out: Counter[str]
