"""Memory does not grow with the size of an export. Tracing of all allocations makes these tests slow."""

import io
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from local.double.data.archive import export_file
from local.double.data.contents import Compression, Contents, Kind
from local.double.data.data_center import DataCenter
from tests.unit.builders import peak_memory, unpacked, zipped
from tests.unit.fakes import FakeBucket
from tests.unit.unpack.test_tables import OS_INFO, written

CHILD = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DATA_CENTER = DataCenter()
AGENT = Contents(kind=Kind.AGENT, agent_id=DATA_CENTER.server(3).agent_id, rows=4)
SUMMARY = Contents(kind=Kind.SUMMARY)
EC2 = Contents(kind=Kind.EC2_RECOMMENDATIONS)


def test_memory_of_unpacking_does_not_grow_with_the_size() -> None:
    rows = b"".join(b"%d,%d,%s\n" % (number, number * 7919, b"command" * 40) for number in range(10_000))

    def peak(times: int) -> int:
        bucket = FakeBucket(keeps=False)
        raw = bucket.holds(zipped({"a.csv": b"a,b\n" + rows * times}))
        return peak_memory(lambda: unpacked(bucket, raw))

    assert peak(12) - peak(6) < 100_000


UNPACKING = """
import sys
from pathlib import Path
from tests.unit.builders import unpacked
from tests.unit.fakes import FakeBucket
bucket = FakeBucket(keeps=False)
(file,) = unpacked(bucket, bucket.holds(Path(sys.argv[1]).read_bytes()), with_tables=True).files
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(file.rows, int(peak.split()[1]) * 1024)
"""
"""A process of its own, because the memory of the native library is part of no trace."""


@pytest.mark.parametrize("last_row", ["", "1,2,3\r\n"], ids=["strict", "lenient"])
def test_memory_of_a_table_does_not_grow_with_the_number_of_rows(tmp_path: Path, last_row: str) -> None:
    rows = [
        [f"{row % 5_000}-{'x' * 30}", "o-1", str(row), "", "", "", "", "2020-07-14 20:46:38"] for row in range(20_000)
    ]
    header, body = written([OS_INFO]), written(rows)

    def peak(times: int) -> int:
        path = tmp_path / f"{times}.zip"
        path.write_bytes(zipped({"1_osInfo.csv": header + body * times + last_row.encode()}))
        done = subprocess.run([sys.executable, "-c", UNPACKING, str(path)], capture_output=True, check=True, env=CHILD)
        count, memory = map(int, done.stdout.split())
        assert count == times * len(rows) + bool(last_row)
        return memory

    small, large = peak(1), peak(20)
    assert large < 150 * 10**6
    assert large - small < 12 * 10**6


def size_and_peak_memory(contents: Contents) -> tuple[int, int]:
    tracemalloc.start()
    try:
        with export_file(DATA_CENTER, contents) as file:
            size = file.seek(0, io.SEEK_END)
        return size, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("contents", "min_bytes"),
    [(AGENT, 3_000_000), (SUMMARY, 3_000_000), (EC2, 200_000)],
    ids=lambda value: value.kind if isinstance(value, Contents) else "",
)
def test_a_large_export_has_its_minimum_size_and_needs_no_more_memory(contents: Contents, min_bytes: int) -> None:
    stored = replace(contents, compression=Compression.STORED)

    size, peak = size_and_peak_memory(replace(stored, min_bytes=min_bytes))
    larger_size, larger_peak = size_and_peak_memory(replace(stored, min_bytes=3 * min_bytes))

    assert size > min_bytes
    assert larger_size > 3 * min_bytes
    assert larger_peak < peak + min_bytes / 4
