"""``discovery-exports plan``: what collecting would start, before it is switched on."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from discovery_exports.cli.agents import listed_agent, listed_agents
from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misused
from discovery_exports.cli.output import Column
from discovery_exports.cli.run_input import checked_agents
from discovery_exports.cli.times import short_time

if TYPE_CHECKING:
    from exports.collecting.agent_state import AgentState

ALL = "all"
RATE_MEMBERS = ("rate", "exports", "days")
RATE_TEXTS = {"twoPerDay": "2 a day", "fiveAtOnce": "5 at once, 20 minutes each"}
RATE_COLUMNS = (
    Column("rate", "if the service starts"),
    Column("days", "days", lambda days: f"{days:,.1f}" if days >= 0.1 else "under 0.1", right=True, whole=True),
)
FIRST_COLUMNS = (
    Column("agentId", "first exports", whole=True),
    Column("from", "from", lambda time: short_time(time) or "its first data", whole=True),
    Column("to", "to", short_time, whole=True),
)


class Order(StrEnum):
    NEWEST = "newest-first"
    OLDEST = "oldest-first"


def register(app: typer.Typer) -> None:
    command(app, "plan")(show_plan)


def show_plan(
    context: Context,
    agents: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help='Only this agent, or "all"; repeatable. Default: all.', show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The first day (yyyy-mm-dd). Default: the registration of each agent."),
    ] = None,
    order: Annotated[Order, typer.Option(help="Which data of an agent comes first.")] = Order.NEWEST,
    max_starts_per_day: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1_000, help="The most exports that are started in 24 hours.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=1_000_000, help="Do not ask the service: assume this number of agents."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=36_500, help="With --count: the days of data of each agent.")
    ] = None,
) -> None:
    """Show which exports of agents the setting collect would start, and how long that would take. Starts nothing.

    Reads the agents of your account, in the Region of --region, and needs no stack. The number of exports is the
    smallest that is possible: truncated and failed ones need more, and active agents add data every day. How many
    exports the service starts is not documented, so the command shows the time for several limits.
    """
    from discovery_exports.cli.export_plan import plan
    from exports.collecting.setting import read_collect

    if (count is None) != (days is None) or (count and (agents or since)):
        raise Misused("--count and --days belong together, without --agents and --since.")
    if agents and ALL in agents and len(set(agents)) > 1:
        raise Misused(f"--agents {ALL} is every agent. Write it alone, or only IDs.")
    selected = None if not agents or ALL in agents else list(checked_agents(agents))
    setting = {"ids": selected or ALL, "since": _date(since, context.now()), "order": order.value}
    collect = read_collect({"agents": setting, "maxStartsPerDay": max_starts_per_day})
    states, without = (_assumed(context, count, days), 0) if count and days else _listed(context, selected)
    found = {**plan(states, collect, context.now()).to_json(), "agentsWithoutExports": without}
    rates = [{"rate": each, "exports": found["exports"], "days": time} for each, time in found["days"].items()]
    if context.output.is_table:
        texts = {**RATE_TEXTS, "maxStartsPerDay": f"maxStartsPerDay {max_starts_per_day}"}
        _show_tables(context, found, [{**each, "rate": texts[each["rate"]]} for each in rates])
    elif context.output.form == "json":
        context.output.json(found)
    else:
        context.output.rows(rates, RATE_MEMBERS)


def _date(text: str | None, now: datetime) -> str | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Misused(f"{text!r} is not a date. Write the year, the month and the day, such as 2026-06-01.") from None
    if day > now.date():
        raise Misused(f"--since {text} is in the future: nothing is to be exported.")
    return day.isoformat()


def _assumed(context: Context, count: int, days: int) -> list["AgentState"]:
    """Active agents with this many days of data. They are numbered, because the table names the first ones."""
    from exports.collecting.agent_state import AgentState

    now = context.now()
    registered = now - timedelta(days=days)
    names = (f"agent-{number}" for number in range(1, count + 1))
    return [AgentState(name, seen_at=now, registered_at=registered, last_ping_at=now) for name in names]


def _listed(context: Context, selected: Sequence[str] | None) -> tuple[list["AgentState"], int]:
    """The agents that the service lists, deleted ones too, and how many of them have no exports of their own."""
    from exports.collecting.agent_state import AgentState

    listed = listed_agents(context, "To plan without reading the agents, use --count and --days.")
    chosen = [listed_agent(listed, each) for each in selected or listed]
    now = context.now()
    states = [AgentState(each.id, seen_at=now).described_by(each) for each in chosen if each.has_exports]
    return states, len(chosen) - len(states)


def _show_tables(context: Context, found: Mapping[str, Any], rates: Sequence[Mapping[str, Any]]) -> None:
    without, unknown = found["agentsWithoutExports"], found["agentsWithUnknownStart"]
    context.output.line(
        f"{found['agents']:,} agents with something to export"
        + (f", {unknown:,} of them with an unknown start" if unknown else "")
        + (f"; {without:,} connectors and collectors have no exports of their own" if without else "")
    )
    context.output.line(f"{found['exports']:,} exports of at most 72 hours, if none is truncated or fails")
    if not found["exports"]:
        return
    context.output.line()
    context.output.table(rates, RATE_COLUMNS)
    context.output.line()
    context.output.table([{**each, "from": each["from"] or ""} for each in found["first"]], FIRST_COLUMNS)
