"""Memory does not grow with the size of an export. Tracing of all allocations makes these tests slow."""

import io
import tracemalloc
from dataclasses import replace

import pytest

from local.double.data.archive import export_file
from local.double.data.contents import Compression, Contents, Kind
from local.double.data.data_center import DataCenter
from tests.unit.builders import peak_memory, unpacked, unpacking, zipped
from tests.unit.datasets.test_json_lines import OS_INFO, written
from tests.unit.fakes import FakeBucket

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

    assert peak(44) - peak(22) < 100_000


def test_a_table_needs_little_memory_for_any_number_of_rows() -> None:
    body = zipped({"1_osInfo.csv": written([OS_INFO, *[[f"{row}-{'x' * 50}"] * 7 for row in range(20_000)]])})

    def peak(with_tables: bool) -> int:
        bucket = FakeBucket(keeps=False)
        raw = bucket.holds(body)
        return peak_memory(lambda: unpacking(bucket, raw, with_tables=with_tables))

    assert peak(True) - peak(False) < 1 << 20


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
