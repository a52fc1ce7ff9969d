"""The exports of runs, or with given IDs, that are not stored."""

from collections.abc import Iterable, Sequence

from discovery_exports.cli.catalog import Catalog, outcome_of
from discovery_exports.cli.commands import PROGRAM
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Pending
from discovery_exports.cli.results import run_failed
from discovery_exports.cli.runs import Execution, Runs
from discovery_exports.cli.show import item_of


def exports_of(context: Context, name: str) -> Sequence[str]:
    """The exports of a run that has ended, or the export with this ID. Raises NotStored if the stack knows neither."""
    execution = Runs(context).find(name)
    if execution is None:
        return [str(item_of(context, name, or_run=True)["exportId"])]
    return _planned(context, execution)


def _planned(context: Context, execution: Execution) -> Sequence[str]:
    if execution.running:
        raise Pending(f"The run {execution.run_id} has not ended. Follow it: {PROGRAM} watch {execution.run_id}")
    plan = Runs(context).plan(execution.run_id)
    if plan is None:
        raise run_failed(execution)
    return plan.export_ids


def not_stored(context: Context, export_ids: Iterable[str]) -> list[str]:
    ids = list(export_ids)
    items = Catalog(context.dynamodb, context.table_name).items(ids)
    outcomes = {each: outcome_of(items.get(each, {})) for each in ids}
    return [each for each, outcome in outcomes.items() if outcome is None or not outcome.has_data]
