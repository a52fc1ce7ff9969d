"""``discovery-exports again``: requests again what is not stored."""

from typing import Annotated

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode
from discovery_exports.cli.run_input import inputs_for_ids
from discovery_exports.cli.waiting import TIMEOUT, WAIT, timeout_of


def register(app: typer.Typer) -> None:
    command(app, "again")(again)


def again(
    context: Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|ID...", help="IDs or ARNs of runs that have ended, or IDs of exports in the catalog."
        ),
    ],
    wait: WAIT = False,
    timeout: TIMEOUT = None,
) -> ExitCode:
    """Request again the exports that are not stored: those of a run, or by their IDs.

    The new run reads a FAILED export from the service again, downloads a REJECTED export again, and resumes any other.
    Exit codes are those of store.
    """
    from discovery_exports.cli.results import nothing_started, start_and_report
    from discovery_exports.cli.unstored import exports_of, not_stored

    limit = timeout_of(wait, timeout)
    export_ids = dict.fromkeys(export_id for name in names for export_id in exports_of(context, name))
    missing = not_stored(context, export_ids)
    if not missing:
        context.say(f"Nothing to do: all exports ({len(export_ids):,}) are stored.")
        return nothing_started(context, wait=wait)
    return start_and_report(context, "again", inputs_for_ids(missing), wait=wait, timeout=limit)
