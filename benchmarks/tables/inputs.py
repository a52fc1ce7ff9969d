"""The exports of the benchmark: generated zip files, their files on disk, and what their tables must contain."""

import csv
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tables.competitor_code.job import Table
from exports.datasets.detection import dataset_of
from local.double.data.archive import COMPRESSION_LEVEL, write_export
from local.double.data.contents import Contents, Kind
from local.double.data.data_center import DataCenter

TABLES = Path("functions/exports/datasets/tables.json")
NUMBERS = ("bigint", "double")


@dataclass(frozen=True, slots=True)
class Export:
    """An export to generate. The rows of each file are repeated ``times``."""

    name: str
    data_center: DataCenter
    contents: Contents
    times: int = 1


def agent_export(name: str, rows: int, times: int = 1) -> Export:
    """``rows`` samples, and as many connections to and from each of three peers: a kilobyte of CSV for each."""
    data_center = DataCenter()
    return Export(name, data_center, Contents(Kind.AGENT, data_center.server(0).agent_id, rows=rows), times)


def summary(name: str, servers: int) -> Export:
    return Export(name, DataCenter(size=servers), Contents())


@dataclass(frozen=True, slots=True)
class TableContent:
    """The number of rows of a table, and the sum of its first column of numbers, if it has one."""

    rows: int
    column: str | None
    total: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """An export on disk. ``csv_bytes`` are those of the files with a table; ``contents`` is by dataset."""

    zip_bytes: int
    csv_bytes: int
    member_bytes: int
    contents: Mapping[str, TableContent] = field(repr=False)


def prepare(folder: Path, export: Export) -> Prepared:
    """Write the export to the folder, as ``competitor_code.job.Job`` describes it."""
    path, unzipped = folder / f"{export.name}.zip", folder / export.name
    with path.open("wb") as file:
        write_export(export.data_center, export.contents, file)
    if export.times > 1:
        _repeat(path, export.times)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(unzipped)
        members = [member.filename for member in archive.infolist()]
    tables = list(_tables(unzipped, members))
    documents = [{"member": each.member, "dataset": each.dataset, "columns": each.columns} for each in tables]
    (folder / f"{export.name}.json").write_text(json.dumps(documents), "utf-8")
    return Prepared(
        zip_bytes=path.stat().st_size,
        csv_bytes=sum((unzipped / table.member).stat().st_size for table in tables),
        member_bytes=sum((unzipped / member).stat().st_size for member in members),
        contents={table.dataset: _content(unzipped / table.member, table) for table in tables},
    )


def _repeat(path: Path, times: int) -> None:
    """Repeat the rows of each CSV file in the zip file: much faster than generating them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as archive:
        for name, body in members.items():
            header, _, rows = body.partition(b"\n")
            with archive.open(name, "w") as member:
                member.write(header)
                for _ in range(times if name.endswith(".csv") else 1):
                    member.write(b"\n" + rows)


def _tables(folder: Path, members: list[str]) -> Iterator[Table]:
    known = json.loads(TABLES.read_text("utf-8"))
    for member in members:
        header = next(_rows(folder / member))
        dataset = dataset_of(member, header).name
        if dataset in known:
            columns = {name.lower(): (column.lower(), kind) for name, (column, kind) in known[dataset].items()}
            yield Table(member, dataset, {name: columns[name.lower()] for name in header})


def _content(path: Path, table: Table) -> TableContent:
    """Read with Python's csv, independent of all competitors."""
    rows = _rows(path)
    next(rows)
    kinds = [kind for _, kind in table.columns.values()]
    index = next((index for index, kind in enumerate(kinds) if kind in NUMBERS), None)
    if index is None:
        return TableContent(sum(1 for _ in rows), None, 0.0)
    cells = [row[index] for row in rows]
    names = [name for name, _ in table.columns.values()]
    return TableContent(len(cells), names[index], math.fsum(float(cell) for cell in cells if cell))


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.reader(file)
