"""``discovery-exports get``: downloads the files of one export and verifies them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode, Failure, Misused, NotStored, Pending
from discovery_exports.cli.output import Column, number
from discovery_exports.cli.times import short_bytes

MEMBERS = ("path", "state", "dataset", "bytes", "rows", "sha256", "crc32", "name", "key")
COLUMNS = (
    Column("state", "state", whole=True),
    Column("dataset", "dataset", whole=True, spare=2),
    Column("bytes", "size", short_bytes, right=True, whole=True),
    Column("rows", "rows", number, right=True, spare=1),
    Column("path", "file", lambda path: Path(path).name),
)
MAX_REMARKS = 10
"""Remarks that are printed; ``show`` has all of them."""


def register(app: typer.Typer) -> None:
    command(app, "get")(get)


def get(
    context: Context,
    export_id: Annotated[str, typer.Argument(metavar="ID", help="The ID of the export.")],
    dataset: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only the files of this dataset, such as agent_process; repeatable."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The export as received, in place of its files.")] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-d", metavar="DIR", help="Where to write. Default: a new folder named as the ID."),
    ] = None,
) -> ExitCode:
    """Download the files of an export, and compare each with its SHA-256 in the manifest.

    The same command continues what was interrupted: a file that is not complete has the ending .part, and a complete
    one is not downloaded again. Other files are never overwritten. With --raw, the CRC-32 is compared.

    Exit code: 0 if every file is complete and verified, 1 if the export or a file is not stored, 3 if the export is
    pending.
    """
    from discovery_exports.cli.downloads import Downloads, files_of, raw_file_of
    from discovery_exports.cli.show import item_of, manifest_of

    if raw and dataset:
        raise Misused("--raw is the whole export. Leave out --raw or --dataset.")
    item = item_of(context, export_id)
    manifest = manifest_of(context, item)
    raw_file = raw_file_of(item, manifest) if raw else None
    if manifest is None and raw_file is None:
        raise _nothing_to_get(context, export_id, item)
    files = [raw_file] if raw_file else files_of(manifest or {}, dataset)
    rows = Downloads(context, directory or Path(export_id)).get(files)
    context.output.rows(rows, MEMBERS, COLUMNS)
    if not rows:
        context.say(f"The export {export_id} has no files.")
    if item["status"] != "STORED":
        context.say(f"The export is {item['status']}{_meaning(str(item['status']))}.")
    _say_remarks(context, export_id, (manifest or {}).get("schemaNotes"))
    return ExitCode.DONE


def _nothing_to_get(context: Context, export_id: str, item: Any) -> Failure:
    from discovery_exports.cli.catalog import exit_code_of, why

    status = str(item.get("status"))
    reason = why(item).rstrip(".")
    says = f"The export {export_id} is {status}{f' ({reason})' if reason else ''}"
    if exit_code_of([status]) is ExitCode.PENDING:
        return Pending(f"{says}. To follow it: discovery-exports watch {export_id}")
    if exit_code_of([status]) is ExitCode.DONE:  # its manifest was deleted
        return NotStored(f"{says}, but its manifest is gone, so nothing can be verified. Restore it from its versions.")
    kept = f" What was received is kept: discovery-exports get {export_id} --raw." if item.get("rawKey") else ""
    return NotStored(f"{says}.{kept} To request it again: discovery-exports again {export_id}")


def _meaning(status: str) -> str:
    return ": the data is incomplete for its time range" if status == "TRUNCATED" else ""


def _say_remarks(context: Context, export_id: str, notes: Any) -> None:
    if not isinstance(notes, list) or not notes:
        return
    context.say(f"The manifest has remarks on {len(notes):,} files (docs/reading.md explains them):")
    for note in notes[:MAX_REMARKS]:
        remarks = ", ".join(str(each) for each in note if each != "name") if isinstance(note, dict) else ""
        context.say(f"  {str(note.get('name'))[:100] if isinstance(note, dict) else note}: {remarks}")
    if len(notes) > MAX_REMARKS:
        context.say(f"  … all of them: discovery-exports show {export_id} -o json")
