"""The command ``discovery-exports`` with all its commands."""

import os
import signal
import sys
from io import TextIOWrapper
from pathlib import Path

from discovery_exports.cli import (
    again,
    coverage,
    doctor,
    double,
    get,
    list_exports,
    outputs,
    page,
    plan,
    query,
    show,
    start,
    status,
    store,
    watch,
)
from discovery_exports.cli.commands import PROGRAM, make_app, report
from discovery_exports.cli.failures import ExitCode
from discovery_exports.cli.handoff import commands as handoff

app = make_app()
for module in (
    status,
    list_exports,
    show,
    get,
    store,
    watch,
    again,
    start,
    plan,
    coverage,
    query,
    handoff,
    page,
    doctor,
    outputs,
    double,
):
    module.register(app)


def main() -> None:
    """The entry point of the package."""
    # What a CI job sends when it is canceled ends the command as Ctrl-C does: nothing half written is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    if sys.stderr is None:  # print() would write the notes to standard output
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    if sys.stdout is None:  # closed, as by `>&-`
        report("Cannot write the output: standard output is closed. Nothing was done.")
        sys.exit(ExitCode.CONFIGURATION)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a character shows its escape
            stream.reconfigure(errors="backslashreplace")
    app(prog_name=PROGRAM)
