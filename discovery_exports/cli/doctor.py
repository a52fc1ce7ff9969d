"""``discovery-exports doctor``: checks what could prevent exports from being stored or read."""

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import ExitCode
from discovery_exports.cli.output import Column


def register(app: typer.Typer) -> None:
    command(app, "doctor")(doctor)


def doctor(context: Context) -> ExitCode:
    """Check the deployed stack and what it needs: for each check a result, and what to do.

    FAIL: something does not work. WARN: something may not work, or not soon. UNKNOWN: the caller lacks the permission
    to look, or the service is not there. The calls only read. Exit code: 1 if a check has the result FAIL, otherwise 0.
    """
    from discovery_exports.cli.checks import Result, run_checks

    findings = run_checks(context)
    styles = {Result.OK: "green", Result.WARN: "yellow", Result.FAIL: "bold red", Result.UNKNOWN: "dim"}
    columns = (
        Column("result", "result", whole=True, style=lambda text: styles[Result(text)]),
        Column("check", "check", whole=True),
        Column("says", "what was found, and what to do"),
    )
    rows = [each.row for each in findings]
    context.output.rows(rows, ("check", "result", "found", "advice"), columns)
    return ExitCode.NOT_STORED if any(each.result is Result.FAIL for each in findings) else ExitCode.DONE
