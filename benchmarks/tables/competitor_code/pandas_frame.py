"""pandas: each CSV of the zip file as one DataFrame, written as Parquet."""

import zipfile
from collections.abc import Callable, Mapping
from typing import IO

import pandas as pd

from benchmarks.tables.competitor_code.job import Job, Table

TYPES: Mapping[str, str] = {"string": "str", "bigint": "Int64", "double": "float64"}


def ready(job: Job) -> Callable[[str], None]:
    def make_tables(name: str) -> None:
        with zipfile.ZipFile(job.zip_file(name)) as archive:
            for table in job.tables(name):
                with archive.open(table.member) as source:
                    frame(source, table).to_parquet(job.output_file(table.key), compression="zstd", index=False)

    return make_tables


def frame(source: IO[bytes], table: Table) -> pd.DataFrame:
    kinds = {header: kind for header, (_, kind) in table.columns.items()}
    found = pd.read_csv(
        source,
        dtype={header: TYPES[kind] for header, kind in kinds.items() if kind in TYPES},
        parse_dates=[header for header, kind in kinds.items() if kind == "timestamp"],
    )
    return found.rename(columns={header: name for header, (name, _) in table.columns.items()})
