"""``discovery-exports again``: requests again what is not stored."""

from collections.abc import Sequence
from typing import Annotated

import typer

from discovery_exports.cli.catalog import Catalog, outcome_of
from discovery_exports.cli.commands import PROGRAM, command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode, Pending
from discovery_exports.cli.results import TIMEOUT, WAIT, run_failed, start_and_report, timeout_of
from discovery_exports.cli.run_input import inputs_for_ids, valid_export_id
from discovery_exports.cli.runs import Execution, Runs


def register(app: typer.Typer) -> None:
    command(app, "again")(again)


def again(
    context: Context,
    names: Annotated[
        list[str], typer.Argument(metavar="RUN|ID...", help="IDs or ARNs of runs that have ended, or IDs of exports.")
    ],
    wait: WAIT = False,
    timeout: TIMEOUT = None,
) -> ExitCode:
    """Request again the exports that are not stored: those of a run, or by their IDs.

    The new run reads a FAILED export from the service again, downloads a REJECTED export again, and resumes any other.
    Exit codes are those of store.
    """
    limit = timeout_of(wait, timeout)
    export_ids = [export_id for name in dict.fromkeys(names) for export_id in _exports_of(context, name)]
    missing = _not_stored(context, export_ids)
    if not missing:
        context.say(f"Nothing to do: all exports ({len(export_ids):,}) are stored.")
        return ExitCode.DONE
    return start_and_report(context, "again", inputs_for_ids(missing), wait=wait, timeout=limit)


def _exports_of(context: Context, name: str) -> Sequence[str]:
    """The exports of a run that has ended, or the export with this ID."""
    execution = Runs(context).find(name)
    if execution is None:
        return [valid_export_id(name)]
    return _planned(context, execution)


def _planned(context: Context, execution: Execution) -> Sequence[str]:
    if execution.running:
        raise Pending(f"The run {execution.run_id} has not ended. Follow it: {PROGRAM} watch {execution.run_id}")
    plan = Runs(context).plan(execution.run_id)
    if plan is None:
        raise run_failed(execution)
    return plan.export_ids


def _not_stored(context: Context, export_ids: Sequence[str]) -> list[str]:
    items = Catalog(context.dynamodb, context.table_name).items(export_ids)
    outcomes = {each: outcome_of(items.get(each, {})) for each in export_ids}
    return [each for each, outcome in outcomes.items() if outcome is None or not outcome.has_data]
