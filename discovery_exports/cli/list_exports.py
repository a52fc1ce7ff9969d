"""``discovery-exports list``: the exports of the catalog."""

from typing import Annotated

import typer

from discovery_exports.cli import listing
from discovery_exports.cli.catalog import MEMBERS, STATUSES, Catalog, newest_first, read_status
from discovery_exports.cli.commands import PROGRAM, command
from discovery_exports.cli.context import Context
from discovery_exports.cli.output import MAX_TABLE_ROWS
from discovery_exports.cli.times import read_since
from exports.model import Kind


def register(app: typer.Typer) -> None:
    command(app, "list")(list_exports)


def list_exports(
    context: Context,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            autocompletion=lambda: list(STATUSES),
            help=f"Only with this status; repeatable: {', '.join(STATUSES)}.",
        ),
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(help="Only exports of this kind. It is read from the data, so FAILED exports have none."),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Only exports of this Discovery agent, as Application Discovery Service lists them now; repeatable.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only exports first seen or recorded since: 24h, 7d, yesterday, 2026-11-28."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help=f"Only the newest N exports. Default: {MAX_TABLE_ROWS:,} in a table, else all."
        ),
    ] = None,
) -> None:
    """List the exports of the catalog, the newest first. Times are in UTC."""
    statuses = [read_status(each) for each in status or STATUSES]
    moment = read_since(since, context.now()) if since else None
    of_agents = listing.ids_of_agents(context, agent) if agent else None
    catalog = Catalog(context.dynamodb, context.table_name)
    shown = limit or (MAX_TABLE_ROWS if context.output.is_table else None)
    items = newest_first(catalog.current(statuses, kind=kind, since=moment, ids=of_agents, limit=shown and shown + 1))
    context.output.rows(map(listing.with_why, items[:shown]), MEMBERS, listing.COLUMNS)
    if not items:
        context.say("There is no such export.")
    elif shown and len(items) > shown:
        context.say(f"These are the newest {shown:,}; there are more. To list all: {PROGRAM} list -o csv")
