"""pyarrow: a stream of batches from the CSV reader to the Parquet writer, in bounded memory, from the zip file."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.tables.competitor_code.job import Job, Table

TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us"),
}
BLOCK_BYTES = 8 << 20
"""Each block becomes a row group. With the default of 1 MiB, the files are larger and take more time."""


def ready(job: Job) -> Callable[[str], None]:
    pa.set_cpu_count(1)

    def make_tables(name: str) -> None:
        with zipfile.ZipFile(job.zip_file(name)) as archive:
            for table in job.tables(name):
                with archive.open(table.member) as source:
                    write_parquet(source, table, job.output_file(table.key))

    return make_tables


def write_parquet(source: IO[bytes], table: Table, target: Path | IO[bytes]) -> None:
    """The reader converts to the types; a cell that does not fit raises ArrowInvalid."""
    types = {header: TYPES[kind] for header, (_, kind) in table.columns.items()}
    names = [name for name, _ in table.columns.values()]
    reader = csv.open_csv(
        source,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""]),
    )
    schema = pa.schema(list(zip(names, types.values(), strict=True)))
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch.rename_columns(names))
