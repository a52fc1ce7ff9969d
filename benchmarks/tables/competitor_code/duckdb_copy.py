"""DuckDB's COPY of CSV files on disk to Parquet. A cell that does not fit its type becomes null."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks.tables.competitor_code.job import Job, Table

DIALECT = """header = true, auto_detect = false, delim = ',', quote = '"', escape = '"'"""
TYPES = {"string": "VARCHAR"}
"""The types with another name than in Glue."""


def ready(job: Job) -> Callable[[str], None]:
    connection = duckdb.connect(config={"threads": 1})

    def make_tables(name: str) -> None:
        for table in job.tables(name):
            copy_to_parquet(connection, job.csv_file(name, table), table, job.output_file(table.key))

    return make_tables


def copy_to_parquet(connection: duckdb.DuckDBPyConnection, source: Path, table: Table, target: Path) -> None:
    """The columns are given, so DuckDB reads the file once, without a look for its dialect and types."""
    texts = ", ".join(f"{_literal(header)}: 'VARCHAR'" for header in table.columns)
    values = ", ".join(
        f"TRY_CAST({_identifier(header)} AS {TYPES.get(kind, kind)}) AS {_identifier(name)}"
        for header, (name, kind) in table.columns.items()
    )
    rows = f"read_csv({_literal(source)}, {DIALECT}, columns = {{{texts}}})"
    query = f"SELECT {values} FROM {rows}"  # noqa: S608 - the columns are this project's
    connection.execute(f"COPY ({query}) TO {_literal(target)} (FORMAT parquet, COMPRESSION zstd)")


def _literal(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
