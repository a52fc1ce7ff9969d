"""Pictures of the connections between servers, as DOT for Graphviz or as a Mermaid flowchart.

Servers without connections are not in a picture. The ports between two servers are one arrow.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from discovery_exports.cli.failures import Misused
from discovery_exports.cli.handoff.choices import GraphFormat
from discovery_exports.cli.handoff.rows import Pair
from discovery_exports.cli.text import printable

MAX_SERVERS = 500
MAX_ARROWS = {GraphFormat.DOT: 2_000, GraphFormat.MERMAID: 500}
"""Mermaid draws no more without a setting of its own: https://mermaid.js.org/config/schema-docs/config.html#maxedges"""
MAX_PORTS = 3
"""Ports that an arrow names; the others are counted."""
MAX_LABEL = 40
COLORS = ("#0b6e99", "#b5540c", "#2e7d32", "#8e3b8c", "#b3261e", "#6b5b00", "#3f51b5", "#00796b")
OTHER_COLOR = "#5f6b7a"
"""Of the ports that most arrows go to, which can be told apart on white; and of the other ports."""
UNKNOWN = "port unknown"


@dataclass(frozen=True, slots=True)
class Arrow:
    """All connections from one server to another."""

    source: str
    target: str
    port: str
    """The one with the most connections."""
    label: str
    """The ports with the most connections, and the processes that accept them."""
    connections: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Servers by application, and the arrows between them. IDs of servers stand for their numbers in the picture.

    Most arrows to a server have the same label. It is in the box of the server; the other arrows have theirs.
    """

    groups: Mapping[str, Sequence[str]]
    """IDs of servers by the name of their application; an empty name has those without one."""
    names: Mapping[str, str]
    arrows: Sequence[Arrow]

    @property
    def usual(self) -> dict[str, Arrow]:
        """By server, one of the arrows to it that have its most frequent label."""
        counts = Counter((arrow.target, arrow.label) for arrow in self.arrows)
        ranked = sorted(self.arrows, key=lambda arrow: (counts[arrow.target, arrow.label], arrow.connections))
        return {arrow.target: arrow for arrow in ranked}

    @property
    def colors(self) -> Mapping[str, str]:
        """By port."""
        ports = Counter(arrow.port for arrow in self.arrows)
        common = sorted(ports, key=lambda port: (-ports[port], port))
        return dict.fromkeys(ports, OTHER_COLOR) | dict(zip(common, COLORS, strict=False))

    @property
    def numbers(self) -> dict[str, int]:
        """Of the servers, from 1, in their order in the picture."""
        return {server: number for number, server in enumerate((s for g in self.groups.values() for s in g), start=1)}


def picture(pairs: Iterable[Pair], applications: Mapping[str, str], limit: int) -> Picture:
    """The picture of pairs in the order of their servers. Raises Misused if it were too large to be read.

    ``applications`` are the names by the ID of a server; ``limit`` is the greatest number of arrows.
    """
    names: dict[str, str] = {}
    arrows: list[Arrow] = []
    for (source, target), of_arrow in groupby(pairs, key=lambda pair: (pair.source, pair.target)):
        ports = list(of_arrow)
        names |= {source: ports[0].source_name, target: ports[0].target_name}
        ports.sort(key=lambda pair: -pair.connections)
        arrows.append(Arrow(source, target, ports[0].port, _label(ports), sum(pair.connections for pair in ports)))
        if len(names) > MAX_SERVERS or len(arrows) > limit:
            raise Misused(
                f"The picture would have more than {MAX_SERVERS:,} servers or {limit:,} arrows, which nobody can read. "
                "Use --format csv, or draw a part of it with SQL of your own."
            )
    groups: dict[str, list[str]] = {}
    for server in sorted(names, key=lambda each: (applications.get(each, ""), names[each], each)):
        groups.setdefault(applications.get(server, ""), []).append(server)
    return Picture(groups, _distinct(names), arrows)


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """A name that several servers have gets the end of the ID."""
    counts = Counter(_short(name) for name in names.values())
    return {
        server: _short(name) if counts[_short(name)] == 1 else f"{_short(name)} (…{_short(server)[-6:]})"
        for server, name in names.items()
    }


def _label(ports: Sequence[Pair]) -> str:
    """The first ports, each with the process that accepts their connections if it is known."""
    shown = [" ".join(filter(None, (pair.port, _short(pair.target_process)))) for pair in ports[:MAX_PORTS]]
    more = [f"{len(ports) - MAX_PORTS} more"] if len(ports) > MAX_PORTS else []
    return ", ".join(filter(None, [*shown, *more])) or UNKNOWN


def _short(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 1]}…"


def dot(drawn: Picture) -> Iterator[str]:
    """Lines of DOT: https://graphviz.org/doc/info/lang.html"""
    numbers, colors, usual = drawn.numbers, drawn.colors, drawn.usual
    yield "digraph connections {"
    yield "  rankdir=LR; nodesep=0.25; ranksep=0.9;"
    yield '  graph [fontname="Helvetica", fontsize=12, style="rounded,filled", color="#b6bec9", fillcolor="#f2f3f3"];'
    yield '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11, height=0.3];'
    yield '  edge [fontname="Helvetica", fontsize=9, arrowsize=0.7];'
    for group, (application, servers) in enumerate(drawn.groups.items(), start=1):
        if application:
            yield f"  subgraph cluster_{group} {{"
            yield f"    label={_dot_text(_short(application))}; labeljust=l;"
        for server in servers:
            indent = "    " if application else "  "
            style = f"label={_dot_text(drawn.names[server])}"
            if server in usual:
                style = f"label={_dot_text(drawn.names[server], usual[server].label)}"
                style += f', color="{colors[usual[server].port]}"'
            yield f"{indent}s{numbers[server]} [{style}];"
        if application:
            yield "  }"
    for arrow in drawn.arrows:
        style = f'color="{colors[arrow.port]}"'
        if arrow.label != usual[arrow.target].label:
            # Not label: with it, Graphviz 2 loses arrows if groups connect to each other in a circle.
            style += f', xlabel={_dot_text(arrow.label)}, fontcolor="{colors[arrow.port]}"'
        yield f"  s{numbers[arrow.source]} -> s{numbers[arrow.target]} [{style}];"
    yield "}"


def _dot_text(*lines: str) -> str:
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'


def mermaid(drawn: Picture) -> Iterator[str]:
    """Lines of a flowchart: https://mermaid.js.org/syntax/flowchart.html"""
    numbers, colors, usual = drawn.numbers, drawn.colors, drawn.usual
    yield "flowchart LR"
    for group, (application, servers) in enumerate(drawn.groups.items(), start=1):
        if application:
            yield f"  subgraph g{group}[{_mermaid_text(_short(application))}]"
        for server in servers:
            indent = "    " if application else "  "
            lines = [drawn.names[server], *([usual[server].label] if server in usual else [])]
            yield f"{indent}s{numbers[server]}[{_mermaid_text(*lines)}]"
        if application:
            yield "  end"
    arrows: dict[str, list[str]] = {}
    for index, arrow in enumerate(drawn.arrows):
        label = "" if arrow.label == usual[arrow.target].label else f"|{_mermaid_text(arrow.label)}|"
        yield f"  s{numbers[arrow.source]} -->{label} s{numbers[arrow.target]}"
        arrows.setdefault(colors[arrow.port], []).append(str(index))
    boxes: dict[str, list[str]] = {}
    for server, arrow in usual.items():
        boxes.setdefault(colors[arrow.port], []).append(f"s{numbers[server]}")
    for number, (color, indexes) in enumerate(arrows.items(), start=1):
        yield f"  linkStyle {','.join(indexes)} stroke:{color},color:{color}"
        if color in boxes:
            yield f"  classDef c{number} stroke:{color}"
            yield f"  class {','.join(boxes[color])} c{number}"


def _mermaid_text(*lines: str) -> str:
    """In quotes, with the code of each character that could mean something to Mermaid or to Markdown in it."""
    special = re.compile(r"[^\w .,:/-]|^-|(?<=^\d)\.")
    coded = [special.sub(lambda found: f"#{ord(found[0])};", line) for line in lines]
    return f'"{"<br/>".join(coded)}"'
