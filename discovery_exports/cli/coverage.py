"""``discovery-exports coverage``: what share of the agents' history is stored, and what is missing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode, Misconfigured
from discovery_exports.cli.output import Column
from discovery_exports.cli.text import printable
from discovery_exports.cli.times import short_duration, short_time

if TYPE_CHECKING:
    from exports.collecting.coverage import AgentCoverage, Coverage

BAR_WIDTH = 24
SIGNS = {"stored": "#", "partly": "+", "gap": "x", "missing": "."}
LEGEND = "# stored, + partly stored, x with a gap, . missing"
MEMBERS = ("agentId", "hostName", "state", "share", "from", "to", "gaps", "inProgress", "stopped", "covered")
GAP_MEMBERS = ("agentId", "hostName", "from", "to", "reason")


def percent(share: object) -> str:
    """Rounded down: 100 is shown only if nothing is missing."""
    return f"{int(1000 * share + 1e-6) / 10:.1f} %" if isinstance(share, float) else "?"


_AGENT = Column("agentId", "agent", whole=True)
_HOST = Column("hostName", "host", spare=2)
_FROM = Column("from", "from", short_time, whole=True, spare=1)
_TO = Column("to", "to", short_time, whole=True, spare=1)
COLUMNS = (
    _AGENT,
    _HOST,
    Column("bar", "history", whole=True, spare=3),
    Column("share", "stored", percent, right=True, whole=True),
    Column("state", "state", whole=True),
    _FROM,
    _TO,
    Column("gaps", "gaps", lambda gaps: str(len(gaps) or ""), right=True),
    Column("why", "why"),
)
GAP_COLUMNS = (_AGENT, _HOST, _FROM, _TO, Column("reason", "reason", whole=True))


def register(app: typer.Typer) -> None:
    command(app, "coverage")(show_coverage)


def show_coverage(
    context: Context,
    gaps: Annotated[bool, typer.Option("--gaps", help="Show the ranges that are given up, and why.")] = False,
) -> ExitCode:
    """Show what share of each agent's history is stored, what is missing, and when to expect it. Times are in UTC.

    The estimate continues the rate of the last days, and new data of the agents counts. It is no promise. Exit code:
    254 if a call of the collector is refused or keeps failing, 1 if an agent or a range is given up, 3 if something is
    missing or the collector did not work lately, otherwise 0.
    """
    found = read_coverage(context)
    for sentence in found.collector:
        if context.output.is_table:
            context.output.line(sentence)
        elif not found.is_current:
            context.say(sentence)
    if gaps:
        context.output.rows(_gaps(found), GAP_MEMBERS, GAP_COLUMNS)
        if not found.gaps:
            context.say("There are no gaps.")
    elif context.output.is_table:
        _show_tables(context, found)
    elif context.output.form == "json":
        context.output.json({"stack": context.stack, **found.to_json()})
    else:
        context.output.rows((agent.to_json() for agent in found.agents), MEMBERS)
    return _exit_code(found)


def _exit_code(found: "Coverage") -> ExitCode:
    failure = found.last_tick.failure
    if failure and failure.is_lasting(found.now):
        return ExitCode.REFUSED
    if found.gaps or found.stopped:
        return ExitCode.NOT_STORED
    return ExitCode.PENDING if found.uncovered or not found.is_current else ExitCode.DONE


def read_coverage(context: Context) -> "Coverage":
    """Raises Misconfigured if the stack is another one, starts no exports, or names no table of the collector."""
    from exports.collecting.coverage import coverage
    from exports.collecting.table import CollectingTable

    _ = context.table_name  # a stack without it is not one that starts no exports, but another one
    name = context.outputs.get("CollectingTableName")
    if not name and "CollectorStateMachineArn" in context.outputs:
        raise Misconfigured(
            f"The stack {printable(context.stack)} has no output CollectingTableName. A stack of your own needs it: "
            "docs/cli.md"
        )
    if not name:
        raise Misconfigured(
            f"The stack {printable(context.stack)} starts no exports: its setting collect is off. To see what it would "
            "start: discovery-exports plan"
        )
    return coverage(CollectingTable(context.dynamodb, name).items(), context.now())


def bar(agent: "AgentCoverage") -> str:
    from exports.collecting.timeline import timeline

    return "".join(SIGNS[each] for each in timeline(agent, BAR_WIDTH))


def _gaps(found: "Coverage") -> Iterator[dict[str, Any]]:
    for agent in found.agents:
        for gap, reason in agent.gaps:
            start, end = gap.to_json()
            host = agent.host_name or None
            yield {"agentId": agent.agent_id, "hostName": host, "from": start, "to": end, "reason": reason}


def _show_tables(context: Context, found: "Coverage") -> None:
    rows = [{**agent.to_json(), "bar": bar(agent), "why": _why(agent)} for agent in found.agents]
    if rows:
        context.output.table(rows, COLUMNS)
        context.output.line(LEGEND)
        context.output.line()
        context.output.line(_summary(context.stack, found))
    elif found.is_current:
        context.output.line("The collector has found no agents, or the setting collect has none.")
    for blocked in found.blocked:
        until = short_time(blocked.blocked_until.isoformat()) if blocked.blocked_until else "the next tick"
        context.output.line(
            f"The service starts no {blocked.kind} exports, tried again at {until}: {blocked.blocked_by}"
        )
    if found.expected_at:
        context.output.line(f"At the rate of the last days, the rest is stored by {found.expected_at:%Y-%m-%d}.")
    elif found.uncovered:
        context.output.line(
            "There is no estimate: less is stored than is added, or collecting began less than a day ago."
        )


def _summary(stack: str, found: "Coverage") -> str:
    share = "nothing is wanted yet" if found.share is None else f"{percent(found.share)} is stored"
    unknown = sum(agent.wanted is None for agent in found.agents if agent.counts)
    return (
        f"{len(found.agents):,} agents of the stack {stack}: {share}, {short_duration(found.uncovered)} "
        f"of data is missing, {found.gaps:,} gaps, {found.stopped:,} agents given up"
        + (f", {unknown:,} with an unknown start" if unknown else "")
    )


def _why(agent: "AgentCoverage") -> str:
    return agent.stopped or agent.export_id or ""
