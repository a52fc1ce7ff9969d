"""The table of a stored CSV: which files have one, its key, its rows and its notes."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from arro3.io import read_parquet

from exports.datasets.detection import known_datasets, read_custom
from exports.datasets.table_schemas import known_tables
from exports.formats.csv_text import CELL_CHARACTERS
from exports.model import StoredFile
from exports.unpack import tables
from tests.unit.builders import unpacked, unpacking, zipped
from tests.unit.fakes import FakeBucket

OS_INFO = list(known_tables()["agent_os_info"])
PERFORMANCE = list(known_tables()["agent_system_performance"])
ROW = ["1", "o-1", "Linux", "7", "x86", "h", "", "2020-07-14 20:46:38"]


def written(rows: Sequence[Sequence[str]]) -> bytes:
    """A CSV file of these rows, the first of which is the header."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def stored(bucket: FakeBucket, name: str, body: bytes, **options: Any) -> StoredFile:
    """The stored file of an export with one file."""
    (file,) = unpacked(bucket, bucket.holds(zipped({name: body})), **{"with_tables": True, **options}).files
    return file


def rows_of(parquet: bytes) -> list[dict[str, Any]]:
    return [
        dict(zip(batch.column_names, cells, strict=True))
        for batch in read_parquet(parquet)
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]


@pytest.fixture
def bucket() -> FakeBucket:
    return FakeBucket()


def test_a_table_is_an_upload_for_a_key_with_its_partition(bucket: FakeBucket) -> None:
    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, ROW]))

    key = "tables/agent_os_info/requested_month=2026-11/export-1-0001.parquet"
    assert (file.table_key, file.rows, file.notes) == (key, 1, {})
    assert list(bucket.pending) == [key]
    (row,) = rows_of(bucket.pending[key])
    assert (row["agentid"], row["hypervisor"], row["export_id"], row["row_number"]) == ("o-1", None, "export-1", 1)


def test_every_known_column_is_in_the_table_definitions() -> None:
    known = {dataset.name: {column for v in dataset.variants for column in v} for dataset in known_datasets()}

    assert {name: set(columns) for name, columns in known_tables().items()} == {k: v for k, v in known.items() if v}


def test_column_names_need_no_quotes_in_sql_and_differ_without_case() -> None:
    added = ("other", "export_id", "requested_date", "row_number", "requested_month")
    for columns in known_tables().values():
        names = [name for name, _ in columns.values()]

        assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)
        assert len({name.lower() for name in (*names, *added)}) == len(names) + len(added)


def test_bad_input_35_text_that_is_not_utf_8_is_windows_1252_and_noted(bucket: FakeBucket) -> None:
    body = written([OS_INFO, ROW, [*ROW[:5], "straße", "", ""]]).decode().encode("cp1252")

    file = stored(bucket, "1_osInfo.csv", body)

    assert (file.rows, file.notes) == (2, {"encoding": "windows-1252"})
    assert [row["hostname"] for row in rows_of(bucket.pending[str(file.table_key)])] == ["h", "straße"]
    assert bucket.objects[file.key] == body


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_bad_input_35_utf_16_is_read_and_noted(bucket: FakeBucket, encoding: str) -> None:
    body = written([OS_INFO, [*ROW[:5], "straße", "", ""]]).decode().encode(encoding)

    file = stored(bucket, "what.csv", body)

    assert (file.dataset, file.rows, file.columns, file.notes) == (
        "agent_os_info",
        1,
        tuple(OS_INFO),
        {"encoding": encoding},
    )
    assert [row["hostname"] for row in rows_of(bucket.pending[str(file.table_key)])] == ["straße"]
    assert bucket.objects[file.key] == body


def test_bad_input_36_cells_that_are_null_because_of_their_type_are_noted(bucket: FakeBucket) -> None:
    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, [*ROW[:7], "?"], [*ROW[:7], "today"], ROW]))

    assert file.notes == {"notOfType": {"timestamp": 2}}


def test_ragged_rows_are_in_the_table_and_noted(bucket: FakeBucket) -> None:
    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, ROW[:2], [*ROW, "more"]]))

    assert (file.rows, file.notes) == (2, {"ragged": 2})
    rows = rows_of(bucket.pending[str(file.table_key)])
    assert [(row["agentid"], row["hostname"], row["other"]) for row in rows] == [
        ("o-1", None, None),
        ("o-1", "h", '{"column 9": "more"}'),
    ]


def test_a_cell_of_a_megabyte_is_in_the_table(bucket: FakeBucket) -> None:
    cell = "x" * CELL_CHARACTERS

    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, *([*ROW[:5], cell, "", ""] for _ in range(3))]))

    assert [row["hostname"] for row in rows_of(bucket.pending[str(file.table_key)])] == [cell] * 3


def test_rows_that_are_too_long_for_one_row_group_are_in_smaller_ones(
    bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exports.formats.parquet_writer.MAX_GROUP_BYTES", 5 << 20)
    body = written([OS_INFO, *([*ROW[:5], "x" * 2_000, "", ""] for _ in range(4_000))])

    file = stored(bucket, "1_osInfo.csv", body)

    assert (file.rows, file.notes) == (4_000, {})
    assert len(rows_of(bucket.pending[str(file.table_key)])) == 4_000


def test_rows_that_are_too_long_for_any_row_group_have_no_table(
    bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exports.formats.parquet_writer.MAX_GROUP_BYTES", 1_000)

    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, [*ROW[:5], "x" * 2_000, "", ""]]))

    assert (file.rows, file.table_key, file.notes) == (1, None, {"noTable": "rows that are too long"})
    assert not bucket.pending


def test_a_malformed_file_and_an_unknown_one_have_no_table(bucket: FakeBucket) -> None:
    malformed = stored(bucket, "1_osInfo.csv", written([OS_INFO]) + b'"' + b"x" * (CELL_CHARACTERS + 1))
    unknown = stored(bucket, "what.csv", b"a,b\n1,2\n")
    odd = stored(bucket, "notes.txt", b"no table at all")

    assert (malformed.rows, malformed.table_key, unknown.table_key) == (None, None, None)
    assert "field larger than field limit" in str(malformed.notes["malformed"])
    assert unknown.notes == odd.notes == {"noTable": "unknown dataset"}
    assert not bucket.pending


def test_a_table_of_a_file_that_is_declared_too_large_is_omitted_with_a_note(
    bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exports.unpack.unpacking.MAX_TABLE_BYTES", 100)

    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, ROW]))

    assert (file.rows, file.table_key, file.notes) == (1, None, {"noTable": "more than 100 bytes"})
    assert "create tables" not in " ".join(bucket.journal)
    assert stored(bucket, "what.csv", b"a\n" * 100).notes == {"noTable": "unknown dataset"}


def test_a_too_large_table_of_undeclared_size_is_omitted(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 100)

    raw = bucket.holds(gzip.compress(written([OS_INFO, ROW])), "csv.gz")
    (file,) = unpacked(bucket, raw, with_tables=True).files

    assert (file.rows, file.table_key, file.notes) == (1, None, {"noTable": "more than 100 bytes"})
    assert not bucket.pending


def test_a_large_file_that_only_the_lenient_reader_reads_has_no_table(
    bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_LENIENT_BYTES", 100)
    monkeypatch.setattr("exports.formats.csv_reader.MAX_BATCH_BYTES", 1 << 20)

    ragged = stored(bucket, "1_osInfo.csv", written([OS_INFO, ROW, ["1"]]))
    regular = stored(bucket, "2_osInfo.csv", written([OS_INFO, ROW]))
    longer_rows = [[*ROW[:5], "x" * 1_000, "", ""]] * 4_096
    longer = stored(bucket, "3_osInfo.csv", written([OS_INFO, *[ROW] * 4_096, *longer_rows]))

    assert (ragged.rows, ragged.table_key, regular.rows) == (None, None, 1)
    assert (longer.rows, longer.table_key) == (None, None)
    assert set(ragged.notes) == set(longer.notes) == {"noTable"}
    assert "more than 100 bytes with rows or text" in str(ragged.notes["noTable"])


def test_tables_can_be_disabled(bucket: FakeBucket) -> None:
    file = stored(bucket, "1_osInfo.csv", written([OS_INFO, ROW]), with_tables=False)

    assert (file.rows, file.table_key, bucket.pending) == (1, None, {})


def test_tables_of_a_rejected_export_are_aborted_and_its_files_deleted(bucket: FakeBucket) -> None:
    body = bytearray(zipped({"1_osInfo.csv": written([OS_INFO, ROW]), "z": b"damaged" * 9}, method=0))
    body[body.rindex(b"damaged")] ^= 1

    with pytest.raises(Exception, match="CORRUPT"):
        unpacking(bucket, bucket.holds(bytes(body)), with_tables=True)

    assert len(bucket.written) == 1
    assert [key for key in bucket.objects if not key.startswith("raw/")] == []
    assert not bucket.pending


def test_rows_of_a_custom_dataset_are_in_its_own_table(bucket: FakeBucket) -> None:
    columns = '{"agentId": ["agentId", "string"], "Size (GB)": ["Size_GB", "double"]}'
    added = read_custom(f'[{{"name": "agent_disk", "pattern": "*_disk.csv", "columns": {columns}}}]')

    file = stored(bucket, "1_disk.csv", b"Size (GB),agentId,new\n1.5,o-1,x\n", custom_datasets=added)

    assert (file.key, file.notes["added"]) == ("data/agent_disk/2026-11-23/export-1/1_disk.csv", ["new"])
    assert file.table_key == "tables/agent_disk/requested_month=2026-11/export-1-0001.parquet"
    (row,) = rows_of(bucket.pending[file.table_key])
    assert (row["agentid"], row["size_gb"], json.loads(row["other"])) == ("o-1", 1.5, {"new": "x"})


def test_a_table_before_the_first_month_of_the_tables_is_noted(bucket: FakeBucket) -> None:
    early = stored(bucket, "1_osInfo.csv", written([OS_INFO, ROW]), tables_from="2026-12")
    first = stored(bucket, "2_osInfo.csv", written([OS_INFO, ROW]), tables_from="2026-11")

    assert early.table_key
    assert (early.notes, first.notes) == ({"outsideTables": "requested before 2026-12 (tablesFrom)"}, {})


@pytest.mark.parametrize(
    ("before", "lines"),
    [
        (b"\n", 1),
        (b"\r\n\r\n", 2),
        (b",,,\n", 1),
        (b"  \n", 1),
        (b"sep=,\r\n", 1),
        (b"\n\xef\xbb\xbf", 1),
        (b"Servers\nexported on 2020-07-14, by admin\n\n", 3),
        (b'"a title\nof two lines"\n', 2),
    ],
)
def test_contents_04_lines_before_the_header_are_skipped_and_noted(
    bucket: FakeBucket, before: bytes, lines: int
) -> None:
    file = stored(bucket, "1_osInfo.csv", before + written([OS_INFO, ROW, ROW]))

    assert (file.rows, file.columns, file.notes) == (2, tuple(OS_INFO), {"linesBeforeHeader": lines})
    assert [row["agentid"] for row in rows_of(bucket.pending[str(file.table_key)])] == ["o-1", "o-1"]
    assert bucket.objects[file.key] == before + written([OS_INFO, ROW, ROW])


def test_contents_04_a_title_does_not_hide_the_dataset(bucket: FakeBucket) -> None:
    file = stored(bucket, "what.csv", b"A title\n" + written([OS_INFO, ROW]))

    assert (file.dataset, file.columns) == ("agent_os_info", tuple(OS_INFO))


def test_contents_04_of_an_unknown_dataset_the_first_line_is_the_header(bucket: FakeBucket) -> None:
    assert stored(bucket, "what.csv", b"a title\na,b\n1,2\n").columns == ("a title",)
    assert stored(FakeBucket(), "only.csv", b",,\n,,\n").columns == ("", "", "")


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (lambda text: MARK + text.encode(), "utf-8-sig"),
        (lambda text: MARK + MARK + text.encode(), "utf-8-sig"),
        (lambda text: MARK + text.encode("cp1252"), "windows-1252"),
        (lambda text: text.encode("utf-16"), "utf-16-le"),
        (lambda text: text.encode("utf-32"), "utf-32-le"),
        (lambda text: b"\0\0\xfe\xff" + text.encode("utf-32-be"), "utf-32-be"),
    ],
    ids=["utf-8", "twice", "windows-1252", "utf-16", "utf-32-le", "utf-32-be"],
)
def test_contents_04_a_byte_order_mark_is_skipped_and_noted(
    bucket: FakeBucket, text: Callable[[str], bytes], encoding: str
) -> None:
    body = text(written([OS_INFO, [*ROW[:5], "straße", *ROW[6:]]]).decode())

    file = stored(bucket, "1_osInfo.csv", body)

    assert (file.dataset, file.columns, file.notes) == ("agent_os_info", tuple(OS_INFO), {"encoding": encoding})
    assert [row["hostname"] for row in rows_of(bucket.pending[str(file.table_key)])] == ["straße"]


@pytest.mark.parametrize("text", ["caf\xe9", "\x80uro", "na\xefve \x93quoted\x94"])
def test_bad_input_35_latin_1_in_a_cell_is_decoded_and_noted(bucket: FakeBucket, text: str) -> None:
    body = b"".join([written([OS_INFO]), b"1,o-1,L,7,x,", text.encode("latin-1"), b",,\n"])

    file = stored(bucket, "1_osInfo.csv", body)

    assert file.notes == {"encoding": "windows-1252"}
    (row,) = rows_of(bucket.pending[str(file.table_key)])
    assert row["hostname"] == text.encode("latin-1").decode("cp1252")
    assert bucket.objects[file.key] == body


NAMES = b"accountNumber,agentId,osName,osVersion,cpuType,hostName,hypervisor,timestamp\n"
LINE = b"1,o-1,L,7,x,web%02d,,\n"


def lines(*hosts: bytes) -> bytes:
    """A row for each host name, which may contain quotes."""
    return NAMES + b"".join(b"1,o-1,L,7,x,%s,,\n" % host for host in hosts)


@pytest.mark.parametrize(
    ("body", "rows", "line"),
    [
        (lines(b"web01", b'"web02', b"web03", b'"web04"', b"web05"), 3, 3),
        (lines(b"web01", b'"web02', b"web03"), 2, 3),
        (lines(b"web01", b"web02", b'"web03'), 3, 4),
        (lines(b'"web01" a', b'"web02', b"web03", b'x"y'), 2, 2),
        (lines(b'"web\n01"', b'"web02', b'"web03"'), 2, 4),
        (lines(b'"web01').replace(b"\n", b"\r"), 1, 2),
        (lines(b"web01", b'"web02', b"web03").replace(b"\n", b"\r\n"), 2, 3),
        (b'"' + lines(b"web01", b"web02"), 0, 1),
    ],
    ids=["to the next quote", "to the end", "last line", "twice", "after a cell of two lines", "cr", "crlf", "header"],
)
def test_contents_05_a_quote_that_swallows_lines_is_noted_with_its_line(
    bucket: FakeBucket, body: bytes, rows: int, line: int
) -> None:
    file = stored(bucket, "1_osInfo.csv", body)

    expected = list(csv.reader(io.StringIO(body.decode(), newline="")))
    assert (file.rows, len(expected) - 1) == (rows, rows)
    assert file.notes["suspiciousQuote"] == line


@pytest.mark.parametrize(
    "body",
    [
        lines(b'"web01"', b'"web ""02"""', b'"a,b"', b'""'),
        lines(b'"web\n01"', b'"\n\n"', b'"a ""b""\n"'),
        lines(b'19" rack', b'a "b" c', b'x"'),
        written([OS_INFO, ROW]) + b"\n\n",
        NAMES,
    ],
    ids=["quoted", "cells of several lines", "quotes in text", "blank lines", "header"],
)
def test_contents_05_quotes_that_swallow_nothing_are_not_noted(bucket: FakeBucket, body: bytes) -> None:
    assert "suspiciousQuote" not in stored(bucket, "1_osInfo.csv", body).notes


def test_contents_05_a_quote_after_an_encoding_and_a_title_is_found(bucket: FakeBucket) -> None:
    body = b"A title\n" + lines(b"caf\xe9", b'"web02', b"web03")

    file = stored(bucket, "1_osInfo.csv", body)

    assert file.notes["suspiciousQuote"] == 4
    assert (file.notes["encoding"], file.notes["linesBeforeHeader"]) == ("windows-1252", 1)


@pytest.mark.parametrize("last", [b"", b"1\n"], ids=["regular", "ragged"])
@pytest.mark.parametrize("at", [0, 30_000], ids=["first", "last"])
@pytest.mark.parametrize("size", [200_000, CELL_CHARACTERS])
def test_contents_06_a_large_cell_is_in_the_table(bucket: FakeBucket, at: int, last: bytes, size: int) -> None:
    command = "java " + "é" * (size - 5)
    body = NAMES + LINE % 1 * at + f"1,o-1,L,7,x,{command},,\n".encode() + LINE % 2 + last

    file = stored(bucket, "1_osInfo.csv", body)

    assert file.rows == at + 2 + bool(last)
    assert rows_of(bucket.pending[str(file.table_key)])[at]["hostname"] == command


def test_contents_06_many_large_cells_are_in_the_table(bucket: FakeBucket) -> None:
    generator = random.Random(1)
    cells = [generator.randbytes(100_000).hex() for _ in range(80)]
    body = written([OS_INFO, *([*ROW[:5], cell, "", ""] for cell in cells)])

    file = stored(bucket, "1_osInfo.csv", body)

    assert [row["hostname"] for row in rows_of(bucket.pending[str(file.table_key)])] == cells


@pytest.mark.parametrize(
    "body",
    [
        NAMES + b",,,,,,,\n" * 500,
        NAMES + b"a\n" * 500,
        NAMES + b"\n" * 4_000 + b"a\n",
        NAMES + b"," * 4_000 + b"\n",
        b"a," * 1_000 + b"\n" + b"a\n" * 5,
        NAMES + b",,,,,,,\n" * 500 + b"\xff\n",
    ],
    ids=["commas", "one cell", "blank lines", "one row", "wide header", "not utf-8"],
)
@pytest.mark.parametrize("name", ["1_osInfo.csv", "what.csv"])
def test_contents_10_a_file_of_too_many_cells_is_stored_without_a_table(
    bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch, body: bytes, name: str
) -> None:
    monkeypatch.setattr("exports.formats.csv_reader.MAX_STRICT_CELLS", 3_000)
    monkeypatch.setattr("exports.formats.csv_reader.MAX_LENIENT_CELLS", 3_000)

    file = stored(bucket, name, body)

    assert (file.rows, file.table_key, bucket.objects[file.key]) == (None, None, body)
    assert not bucket.pending
    assert "noTable" in file.notes


def test_contents_10_a_file_at_the_limit_has_a_table(bucket: FakeBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.formats.csv_reader.MAX_STRICT_CELLS", 80)
    monkeypatch.setattr("exports.formats.csv_reader.MAX_LENIENT_CELLS", 88)

    assert stored(bucket, "1_osInfo.csv", NAMES + b",,,,,,,\n" * 10).rows == 10
    assert stored(FakeBucket(), "2_osInfo.csv", NAMES + b"a\n" * 10).rows == 10
