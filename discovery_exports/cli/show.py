"""``discovery-exports show``: everything about one export."""

import json
from typing import Annotated, Any

import typer

from discovery_exports.cli.catalog import MEMBERS, Catalog, Item, exit_code_of, outcome_of, public, why
from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode, Misused, NotStored
from discovery_exports.cli.output import Column, number
from discovery_exports.cli.run_input import valid_export_id
from discovery_exports.cli.times import short_bytes

FILE_MEMBERS = ("name", "dataset", "bytes", "rows", "sha256", "key", "tableKey")
FILE_COLUMNS = (
    Column("dataset", "dataset", whole=True),
    Column("bytes", "size", short_bytes, right=True, whole=True),
    Column("rows", "rows", number, right=True, spare=1),
    Column("name", "file"),
)


def register(app: typer.Typer) -> None:
    command(app, "show")(show)


def show(
    context: Context, export_id: Annotated[str, typer.Argument(metavar="ID", help="The ID of the export.")]
) -> ExitCode:
    """Show what the catalog and the manifest say about one export.

    JSON has both; CSV and JSON lines have the files of the manifest. Exit code: 0 if the export is stored, 1 if it is
    not or is unknown, 3 if it is in progress.
    """
    item = item_of(context, export_id)
    manifest = manifest_of(context, item)
    files = manifest["files"] if manifest else []
    if context.output.is_table:
        _show_table(context, item, manifest)
    elif context.output.form == "json":
        context.output.json({"export": public(item), "manifest": manifest})
    else:
        context.output.rows(files, FILE_MEMBERS)
    return exit_code_of([str(item.get("status"))])


def item_of(context: Context, export_id: str, *, or_run: bool = False) -> Item:
    """The item of the export. Raises NotStored if the catalog has none. ``or_run``: nor is there a run with this ID."""
    from discovery_exports.cli.runs import OWN_NAME

    try:
        item = Catalog(context.dynamodb, context.table_name).item(valid_export_id(export_id))
    except Misused:
        if or_run:
            raise Misused(f"{export_id!r} is neither the ID or ARN of a run nor the ID of an export.") from None
        raise
    if item is None:
        advice = f", or store the export: discovery-exports store {export_id}"
        raise NotStored(
            f"The stack {context.stack} knows no {'run and no ' if or_run else ''}export {export_id}. "
            f"Check the ID{'.' if OWN_NAME.fullmatch(export_id) else advice}"
        )
    return item


def manifest_of(context: Context, item: Item) -> dict[str, Any] | None:
    """The manifest of a stored export; None for any other, and if the object was deleted."""
    key = item.get("manifestKey")
    if not key:
        return None
    try:
        body = context.s3.get_object(Bucket=context.bucket_name, Key=str(key))["Body"].read()
    except context.s3.exceptions.NoSuchKey:
        context.say(f"The manifest s3://{context.bucket_name}/{key} was deleted.")
        return None
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise NotStored(
            f"s3://{context.bucket_name}/{key} is no manifest: it was changed. Look for its earlier versions."
        )
    return document


def _show_table(context: Context, item: Item, manifest: dict[str, Any] | None) -> None:
    rows = [{"name": name, "value": item[name]} for name in MEMBERS if item.get(name) is not None]
    if outcome_of(item) is None:
        rows.insert(2, {"name": "why", "value": why(item)})
    of_manifest = [(name, (manifest or {}).get(name)) for name in ("actualStartTime", "actualEndTime", "schemaNotes")]
    rows += [{"name": name, "value": value} for name, value in of_manifest if value]
    context.output.table(rows, [Column("name", "", whole=True), Column("value", "", number)])
    if manifest:
        context.output.line()
        context.output.table(manifest["files"], FILE_COLUMNS)
