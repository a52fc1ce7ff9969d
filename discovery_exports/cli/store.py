"""``discovery-exports store``: starts a run."""

from typing import Annotated

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode, Misused
from discovery_exports.cli.run_input import input_for_agents, inputs_for_ids
from discovery_exports.cli.waiting import TIMEOUT, WAIT, timeout_of


def register(app: typer.Typer) -> None:
    command(app, "store")(store)


def store(
    context: Context,
    export_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="The IDs of exports.", show_default=False)
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Store every export of this Discovery agent; repeatable."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Store every export that the service lists and that is not settled: a sweep.")
    ] = False,
    wait: WAIT = False,
    timeout: TIMEOUT = None,
) -> ExitCode:
    """Start a run that stores exports. What is stored already is not downloaded again.

    Exit code with --wait: 0 if every export is stored, 1 if one is not, 3 if the run has not ended or an export timed
    out.
    """
    from discovery_exports.cli.results import start_and_report

    if sum(map(bool, (export_ids, agent, every))) != 1:
        raise Misused("Name exports, or agents with --agent, or --all: one of the three.")
    limit = timeout_of(wait, timeout)
    inputs = list(inputs_for_ids(export_ids)) if export_ids else [input_for_agents(agent) if agent else {}]
    return start_and_report(context, "store", inputs, wait=wait, timeout=limit)
