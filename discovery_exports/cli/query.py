"""``discovery-exports query``: runs a saved query, or SQL from standard input, in Athena."""

import re
import sys
from typing import Annotated

import typer

from discovery_exports.cli.commands import command
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misused
from discovery_exports.cli.output import Column

QUERY_COLUMNS = (Column("number", "no."), Column("name", "query", whole=True), Column("question", "question"))
MAX_BYTES = 262_144
"""Of a query: https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html"""
READING = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC")
"""First words of the statements of Athena that change nothing. EXPLAIN may be before one of them, once."""
_COMMENT = r"--[^\r\n]*+|(?>/\*.*?(?:\*/|\Z))"
_BEFORE_WORD = rf"(?:[\s;(]++|{_COMMENT})*+"
"""Blanks, parentheses and comments. Nothing is tried twice, so the time is proportional to the length."""
_FIRST_WORD = re.compile(rf"{_BEFORE_WORD}(\w++|.|\Z)", re.DOTALL)
_EXPLAIN = re.compile(
    rf"{_BEFORE_WORD}EXPLAIN\b{_BEFORE_WORD}(?:ANALYZE\b{_BEFORE_WORD})?(?:VERBOSE\b{_BEFORE_WORD})?"
    r"(?:(?:FORMAT|TYPE)\b[\w\s,]*+\))?",
    re.DOTALL | re.IGNORECASE,
)
"""https://docs.aws.amazon.com/athena/latest/ug/athena-explain-statement.html; with ANALYZE, the statement is run."""

_ONE_STATEMENT = re.compile(
    rf"""((?:[^;'"`/-]++|'[^']*+'?+|"[^"]*+"?+|`[^`]*+`?+|{_COMMENT}|[/-])*+)(?:[\s;]++|{_COMMENT})*+""", re.DOTALL
)
"""A statement up to a semicolon that is outside of quotes and comments, and then only semicolons, blanks, comments."""


def register(app: typer.Typer) -> None:
    command(app, "query")(query)


def query(
    context: Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME|-", help="The name or number of a saved query; - reads SQL from standard input."),
    ] = None,
) -> None:
    """Run a saved query, or SQL of your own, in Athena, and print its rows. Without NAME, list the saved queries.

    SQL that could change something, such as DROP, is refused, and so is a second statement. A table has the first 1,000
    rows. The other forms have all, and are printed as they are read. An interrupt cancels the query.
    """
    if name is None:
        from discovery_exports.cli.saved_queries import saved_queries

        rows = [{"number": each.number, "name": each.name, "question": each.question} for each in saved_queries()]
        context.output.rows(rows, ("number", "name", "question"), QUERY_COLUMNS)
        return
    sql = _from_standard_input() if name == "-" else _saved(name)
    from discovery_exports.cli.athena import Athena

    Athena(context).print_rows(sql)


def _saved(name: str) -> str:
    from discovery_exports.cli.saved_queries import find

    return find(name).sql


def _from_standard_input() -> str:
    try:
        # Not sys.stdin.read(): in some locales it reads any bytes, as text that no request can contain.
        sql = sys.stdin.buffer.read().decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Misused("Standard input is not text in UTF-8.") from None
    word = first_word(sql)
    if not word:
        raise Misused("Standard input has no SQL. Example: echo 'SELECT * FROM exports' | discovery-exports query -")
    if len(sql.encode()) > MAX_BYTES:
        raise Misused(f"The SQL has more than {MAX_BYTES:,} bytes, the limit of Athena.")
    if word not in READING:
        raise Misused(
            f"{word[:40]} … is not run: this command only reads, with {', '.join(READING)} or EXPLAIN. "
            "Use the Athena console, or aws athena start-query-execution."
        )
    statement = _ONE_STATEMENT.fullmatch(sql)
    if not statement:
        raise Misused("Standard input has more than one statement. Write only one: there is text after a semicolon.")
    return statement[1].strip()


def first_word(sql: str) -> str:
    """The word that says what the statement does, in capitals: of EXPLAIN, that of the statement that it explains."""
    explained = _EXPLAIN.match(sql)
    found = _FIRST_WORD.match(sql, explained.end() if explained else 0)
    return found[1].upper() if found else ""
