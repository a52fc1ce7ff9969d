"""``discovery-exports handoff``: files that the next migration tool accepts, made from the newest stored exports."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from discovery_exports.cli.commands import command, make_group
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misused
from discovery_exports.cli.handoff.choices import GraphFormat, Meaning, Variant

if TYPE_CHECKING:
    from discovery_exports.cli.handoff.making import HandOff

To = Annotated[
    str | None, typer.Option("--to", metavar="FILE|s3://…", help="Where to write. Default: a file in this folder.")
]
Exports = Annotated[
    list[str] | None, typer.Option("--export", metavar="ID", help="Use only this export; repeatable. Name a summary.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Use only exports that were requested until this day.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the counts, and write nothing.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]
EnvironmentTag = Annotated[
    list[str],
    typer.Option(
        metavar="KEY", envvar="DISCOVERY_EXPORTS_ENVIRONMENT_TAG", help="The tag with the environment; repeatable."
    ),
]
DataCenterTag = Annotated[
    list[str],
    typer.Option(
        metavar="KEY", envvar="DISCOVERY_EXPORTS_DATA_CENTER_TAG", help="The tag with the data center; repeatable."
    ),
]
WaveTag = Annotated[
    list[str],
    typer.Option(metavar="KEY", envvar="DISCOVERY_EXPORTS_WAVE_TAG", help="The tag with the wave; repeatable."),
]
ApplicationTag = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        envvar="DISCOVERY_EXPORTS_APPLICATION_TAG",
        help="A tag with the application, before the one that the server is assigned to; repeatable.",
    ),
]
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
GRAPH_ENDINGS = {
    GraphFormat.CSV: (".csv",),
    GraphFormat.DOT: (".dot", ".gv"),
    GraphFormat.MERMAID: (".mmd", ".mermaid"),
}
ENVIRONMENT, DATA_CENTER, WAVE = ("environment",), ("datacenter",), ("wave",)


def register(app: typer.Typer) -> None:
    group = make_group(app, "handoff", "Write files that the next migration tool accepts, from the newest exports.")
    command(group, "transform")(transform)
    command(group, "mgn")(mgn)
    command(group, "graph")(graph)


def transform(
    context: Context,
    to: To = None,
    variant: Annotated[Variant, typer.Option(help="The form of the files in the zip.")] = Variant.MPA,
    export: Exports = None,
    as_of: AsOf = None,
    environment_tag: EnvironmentTag = list(ENVIRONMENT),  # noqa: B006  # Typer copies it
    data_center_tag: DataCenterTag = list(DATA_CENTER),  # noqa: B006
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a zip of servers and connections for AWS Transform.

    From the newest summary, recommendations, and export of each agent. Cells that were not measured are empty. A report
    beside the file says what was left out, and why.
    """
    tags = {Meaning.ENVIRONMENT: environment_tag, Meaning.DATA_CENTER: data_center_tag}
    hand_off = _hand_off(context, "transform", (".zip",), to, export, as_of, tags, dry_run, overwrite)
    hand_off.transform(variant)


def mgn(
    context: Context,
    to: To = None,
    account: Annotated[
        str, typer.Option(metavar="ID", help="The account to import into. Default: the importing one.")
    ] = "",
    target_region: Annotated[
        str, typer.Option(metavar="NAME", help="The Region to import into. Default: the importing one.")
    ] = "",
    server_tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Copy this tag of servers; repeatable.")
    ] = None,
    export: Exports = None,
    as_of: AsOf = None,
    application_tag: ApplicationTag = None,
    wave_tag: WaveTag = list(WAVE),  # noqa: B006
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the inventory CSV of AWS Application Migration Service: servers, applications, waves, instance types.

    A server needs an IPv4 address that no other server has, or a host name; others are left out and counted in the
    report beside the file.
    """
    keys = list(dict.fromkeys(server_tag or ()))
    if account and not (account.isascii() and account.isdigit() and len(account) == 12):
        raise Misused(f"{account!r} is not an account. Write its 12 digits.")
    if target_region and not REGION.fullmatch(target_region):
        raise Misused(f"{target_region!r} is not a Region. Write it as eu-central-1.")
    if not all(keys):
        raise Misused("--server-tag needs the key of a tag.")
    tags = {Meaning.WAVE: wave_tag, Meaning.APPLICATION: application_tag or (), Meaning.COPIED: keys}
    hand_off = _hand_off(context, "mgn", (".csv",), to, export, as_of, tags, dry_run, overwrite)
    hand_off.mgn(account, target_region, keys)


def graph(
    context: Context,
    to: To = None,
    form: Annotated[
        GraphFormat, typer.Option("--format", help="A table, or a picture for Graphviz or Mermaid.")
    ] = GraphFormat.CSV,
    export: Exports = None,
    as_of: AsOf = None,
    application_tag: ApplicationTag = None,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Write which server connects to which other server: port, protocol, processes, times, count.

    A picture has at most 500 servers. It groups them by application.
    """
    tags = {Meaning.APPLICATION: application_tag or ()}
    hand_off = _hand_off(context, "graph", GRAPH_ENDINGS[form], to, export, as_of, tags, dry_run, overwrite)
    hand_off.graph(form)


def _hand_off(
    context: Context,
    form: str,
    endings: tuple[str, ...],
    to: str | None,
    exports: Sequence[str] | None,
    as_of: str | None,
    tags: Mapping[Meaning, Sequence[str]],
    dry_run: bool,
    overwrite: bool,
) -> "HandOff":
    from discovery_exports.cli.handoff.making import HandOff
    from discovery_exports.cli.handoff.queries import FOREVER, Settings, read_as_of
    from discovery_exports.cli.handoff.target import Target
    from discovery_exports.cli.run_input import valid_export_id

    name = f"{form}{endings[0]}" if to is None else to
    until = FOREVER if as_of is None else read_as_of(as_of, context.now())
    settings = Settings(tuple(dict.fromkeys(map(valid_export_id, exports or ()))), until, tags)
    return HandOff(context, settings, Target(context, name, endings, overwrite), dry_run=dry_run)
