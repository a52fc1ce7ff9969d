"""Starting runs, waiting for them, and printing their results: what ``store``, ``again`` and ``watch`` share."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from discovery_exports.cli import listing
from discovery_exports.cli.catalog import exit_code_of
from discovery_exports.cli.commands import PROGRAM
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode, Failure, NotStored, failure_of, one_line
from discovery_exports.cli.following import Clock, exports_done, follow_run
from discovery_exports.cli.output import Column
from discovery_exports.cli.runs import Execution, Runs

RUN_MEMBERS = ("runId", "status", "executionArn")
RUN_COLUMNS = (Column("runId", "run", whole=True), Column("status", "status"), Column("executionArn", "ARN"))
RESULT_MEMBERS = ("exportId", "outcome", "kind", "reason", "statusMessage", "manifest", "runId")
RESULT_COLUMNS = (
    listing.ID,
    Column("outcome", "outcome", whole=True, style=listing.style_of),
    listing.KIND,
    listing.WHY,
)


def start_and_report(
    context: Context,
    name: str,
    inputs: Iterable[Mapping[str, Any]],
    *,
    wait: bool,
    timeout: timedelta | None,
    if_not_started: str = "",
) -> ExitCode:
    """Start a run for each input. Without ``wait``, print the runs; otherwise, their results.

    ``if_not_started`` is advice for the case that the first run cannot be started.
    """
    started: list[Execution] = []
    for each in inputs:
        try:
            started.append(Runs(context).start(name, each))
        except Exception as error:
            advice = _go_on(started) if started else if_not_started
            if advice and (failure := failure_of(error)):
                raise type(failure)(f"{failure} {advice}") from error
            raise
        context.say(f"Started the run {started[-1].run_id}.")
    if wait:
        return wait_for(context, started, timeout)
    rows = [{"runId": each.run_id, "status": each.status, "executionArn": each.arn} for each in started]
    context.output.rows(rows, RUN_MEMBERS, RUN_COLUMNS)
    context.say(f"To follow it: {PROGRAM} watch {started[0].run_id}")
    return ExitCode.DONE


def nothing_started(context: Context, *, wait: bool) -> ExitCode:
    """Print that there are no runs, or no results, in the forms that programs read."""
    if not context.output.is_table:
        context.output.rows([], RESULT_MEMBERS if wait else RUN_MEMBERS)
    return ExitCode.DONE


def wait_for(context: Context, executions: Sequence[Execution], timeout: timedelta | None) -> ExitCode:
    """Follow the runs until all have ended, and print every export with its outcome."""
    clock = Clock(context, timeout)
    ended = [follow_run(context, each, clock) for each in executions]
    results: list[dict[str, Any]] = []
    failures: list[Failure] = []
    for each in ended:
        try:
            results += [] if each.running else _results(context, each)
        except NotStored as failure:
            failures.append(failure)
    if failures and len(ended) == 1:
        raise failures[0]
    running = [each.run_id for each in ended if each.running]
    if results or not context.output.is_table:
        context.output.rows(results, RESULT_MEMBERS, RESULT_COLUMNS)
    if running:
        context.say(f"Not done yet. To follow it: {PROGRAM} watch {running[0]}")
    elif not results and not failures:
        context.say("There was nothing to store.")
    if failures:
        raise NotStored(" ".join(map(str, failures)))
    code = exit_code_of(result["outcome"] for result in results)
    return ExitCode.PENDING if running and code is ExitCode.DONE else code


def _go_on(started: Sequence[Execution]) -> str:
    return f"These runs go on: {', '.join(each.run_id for each in started)}."


def _results(context: Context, execution: Execution) -> list[dict[str, Any]]:
    """Every export of a run that has ended, from its report. Raises NotStored if the run ended without one."""
    if execution.status == "SUCCEEDED" or execution.error == "ExportsNotStored":
        report = Runs(context).report(execution.run_id)
        if report is not None:
            return [_result(export, execution.run_id) for export in report["exports"]]
    plan = Runs(context).plan(execution.run_id)
    raise run_failed(execution, exports_done(context, plan) if plan else "")


def _result(export: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    return {**export, "runId": run_id, "why": export.get("reason") or export.get("statusMessage")}


def run_failed(execution: Execution, done: str = "") -> Failure:
    """The failure of a run that has ended without a report.

    ``done`` says how many of its exports have an outcome; it is empty if the run has planned none.
    """
    reason = ": ".join(one_line(part) for part in (execution.error, execution.cause) if part)
    return NotStored(
        f"The run {execution.run_id} ended as {execution.status} without a report{': ' if reason else ''}{reason}. "
        "See the section on failed runs in the runbook."
        + (f" {done}. {PROGRAM} again {execution.run_id} --wait requests again what is not stored." if done else "")
    )
