"""``discovery-exports status``: which exports are stored, late, or not stored, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

import typer

from discovery_exports.cli import listing
from discovery_exports.cli.catalog import (
    MEMBERS,
    Catalog,
    Item,
    exit_code_of,
    newest_first,
    outcome_of,
)
from discovery_exports.cli.commands import PROGRAM, command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode
from discovery_exports.cli.output import Column
from discovery_exports.cli.times import read_duration, read_since, short_bytes, short_duration, short_time
from exports.model import utc_text

MAX_SHOWN = 20
"""Rows of each table; the other forms have all."""

STORED_COLUMNS = (listing.ID, listing.STATUS, listing.KIND, listing.RECORDED, listing.ROWS, listing.BYTES)
LATE_COLUMNS = (listing.ID, listing.STATUS, Column("age", "age", whole=True), listing.WHY)
FAILED_COLUMNS = (
    listing.ID,
    listing.STATUS,
    Column("recordedAt", "recorded", short_time, whole=True, spare=1),
    listing.WHY,
)
PENDING_COLUMNS = (listing.ID, Column("age", "age", whole=True), listing.WHY)


@dataclass(slots=True)
class Groups:
    """The exports that matter, each in one group, and how many the catalog has by status."""

    stored: list[Item] = field(default_factory=list)
    late: list[Item] = field(default_factory=list)
    not_stored: list[Item] = field(default_factory=list)
    pending: list[Item] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)

    def all(self) -> Iterator[tuple[str, Item]]:
        for name in ("stored", "late", "notStored", "pending"):
            yield from ((name, item) for item in self.named(name))

    def named(self, name: str) -> list[Item]:
        return {"stored": self.stored, "late": self.late, "notStored": self.not_stored, "pending": self.pending}[name]


def register(app: typer.Typer) -> None:
    command(app, "status")(show_status)


def show_status(
    context: Context,
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="What was recorded since: 24h, 7d, yesterday, 2026-11-28 (in UTC)."),
    ] = "24h",
    late_after: Annotated[
        str,
        typer.Option(metavar="DURATION", help="Age from which a pending export is late: the setting lateAfterHours."),
    ] = "24h",
) -> ExitCode:
    """Show which exports are stored, late, or not stored, and why. Times are in UTC.

    Exit code: 1 if an export that is shown is not stored, 3 if one is pending, otherwise 0.
    """
    now = context.now()
    moment, limit = read_since(since, now), read_duration(late_after)
    groups = grouped(Catalog(context.dynamodb, context.table_name), since=moment, late_before=now - limit)
    if context.output.is_table:
        _show_tables(context, groups, moment, limit)
    elif context.output.form == "json":
        context.output.json(_document(context, groups, moment))
    else:
        rows = ({"group": name, **_described(item)} for name, item in groups.all())
        context.output.rows(rows, ("group", "why", "recordedAt", *MEMBERS))
    return exit_code_of(str(item.get("status")) for _, item in groups.all())


def grouped(catalog: Catalog, *, since: datetime, late_before: datetime) -> Groups:
    """An export is late if it is not settled and was requested before ``late_before``, whenever that was recorded."""
    groups, since_text, late_text = Groups(), utc_text(since), utc_text(late_before)
    items, groups.counts = catalog.recent_and_unsettled(since)
    for item in items:
        outcome = outcome_of(item)
        unsettled = outcome is None or not outcome.settled
        if unsettled and str(item.get("exportRequestTime") or late_text) < late_text:
            groups.late.append(item)
        elif outcome is None:
            groups.pending.append(item)
        elif recorded_at(item) >= since_text:
            (groups.stored if outcome.has_data else groups.not_stored).append(item)
    return groups


def recorded_at(item: Item) -> str:
    """When the outcome was recorded; an outcome that is not settled is announced at once."""
    return str(item.get("settledAt") or item.get("announcedAt") or item.get("firstSeenAt") or "")


def _described(item: Item) -> dict[str, object]:
    return {**listing.with_why(item), "recordedAt": recorded_at(item)}


def _age(item: Item, now: datetime) -> str:
    requested = str(item.get("exportRequestTime") or item.get("firstSeenAt") or "")
    return short_duration(now - datetime.fromisoformat(requested)) if requested else ""


def _document(context: Context, groups: Groups, since: datetime) -> dict[str, object]:
    shown = {
        name: [_described(item) for item in newest_first(groups.named(name))]
        for name in ("stored", "late", "notStored", "pending")
    }
    return {"stack": context.stack, "since": utc_text(since), "counts": dict(groups.counts), **shown}


def _show_tables(context: Context, groups: Groups, since: datetime, limit: timedelta) -> None:
    start = short_time(since.isoformat())
    size = sum(int(item.get("bytes", 0)) for item in groups.stored)
    total = ", ".join(f"{count:,} {status}" for status, count in groups.counts.items()) or "none"
    _show(context, f"Stored since {start} UTC ({short_bytes(size)})", groups.stored, STORED_COLUMNS)
    late = f"Late: requested more than {short_duration(limit)} ago, not settled"
    _show(context, late, groups.late, LATE_COLUMNS)
    _show(context, f"Not stored since {start} UTC", groups.not_stored, FAILED_COLUMNS)
    _show(context, "Pending", groups.pending, PENDING_COLUMNS)
    context.output.line(f"All exports of the stack {context.stack}: {total}")


def _show(context: Context, title: str, items: list[Item], columns: tuple[Column, ...]) -> None:
    context.output.line(f"{title}: {len(items):,}" if items else f"{title}: none")
    if items:
        first = newest_first(items)[:MAX_SHOWN]
        context.output.table([{**_described(item), "age": _age(item, context.now())} for item in first], columns)
    if len(items) > MAX_SHOWN:
        context.output.line(f"… and {len(items) - MAX_SHOWN:,} more: {PROGRAM} status -o csv, or {PROGRAM} list")
    context.output.line()
