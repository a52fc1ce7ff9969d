"""What a command prints on standard output: a table for people, or JSON, JSON lines or CSV.

Values come from exports and from AWS, so none of them can contain a character that controls a terminal. Everything
else, such as progress, is on standard error.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from textwrap import indent
from typing import TYPE_CHECKING, Any, Literal

from discovery_exports.cli.text import cell, printable

MIN_WIDTH = 8
"""Characters that a column keeps on a narrow terminal, if it is one that can be broken over lines."""
MAX_TABLE_ROWS = 1_000
"""Of ``list`` and ``query``: a table is measured before it is printed. The other forms have all rows."""

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]


class Form(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the member of a row that it shows, and how."""

    member: str
    title: str
    show: Callable[[Any], str] = str
    right: bool = False
    whole: bool = False
    """Never broken over lines, so that it can be copied."""
    spare: int = 0
    """Above 0: left out if the table does not fit the terminal, those with the highest number first."""
    style: Callable[[str], str] | None = None
    """Rich's style for a text of this column."""

    def text(self, row: Row) -> str:
        value = row.get(self.member)
        return "" if value is None else printable(self.show(value))


def number(value: object) -> str:
    """With thousands separators; any other value as JSON has it, text without quotes."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
    return _json(value)


class Output:
    """Prints in one form: the given one, else a table on a terminal and JSON anywhere else."""

    def __init__(self, form: Form | None = None) -> None:
        self.form = form or (Form.TABLE if sys.stdout.isatty() else Form.JSON)

    @property
    def is_table(self) -> bool:
        return self.form is Form.TABLE

    def rows(self, rows: Iterable[Row], members: Sequence[str], columns: Sequence[Column] | None = None) -> None:
        """Print rows of one shape, in their order.

        ``members`` are those of all rows, in the order of CSV. A table shows ``columns``, or all members.
        """
        match self.form:
            case Form.TABLE:
                self.table(rows, columns or [Column(name, name, number) for name in members])
            case Form.JSON:
                _print_list(self._of(row, members) for row in rows)
            case Form.JSONL:
                for row in rows:
                    print(_json(self._of(row, members)))
            case Form.CSV:
                import csv

                writer = csv.writer(sys.stdout, lineterminator="\n")
                writer.writerow(cell(name) for name in members)
                writer.writerows([_csv_cell(row.get(name)) for name in members] for row in rows)

    @staticmethod
    def _of(row: Row, members: Sequence[str]) -> dict[str, Any]:
        return {name: row[name] for name in members if row.get(name) is not None}

    def json(self, document: Any) -> None:
        """Print a JSON document, on one line as JSON lines."""
        print(_json(document, indent=None if self.form is Form.JSONL else 2))

    def line(self, text: str = "") -> None:
        """Print a line of text between tables."""
        print(printable(text))

    def table(self, rows: Iterable[Row], columns: Sequence[Column]) -> None:
        """Print a table without lines around its cells. Without a terminal, it has no colors, and no limit of width."""
        from rich.table import Table
        from rich.text import Text

        console = make_console()
        rows = list(rows)
        if console.is_terminal:
            columns = _fitting(rows, columns, console.width)
            console.width = max(console.width, _least_width(rows, columns))
        else:
            console.width = 100_000
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(each.title for each in columns))
        for column in columns:
            justify: Literal["right", "left"] = "right" if column.right else "left"
            table.add_column(Text(column.title, "bold"), justify=justify, no_wrap=column.whole, overflow="fold")
        for row in rows:
            table.add_row(*(Text(text := each.text(row), each.style(text) if each.style else "") for each in columns))
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            print(line.rstrip())


def make_console(*, stderr: bool = False) -> "Console":
    """Rich's console, which takes no markup from texts. NO_COLOR turns off bold text, too."""
    from rich.console import Console

    color: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Console(stderr=stderr, color_system=color, highlight=False, markup=False, emoji=False)


def _fitting(rows: Sequence[Row], columns: Sequence[Column], width: int) -> Sequence[Column]:
    """The columns that fit: as many as possible of those that can be left out."""
    fitting = list(columns)
    for spare in sorted(filter(lambda each: each.spare, columns), key=lambda each: -each.spare):
        if _least_width(rows, fitting) <= width:
            break
        fitting.remove(spare)
    return fitting


def _least_width(rows: Sequence[Row], columns: Sequence[Column]) -> int:
    """The width below which Rich would cut text off. A line that is longer than the terminal is better than that."""
    least = 0
    for column in columns:
        width = max((len(column.text(row)) for row in rows), default=0)
        least += max(len(column.title), width if column.whole else min(width, MIN_WIDTH)) + 2
    return least - 2


def _json(document: Any, indent: int | None = None) -> str:
    """In printable ASCII, so that no character of a value controls a terminal."""
    return json.dumps(document, indent=indent, default=str)


def _print_list(documents: Iterable[Any]) -> None:
    """Print a JSON list without holding it in memory, with the same characters as if it were printed at once."""
    count = 0
    for count, document in enumerate(documents, start=1):
        print("[" if count == 1 else ",")
        print(indent(_json(document, indent=2), "  "), end="")
    print("\n]" if count else "[]")


def _csv_cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return value
        case dict() | list() | tuple():
            return cell(_json(value))
    return cell(str(value))
