"""Rows of a stored CSV file as gzipped JSON lines: every cell at the name of its column, without loss."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.datasets.detection import known_datasets, read_custom
from exports.datasets.json_lines import known_tables
from exports.model import StoredFile
from tests.unit.builders import unpacked, zipped
from tests.unit.fakes import FakeBucket

PERFORMANCE = list(known_tables()["agent_system_performance"])
CONNECTION = list(known_tables()["agent_source_process_connection"])
OS_INFO = list(known_tables()["agent_os_info"])


def written(rows: Sequence[Sequence[str]]) -> bytes:
    """A CSV file of these rows, the first of which is the header."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def stored(bucket: FakeBucket, name: str, body: bytes, **options: Any) -> StoredFile:
    """The stored file of an export with one file."""
    (file,) = unpacked(bucket, bucket.holds(zipped({name: body})), **{"with_tables": True, **options}).files
    return file


def tables(bucket: FakeBucket) -> list[str]:
    return [key for key in bucket.pending if key.startswith("tables/")]


def rows_of(name: str, header: Sequence[str], *rows: Sequence[str]) -> list[dict[str, Any]]:
    """The table rows of a file with this header and these rows."""
    bucket = FakeBucket()
    file = stored(bucket, name, written([header, *rows]))
    assert file.table_key
    lines = gzip.decompress(bucket.pending[file.table_key]).decode().split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


def test_rows_have_column_names_and_a_key_with_the_partition(bucket: FakeBucket) -> None:
    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, ["1", "o-1", "Linux", "7", "x86", "h", "", ""]]))

    key = "tables/agent_os_info/requested_month=2026-11/export-1-0001.parquet"
    assert file.table_key == key
    assert json.loads(gzip.decompress(bucket.pending[key])) == {
        "accountNumber": "1",
        "agentId": "o-1",
        "osName": "Linux",
        "osVersion": "7",
        "cpuType": "x86",
        "hostName": "h",
        "hypervisor": "",
        "timestamp": None,
        "other": None,
    }


def test_every_known_column_is_in_the_table_definitions() -> None:
    known = {dataset.name: {column for v in dataset.variants for column in v} for dataset in known_datasets()}

    assert {name: set(columns) for name, columns in known_tables().items()} == {k: v for k, v in known.items() if v}


def test_column_names_need_no_quotes_in_sql_and_differ_without_case() -> None:
    for columns in known_tables().values():
        names = [name for name, _ in columns.values()]

        assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)
        assert len({name.lower() for name in (*names, "other", "requested_date", "export_id")}) == len(names) + 3


def test_columns_that_an_older_file_lacks_are_null() -> None:
    (row,) = rows_of("1_sourceProcessConnection.csv", CONNECTION[:10], ["a"] * 10)

    assert (row["commandPath"], row["commandParam"], row["ipVersion"]) == (None, None, "a")


def test_columns_in_another_order_or_case_are_found_by_name() -> None:
    (row,) = rows_of("1_osInfo.csv", [" HOSTNAME", *OS_INFO[:5]], ["h", "1", "o-1", "L", "7", "x"])

    assert (row["hostName"], row["agentId"], row["osVersion"], row["other"]) == ("h", "o-1", "7", None)


def test_unknown_repeated_unnamed_and_surplus_cells_are_in_one_map() -> None:
    header = ["agentId", "new", "agentId", "", "new"]

    (row,) = rows_of("1_osInfo.csv", [*header, *OS_INFO[2:]], [*"abcde", *"123456", "f", "g"])

    assert row["agentId"] == "a"
    others = {"new": "b", "column 3": "c", "column 4": "d", "column 5": "e", "column 12": "f", "column 13": "g"}
    assert row["other"] == {**others, "timestamp": "6"}


def test_keys_of_the_map_differ_in_more_than_case() -> None:
    """The JSON SerDe of Athena ignores case, and may fail on a line with such a pair."""
    header = ["New", "NEW", "column 1", "Column 3", ""]

    (row,) = rows_of("1_osInfo.csv", [*OS_INFO, *header], [*"12345678", *"abcde"])

    positional = {"column 10": "b", "column 11": "c", "column 12": "d", "column 13": "e"}
    assert row["other"] == {"timestamp": "8", "New": "a", **positional}


def test_a_short_row_is_filled_with_null() -> None:
    (row,) = rows_of("1_osInfo.csv", OS_INFO, ["1", "o-1"])

    assert [row["agentId"], *(row[column] for column in OS_INFO[2:])] == ["o-1", *[None] * 6]


def test_numbers_are_typed_and_other_text_is_in_the_map() -> None:
    rows = [["8", "0.10", ""], ["-3", "12", "2020-07-14 20:46:38"], ["4.0", "n/a", "2020-13-01 00:00:00"]]

    found = rows_of("1_systemPerformance.csv", [PERFORMANCE[9], PERFORMANCE[13], "timestamp"], *rows)

    written = [(row["totalNumCores"], row["totalCpuUsagePct"], row["timestamp"], row["other"]) for row in found]
    assert written[:2] == [(8, 0.1, None, None), (-3, 12, "2020-07-14 20:46:38", None)]
    others = {"totalNumCores": "4.0", "totalCpuUsagePct": "n/a", "timestamp": "2020-13-01 00:00:00"}
    assert written[2] == (None, None, None, others)


@pytest.mark.parametrize("cell", ["007", "1e999", "NaN", "inf", "+1", "1_000", "٣", " 1", "9" * 19, "1.", ".5", "-"])
def test_text_that_is_no_json_number_is_in_the_map(cell: str) -> None:
    (row,) = rows_of("1_systemPerformance.csv", PERFORMANCE, [cell] * len(PERFORMANCE))

    assert (row["totalNumCores"], row["other"]["totalNumCores"]) == (None, cell)
    assert row["other"].keys() >= {"totalNumCores", "timestamp"}


def test_a_file_with_a_header_only_has_an_empty_table() -> None:
    assert rows_of("1_osInfo.csv", OS_INFO) == []


def test_a_malformed_file_and_an_unknown_one_have_no_table(bucket: FakeBucket) -> None:
    malformed = stored(bucket, "1_osInfo.csv", written([OS_INFO]) + b'"' + b"x" * 200_000)
    unknown = stored(bucket, "what.csv", b"a,b\n1,2\n")
    odd = stored(bucket, "notes.txt", b"no table at all")

    assert (malformed.rows, malformed.table_key, unknown.table_key) == (None, None, None)
    assert unknown.notes == odd.notes == {"noTable": "unknown dataset"}
    assert not tables(bucket)


def test_a_table_too_large_for_one_invocation_is_omitted_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.unpack.unpacking.MAX_TABLE_BYTES", 100)

    file = stored(FakeBucket(), "1_osInfo.csv", written([OS_INFO, ["1"] * 8]))

    assert (file.rows, file.table_key, file.notes) == (1, None, {"noTable": "more than 100 bytes"})


def test_a_too_large_table_of_undeclared_size_is_omitted(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.unpack.unpacking.MAX_TABLE_BYTES", 100)

    raw = bucket.holds(gzip.compress(written([OS_INFO, ["1"] * 8])), "csv.gz")
    (file,) = unpacked(bucket, raw, with_tables=True).files

    assert (file.rows, file.table_key, file.notes) == (1, None, {"noTable": "more than 100 bytes"})
    assert not tables(bucket)


def test_tables_can_be_disabled(bucket: FakeBucket) -> None:
    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, ["1"] * 8]), with_tables=False)

    assert (file.table_key, tables(bucket)) == (None, [])


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.lists(cells | st.sampled_from(['"', "\n", "\r\n", ",", '""', "=1+1"]), min_size=7, max_size=7)))
def test_any_cells_are_read_back_unchanged(rows: list[list[str]]) -> None:
    found = rows_of("1_osInfo.csv", OS_INFO[:7], *rows)

    assert [[row[column] for column in OS_INFO[:7]] for row in found] == rows


@given(st.lists(cells, min_size=19, max_size=19))
def test_no_cell_of_a_typed_table_is_lost(row: list[str]) -> None:
    (found,) = rows_of("1_systemPerformance.csv", PERFORMANCE, row)

    names = {header: name for header, (name, _) in known_tables()["agent_system_performance"].items()}
    others = found["other"] or {}
    for header, cell in zip(PERFORMANCE, row, strict=True):
        value = found[names[header]]
        assert others.get(header) == cell or value == cell or (value is None and cell == "") or value == float(cell)


def test_the_same_rows_have_the_same_bytes() -> None:
    bodies = []
    for _ in range(2):
        bucket = FakeBucket()
        file = stored(bucket, "1_osInfo.csv", written([OS_INFO, ["1"] * 8]))
        bodies.append(bucket.pending[str(file.table_key)])

    assert bodies[0] == bodies[1]


def test_rows_of_a_custom_dataset_are_in_its_own_table(bucket: FakeBucket) -> None:
    columns = '{"agentId": ["agentId", "string"], "Size (GB)": ["Size_GB", "double"]}'
    added = read_custom(f'[{{"name": "agent_disk", "pattern": "*_disk.csv", "columns": {columns}}}]')

    file = stored(bucket, "1_disk.csv", b"Size (GB),agentId,new\n1.5,o-1,x\n", custom_datasets=added)

    assert (file.key, file.notes["added"]) == ("data/agent_disk/2026-11-23/export-1/1_disk.csv", ["new"])
    assert file.table_key == "tables/agent_disk/requested_month=2026-11/export-1-0001.parquet"
    row = json.loads(gzip.decompress(bucket.pending[file.table_key]))
    assert row == {"agentId": "o-1", "Size_GB": 1.5, "other": {"new": "x"}}
