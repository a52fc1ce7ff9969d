"""``discovery-exports outputs``: the names and ARNs of the stack's resources, for other tools."""

from typing import Annotated

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misused
from discovery_exports.cli.output import Column, Form
from discovery_exports.cli.text import printable


def register(app: typer.Typer) -> None:
    command(app, "outputs")(show_outputs)


def show_outputs(
    context: Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Print the value of this output alone: as text, or with -o json as JSON.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the outputs of the stack: names and ARNs for other tools."""
    if name is not None:
        if name not in context.outputs:
            known = ", ".join(sorted(context.outputs))
            raise Misused(f"The stack {context.stack} has no output {name!r}. It has {known}.")
        if context.options.output in {Form.JSON, Form.JSONL}:
            context.output.json(context.outputs[name])
        else:  # also in a pipe, for $(discovery-exports outputs BucketName)
            print(printable(context.outputs[name]))
        return
    if context.output.form in ("json", "jsonl"):
        context.output.json(dict(context.outputs))
        return
    rows = [{"output": key, "value": value} for key, value in sorted(context.outputs.items())]
    context.output.rows(
        rows, ["output", "value"], [Column("output", "output", whole=True), Column("value", "value", whole=True)]
    )
