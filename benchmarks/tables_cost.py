"""`make bench-tables`: the cost of writing tables while an export is unpacked, in seconds, bytes and memory.

`exports.unpack.unpacking.unpack` unpacks a generated agent export with and without tables, in turn, each time in a new
process. The bucket reads from a file and only counts what is written. The measure is processor time, not wall-clock
time, so that other load affects neither.
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
from benchmarks.page import markdown, save
from exports.keys import Keys
from exports.model import RawObject
from exports.s3.multipart import ObjectStore, PendingUpload
from exports.unpack.members import Limits
from exports.unpack.unpacking import Unpacked, unpack
from local.double.data.archive import write_export
from local.double.data.contents import Contents, Kind
from local.double.data.data_center import DataCenter

KEYS = Keys("123456789012", "us-west-2", "2026-11-23", "export-1")
ROWS = 16_000
"""Samples. No file of the export reaches 8 MiB, so each is written with one PUT."""
VARIANTS = ("without", "with")
MB = 10**6


class CountingBucket:
    """A bucket with one raw object, in a file. Counts the bytes written by the first part of the key."""

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
        """Discard the progress: there is no next invocation."""

    @contextmanager
    def writer(self, key: str) -> Iterator["_Counter"]:
        yield _Counter(self.written, key)

    pending_writer = writer


class _Counter:
    def __init__(self, written: Counter[str], key: str) -> None:
        self._written = written
        self._name = key.partition("/")[0]
        self.upload = PendingUpload(key, "", (), 0)

    def write(self, data: bytes) -> None:
        self._written[self._name] += len(data)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="processes of each kind (default: %(default)s)")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS, metavar=("PATH", "VARIANT"))
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(Path(arguments.one[0]), with_tables=arguments.one[1] == "with")))
        return
    found = rounds(arguments.rounds)
    print(table(found))
    facts = {"machine": machine(), "python": sys.version.split()[0], "rows": ROWS, "runs": found}
    save("tables", facts, "performance.md", table(found))


def rounds(count: int) -> dict[str, list[dict[str, float]]]:
    """The usage of each variant in each round. The order changes from round to round."""
    found: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        with path.open("wb") as file:
            write_export(
                DataCenter(), Contents(kind=Kind.AGENT, agent_id=next(DataCenter().servers()).agent_id, rows=ROWS), file
            )
        for number in range(count):
            for variant in VARIANTS if number % 2 else reversed(VARIANTS):
                command = [sys.executable, "-m", "benchmarks.tables_cost", "--one", str(path), variant]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[variant].append(json.loads(done.stdout))
    return found


def measured(path: Path, *, with_tables: bool) -> dict[str, float]:
    """Unpack once in this process: processor seconds, peak memory, and bytes read and written."""
    bucket = CountingBucket(path)
    raw = RawObject(KEYS.raw("zip"), path.stat().st_size, "")
    meter = Meter()
    result = unpack(
        raw,
        keys=KEYS,
        bucket=cast(ObjectStore, bucket),
        limits=Limits(),
        time_left=lambda: 900.0,
        with_tables=with_tables,
    )
    usage = meter.usage()
    if not isinstance(result, Unpacked):
        raise TypeError("the export was not unpacked in one invocation")
    return {
        "seconds": round(usage.cpu_seconds, 3),
        "peak": usage.peak_bytes,
        "raw": raw.bytes,
        "data": bucket.written["data"],
        "tables": bucket.written["tables"],
        "rows": sum(file.rows or 0 for file in result.files),
    }


def table(found: dict[str, list[dict[str, float]]]) -> str:
    rows = [("tables", "CPU s", "MB of CSV per second", "peak MB", "MB in `data/`", "MB in `tables/`")]
    for variant, runs in found.items():
        seconds = [run["seconds"] for run in runs]
        spread = f"{median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
        data, tables = runs[0]["data"] / MB, runs[0]["tables"] / MB
        peak = median(run["peak"] for run in runs) / MB
        rows.append((variant, spread, f"{data / median(seconds):.0f}", f"{peak:.1f}", f"{data:.1f}", f"{tables:.1f}"))
    return markdown(*rows)


if __name__ == "__main__":
    main()
