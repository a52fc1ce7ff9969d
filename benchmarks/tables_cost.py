"""`make bench-tables`: what keeping tables costs while an export is unpacked, in seconds, bytes and memory.

The product's own `exports.unpack.unpacking.unpack` takes a generated agent export apart, with tables and without, in fresh
processes that take turns. The bucket is a file to read from, and a count of what is written. Processor time is taken,
not time by the clock: a bystander then costs neither.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, cast

from benchmarks.machine import machine
from benchmarks.measuring import Meter
from benchmarks.page import keep, markdown
from exports.keys import Keys
from exports.model import RawObject
from exports.s3.multipart import ObjectStore
from exports.unpack.members import Limits
from exports.unpack.unpacking import Unpacked, unpack
from local.double.data.archive import write_export
from local.double.data.contents import Contents, Kind
from local.double.data.data_center import DataCenter

KEYS = Keys("123456789012", "us-west-2", "2026-11-23", "export-1")
ROWS = 16_000
"""Samples; no file of the export comes to 8 MiB, so that each is written in one piece."""
WAYS = ("without", "with")
MB = 10**6


class ExportBucket:
    """A bucket that holds one raw object, in a file, and counts what is written, by the first part of its key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.written: Counter[str] = Counter()

    def size(self, key: str) -> int | None:
        return None

    def read(self, key: str, first: int, last: int) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.seek(first)
            while (left := last + 1 - file.tell()) > 0:
                yield file.read(min(left, 64 << 10))

    def read_json(self, key: str) -> Any:
        return None

    def put_json(self, key: str, document: Any) -> None:
        """Notes are kept for a next call, of which there is none."""

    @contextmanager
    def writer(self, key: str) -> Iterator["_Counter"]:
        yield _Counter(self.written, key.partition("/")[0])


class _Counter:
    def __init__(self, written: Counter[str], name: str) -> None:
        self._written = written
        self._name = name

    def write(self, data: bytes) -> None:
        self._written[self._name] += len(data)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes of each kind (%(default)s)")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS, metavar=("PATH", "WAY"))
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(Path(asked.one[0]), with_tables=asked.one[1] == "with")))
        return
    found = rounds(asked.rounds)
    print(table(found))
    facts = {"machine": machine(), "python": sys.version.split()[0], "rows": ROWS, "runs": found}
    keep("tables", facts, "performance.md", table(found))


def rounds(count: int) -> dict[str, list[dict[str, float]]]:
    """What each way took in each round; who begins changes from round to round."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        with path.open("wb") as file:
            write_export(
                DataCenter(), Contents(kind=Kind.AGENT, agent_id=next(DataCenter().servers()).agent_id, rows=ROWS), file
            )
        for number in range(count):
            for way in WAYS if number % 2 else reversed(WAYS):
                command = [sys.executable, "-m", "benchmarks.tables_cost", "--one", str(path), way]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[way].append(json.loads(done.stdout))
    return found


def measured(path: Path, *, with_tables: bool) -> dict[str, float]:
    """One unpacking in this process: processor seconds, peak memory, and bytes read and written."""
    shelf = ExportBucket(path)
    raw = RawObject(KEYS.raw("zip"), path.stat().st_size, "")
    meter = Meter()
    result = unpack(
        raw,
        keys=KEYS,
        archive=cast(ObjectStore, shelf),
        limits=Limits(),
        time_left=lambda: 900.0,
        with_tables=with_tables,
    )
    taken = meter.taken()
    if not isinstance(result, Unpacked):
        raise TypeError("it was not unpacked in one go")
    return {
        "seconds": round(taken.cpu_seconds, 3),
        "peak": taken.peak_bytes,
        "raw": raw.bytes,
        "data": shelf.written["data"],
        "tables": shelf.written["tables"],
        "rows": sum(file.rows or 0 for file in result.files),
    }


def table(found: dict[str, list[dict[str, float]]]) -> str:
    rows = [("tables", "CPU s", "MB of CSV a second", "peak MB", "MB in `data/`", "MB in `tables/`")]
    for way, runs in found.items():
        seconds = [run["seconds"] for run in runs]
        spread = f"{median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
        data, tables = runs[0]["data"] / MB, runs[0]["tables"] / MB
        peak = median(run["peak"] for run in runs) / MB
        rows.append((way, spread, f"{data / median(seconds):.0f}", f"{peak:.1f}", f"{data:.1f}", f"{tables:.1f}"))
    return markdown(*rows)


if __name__ == "__main__":
    main()
