"""Whether the tables of a competitor have the rows of the CSV files."""

import math
from collections.abc import Mapping

import pyarrow as pa
from pyarrow import parquet

from benchmarks.tables.inputs import TableContent

Objects = Mapping[str, bytes]
"""Objects by key."""


def difference(expected: Mapping[str, TableContent], objects: Objects) -> str:
    """What differs first; empty if every table has the expected number of rows and the expected sum of a column."""
    for dataset, content in expected.items():
        tables = [body for key, body in objects.items() if key.startswith(f"tables/{dataset}/")]
        found = [_rows_and_total(body, content.column) for body in tables]
        rows, total = sum(rows for rows, _ in found), math.fsum(total for _, total in found)
        if rows != content.rows:
            return f"{dataset} has {rows} rows, not {content.rows}"
        if not math.isclose(total, content.total, rel_tol=1e-9):
            return f"the sum of {content.column} of {dataset} is {total}, not {content.total}"
    return ""


def _rows_and_total(table: bytes, column: str | None) -> tuple[int, float]:
    file = parquet.ParquetFile(pa.BufferReader(table))
    values = file.read(columns=[column])[column].to_numpy() if column else []
    return file.metadata.num_rows, math.fsum(value for value in values if not math.isnan(value))
