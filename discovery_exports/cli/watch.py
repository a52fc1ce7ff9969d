"""``discovery-exports watch``: follows a run or an export."""

from typing import Annotated

import typer

from discovery_exports.cli.commands import PROGRAM, command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode
from discovery_exports.cli.times import read_duration
from discovery_exports.cli.waiting import TIMEOUT


def register(app: typer.Typer) -> None:
    command(app, "watch")(watch)


def watch(
    context: Context,
    name: Annotated[str, typer.Argument(metavar="RUN|ID", help="The ID or ARN of a run, or the ID of an export.")],
    timeout: TIMEOUT = None,
) -> ExitCode:
    """Follow a run or an export until it ends, and print the outcomes.

    If a run has the name of an export, as those that CloudTrail events start, the command follows the run. Exit code: 0
    if everything is stored, 1 if an export is not, 3 at the timeout or if an export timed out.
    """
    from discovery_exports.cli import listing
    from discovery_exports.cli.catalog import MEMBERS, exit_code_of
    from discovery_exports.cli.following import Clock, follow_export
    from discovery_exports.cli.results import wait_for
    from discovery_exports.cli.runs import Runs
    from discovery_exports.cli.show import item_of

    limit = read_duration(timeout) if timeout is not None else None
    if execution := Runs(context).find(name):
        return wait_for(context, [execution], limit)
    item = item_of(context, name, or_run=True)
    item = follow_export(context, name, Clock(context, limit)) or item
    context.output.rows([listing.with_why(item)], MEMBERS, listing.COLUMNS)
    code = exit_code_of([str(item.get("status"))])
    if code is ExitCode.PENDING:
        context.say(f"Not done yet. To follow it: {PROGRAM} watch {name}")
    return code
