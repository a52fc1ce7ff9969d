"""The reference of the command in docs/cli.md, written from the help of its commands.

``python -m tools.command_page`` writes it again.
"""

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

import typer
from typer.main import get_command

from discovery_exports.cli.app import app
from discovery_exports.cli.commands import GLOBAL_OPTIONS, PROGRAM

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
BEGIN, END = "<!-- written by python -m tools.command_page -->", "<!-- end -->"


def reference() -> str:
    """A section for each command, then one for the options that all of them have."""
    group: Any = get_command(app)
    parent = typer.Context(group, info_name=PROGRAM)
    return "\n".join(
        [
            *(line for name, command in group.commands.items() for line in _sections(name, command, parent)),
            "### Options of every command",
            "",
            "They can be before or after the name of the command.",
            "",
            *_table([each for each in group.params if each.name in GLOBAL_OPTIONS], parent),
        ]
    )


def _sections(name: str, command: Any, parent: Any) -> Iterator[str]:
    """The section of a command, or those of the commands of a group."""
    if not hasattr(command, "commands"):
        yield from _section(name, command, parent)
        return
    context = typer.Context(command, info_name=name, parent=parent)
    for each, of_group in command.commands.items():
        yield from _section(f"{name} {each}", of_group, context)


def _section(name: str, command: Any, parent: typer.Context) -> Iterator[str]:
    context = typer.Context(command, info_name=name.split()[-1], parent=parent)
    own = [each for each in command.params if each.name not in GLOBAL_OPTIONS]
    yield from (
        f"### `{name}`",
        "",
        "```",
        " ".join([PROGRAM, name, *command.collect_usage_pieces(context)]),
        "```",
        "",
    )
    for paragraph in command.help.split("\n\n"):
        yield from (fill(" ".join(paragraph.split()), 120), "")
    if own:
        yield from (*_table(own, context), "")


def _table(parameters: list[Any], context: typer.Context) -> Iterator[str]:
    yield from ("| argument or option | meaning |", "| --- | --- |")
    for parameter in parameters:
        names, meaning = parameter.get_help_record(context)
        yield f"| `{_cell(names)}` | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def renewed(page: str) -> str:
    """``page`` with the reference between its comments."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def main() -> None:
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
