"""The job of a competitor, and the tables that it makes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import jobs


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file of the zip file, and the name and type in SQL of each of its columns, by header and in its order."""

    member: str
    dataset: str
    columns: Mapping[str, tuple[str, str]]

    @property
    def key(self) -> str:
        """The key of the table object that a competitor writes. This project has its own keys."""
        return f"tables/{self.dataset}/{Path(self.member).stem}.parquet"


@dataclass(frozen=True, slots=True)
class Job(jobs.Job):
    """Make the tables of each of the exports ``names``.

    The folder ``inputs`` has the zip file ``NAME.zip`` of each, its files in the folder ``NAME``, and the list of its
    tables in ``NAME.json``. Competitors that use no S3 write their objects to files in the folder ``output``.
    """

    inputs: str
    output: str

    def zip_file(self, name: str) -> Path:
        return Path(self.inputs, f"{name}.zip")

    def csv_file(self, name: str, table: Table) -> Path:
        return Path(self.inputs, name, table.member)

    def tables(self, name: str) -> Iterator[Table]:
        documents = json.loads(Path(self.inputs, f"{name}.json").read_text("utf-8"))
        for document in documents:
            columns = {header: (column, kind) for header, (column, kind) in document["columns"].items()}
            yield Table(document["member"], document["dataset"], columns)

    def output_file(self, key: str) -> Path:
        path = Path(self.output, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
