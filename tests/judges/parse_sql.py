"""Parses SQL as Trino does, run by ``.venv-judges``: JSON list of statements in, list of problems for each out."""

import json
import sys

from trino_query_parser import TrinoSyntaxError, parse_statement
from trino_sql_validator import validate


def problems(statement: str) -> list[str]:
    """What Trino would not understand: syntax by its grammar, then functions that it lacks or calls otherwise."""
    try:
        parse_statement(statement)
    except TrinoSyntaxError as error:
        return [str(error)]
    found = validate(statement)
    return [str(each) for each in (found.error, *found.warnings) if each]


if __name__ == "__main__":
    json.dump([problems(statement) for statement in json.load(sys.stdin)], sys.stdout)
