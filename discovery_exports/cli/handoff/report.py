"""What is in the files of a hand-off, what was left out and why, and how old the data is.

The report has counts, titles of columns, IDs of exports and addresses. It has no names, processes or command lines.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from discovery_exports.cli.commands import PROGRAM
from discovery_exports.cli.failures import NotStored
from discovery_exports.cli.handoff.forms import Table
from discovery_exports.cli.handoff.queries import FOREVER, Known, Settings
from discovery_exports.cli.handoff.rows import Cells, LeftOut, Pair, Server, utc_text
from discovery_exports.cli.text import is_formula

T = TypeVar("T")

EXPLANATIONS = {
    "no address": "the address of the other end is empty",
    "loopback": "an end is a loopback address: the connection stays on the server",
    "self": "the other end is an address of the server itself",
    "shared address": "several servers have the address of the other end, so it identifies none",
    "unknown address": "no server of the summary has the address of the other end",
    "agent not in the summary": "the agent that saw it is that of no server of the summary, or of several",
}


def _advice(settings: Settings) -> str:
    """What to do without a summary."""
    if settings.exports:
        return "Name one with --export, too."
    if settings.as_of != FOREVER:
        return "Leave out --as-of, or name a later day."
    return f"To export and store one: {PROGRAM} start summary --wait"


@dataclass(frozen=True, slots=True)
class UsedExports:
    """The exports that a hand-off is made of."""

    summary: Mapping[str, Any]
    recommendations: Mapping[str, Any] | None
    agents: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, rows: Iterable[Cells], settings: Settings) -> "UsedExports":
        """From the rows of ``exports.sql``. Raises NotStored without a summary, or if a chosen export is not used."""
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            times = {"requestedAt": utc_text(row["exportrequesttime"]), "dataUntil": utc_text(row["data_until"])}
            flags = {"isTruncated": row["istruncated"].lower() == "true", "agentId": row["agentid"]}
            by_kind.setdefault(row["kind"], []).append({"exportId": row["exportid"], **times, **flags})
        used = {each["exportId"] for exports in by_kind.values() for each in exports}
        if unused := [each for each in dict.fromkeys(settings.exports) if each not in used]:
            more = f" and {len(unused) - 3:,} more" if len(unused) > 3 else ""
            raise NotStored(
                f"Not used: {', '.join(unused[:3])}{more}. Each of them is not in the Athena tables, was requested "
                "after --as-of, is a truncated summary, or is older than another one that you named, of the same agent "
                "or kind."
            )
        if "summary" not in by_kind:
            until = f" until {settings.as_of:%Y-%m-%d %H:%M:%S} UTC" if settings.as_of != FOREVER else ""
            raise NotStored(
                f"The tables have no summary{until} that is not truncated, and so no servers. {_advice(settings)}"
            )
        (summary,), (recommendations,) = by_kind["summary"], by_kind.get("ec2-recommendations", [None])
        return cls(summary, recommendations, by_kind.get("agent", ()))

    @property
    def known(self) -> dict[str, Known]:
        """The summary and the recommendations, as the queries name them. No export has an empty ID."""
        recommendations = self.recommendations or {**self.summary, "exportId": ""}
        found = {"summary": self.summary, "recommended": recommendations}
        return {cte: Known(export["exportId"], export["requestedAt"][:7]) for cte, export in found.items()}

    def document(self, now: datetime) -> dict[str, Any]:
        def described(export: Mapping[str, Any]) -> dict[str, Any]:
            return {
                **{name: export[name] for name in ("exportId", "requestedAt")},
                "ageDays": _days(export["dataUntil"], now),
            }

        times = sorted(each["dataUntil"] for each in self.agents)
        agents = {
            "exports": len(self.agents),
            "truncated": sum(each["isTruncated"] for each in self.agents),
            **({"oldestUntil": times[0], "newestUntil": times[-1]} if times else {}),
            **({"oldestAgeDays": _days(times[0], now)} if times else {}),
        }
        recommended = described(self.recommendations) if self.recommendations else None
        return {"summary": described(self.summary), "recommendations": recommended, "agents": agents}


@dataclass(slots=True)
class Report:
    """Counts while files are written."""

    form: str
    exports: UsedExports
    variant: str = ""
    file: str = ""
    """The name of the file that is written."""
    servers: int = 0
    """Of the summary."""
    servers_left_out: Counter[str] = field(default_factory=Counter)
    of_servers: Counter[str] = field(default_factory=Counter)
    """What is remarkable about servers, such as that they have no agent."""
    pairs: int = 0
    rows_of_pairs: int = 0
    connections_left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    """Written, by file."""
    empty: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows with an empty cell, by file and column."""
    out_of_range: dict[str, dict[str, int]] = field(default_factory=dict)
    formulas: Counter[str] = field(default_factory=Counter)
    """Cells that a spreadsheet would run as a formula, by file."""
    remarks: list[str] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    """Name, bytes and SHA-256."""

    @property
    def has_connections(self) -> bool:
        return self.form != "mgn"

    def file_of(self, table: str) -> str:
        """The name of the file with this table: in a zip, it is that of the table."""
        return table if self.form == "transform" else self.file

    def see_server(self, server: Server) -> None:
        self.servers += 1
        self.of_servers["without an agent's export"] += not server.agent_id
        self.of_servers["without an address"] += not server.addresses
        self.of_servers["with shared addresses only"] += bool(server.addresses and not server.unique_addresses)
        self.of_servers["in several applications"] += server.applications > 1

    def see_pair(self, pair: Pair) -> None:
        self.pairs += 1
        self.rows_of_pairs += pair.rows

    def see_left_out(self, row: LeftOut) -> None:
        """The first row of a reason has the address with the most rows."""
        document = self.connections_left_out.setdefault(
            row.reason, {"rows": row.all_rows, "addresses": row.all_addresses, "most": []}
        )
        if row.address:
            document["most"].append({"address": row.address, "rows": row.rows})

    def see_row(self, table: Table[T], cells: Sequence[str], out_of_range: Iterable[int]) -> None:
        self.rows[table.name] += 1
        empty = self.empty.setdefault(table.name, {})
        for index in out_of_range:
            counts = self.out_of_range.setdefault(table.name, {})
            counts[table.titles[index]] = counts.get(table.titles[index], 0) + 1
        for title, cell in zip(table.titles, cells, strict=True):
            if not cell:
                empty[title] = empty.get(title, 0) + 1
            elif is_formula(cell):
                self.formulas[table.name] += 1

    # --- what is printed and written ---

    def document(self, now: datetime) -> dict[str, Any]:
        """The report as JSON, at this time."""
        connections = {
            "rowsRead": self.rows_of_pairs + sum(each["rows"] for each in self.connections_left_out.values()),
            "rowsIn": self.rows_of_pairs,
            "pairs": self.pairs,
            "leftOut": self.connections_left_out,
        }
        return {
            "form": self.form,
            **({"variant": self.variant} if self.variant else {}),
            "createdAt": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "files": self.files,
            "data": self.exports.document(now),
            "servers": {
                "inSummary": self.servers,
                "in": self.servers - sum(self.servers_left_out.values()),
                "leftOut": dict(self.servers_left_out),
                "of": {name: count for name, count in self.of_servers.items() if count},
            },
            **({"connections": connections} if self.has_connections else {}),
            "rows": dict(self.rows),
            "emptyCells": self.empty,
            "outOfRange": self.out_of_range,
            "formulaCells": dict(self.formulas),
            "remarks": self.remarks,
        }

    def counts(self) -> Iterator[dict[str, Any]]:
        """What is printed on standard output: a count for each thing, and the reason why it was left out."""
        kept = self.servers - sum(self.servers_left_out.values())
        yield {"what": "servers", "count": kept}
        for reason, count in sorted(self.servers_left_out.items()):
            yield {"what": "servers left out", "count": count, "reason": reason}
        if self.has_connections:
            yield {"what": "connections", "count": self.pairs}
            yield {"what": "rows of these connections", "count": self.rows_of_pairs}
            for reason, left_out in sorted(self.connections_left_out.items()):
                explanation = EXPLANATIONS.get(reason, "")
                yield {
                    "what": "rows left out",
                    "count": left_out["rows"],
                    "reason": f"{reason}: {explanation}" if explanation else reason,
                }

    def lines(self, now: datetime) -> Iterator[str]:
        """What people should know of the files, in a few lines."""
        data = self.exports.document(now)
        agents = data["agents"]
        recommended = data["recommendations"]
        ages = [f"summary {data['summary']['ageDays']} days old"]
        ages.append(f"recommendations {recommended['ageDays']} days old" if recommended else "no recommendations")
        oldest = f", the oldest {agents['oldestAgeDays']} days old" if agents["exports"] else ""
        truncated = f", {agents['truncated']:,} truncated" if agents["truncated"] else ""
        ages.append(f"exports of agents: {agents['exports']:,}{oldest}{truncated}")
        yield f"Data: {'; '.join(ages)}."
        remarkable = [f"{count:,} {name}" for name, count in self.of_servers.items() if count]
        if remarkable:
            yield f"Servers in the summary: {self.servers:,}. Of these: {', '.join(remarkable)}."
        for name, columns in self.empty.items():
            if shown := [f"{title} ({count:,})" for title, count in columns.items() if count]:
                yield f"Empty cells in {self.file_of(name)} of {self.rows[name]:,} rows: {', '.join(shown)}."
        for name, columns in self.out_of_range.items():
            shown = [f"{title} ({count:,})" for title, count in columns.items()]
            yield f"Left empty in {self.file_of(name)}, because the value is out of range: {', '.join(shown)}."
        yield from self.remarks


def _days(moment: str, now: datetime) -> int:
    return max(0, (now - datetime.fromisoformat(moment)).days)
