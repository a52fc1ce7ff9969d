"""Every cell of a CSV is in the column of its header, or in the column ``other``, in both ways of reading."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import pytest
from arro3.io import read_parquet
from hypothesis import given
from hypothesis import strategies as st

from exports.datasets.table_schemas import Columns, Origin, known_tables
from exports.formats import csv_reader, parquet_writer
from exports.formats.csv_reader import CsvReader, LenientReader, Refused, StrictReader
from exports.formats.csv_text import UTF_8, find_header
from exports.formats.parquet_writer import Written, write_table
from tests.unit.builders import in_chunks, peak_memory

COLUMNS: Columns = {
    "agentId": ("agentId", "string"),
    "cores": ("cores", "bigint"),
    "Used (GB)": ("Used_GB", "double"),
    "timestamp": ("timestamp", "timestamp"),
}
HEADER = list(COLUMNS)
ORIGIN = Origin("export-1", "2026-11-23")
Reader = Callable[[bytes], CsvReader]
TOO_SLOW = "more than 0.005 seconds for cells in other forms or without a column"


def strict(body: bytes) -> CsvReader:
    return StrictReader(body, in_chunks(body, 1_000), UTF_8, find_header(body))


def lenient(body: bytes) -> CsvReader:
    return LenientReader(in_chunks(body, 1_000), UTF_8)


BOTH = pytest.mark.parametrize("read", [strict, lenient])


def csv_of(*records: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(records)
    return text.getvalue().encode()


def write(
    reader: CsvReader,
    columns: Columns = COLUMNS,
    sink: Any = None,
    *,
    max_bytes: int = 10**9,
    group_rows: int = 100_000,
) -> tuple[Written, bytes]:
    target = sink or io.BytesIO()
    written = write_table(reader, columns, ORIGIN, target, max_bytes=max_bytes, group_rows=group_rows)
    return written, b"" if sink else target.getvalue()


def rows_of(parquet: bytes) -> list[dict[str, Any]]:
    rows = []
    for batch in read_parquet(parquet):
        columns = {name: batch.column(name).to_pylist() for name in batch.column_names}
        rows += [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    for row in rows:
        row["other"] = json.loads(row["other"]) if row["other"] is not None else {}
    return rows


def table(body: bytes, read: Reader = strict, columns: Columns = COLUMNS) -> list[dict[str, Any]]:
    return rows_of(write(read(body), columns)[1])


@BOTH
def test_rows_have_typed_columns_their_number_and_their_export(read: Reader) -> None:
    rows = table(csv_of(HEADER, ["o-1", "8", "0.5", "2020-07-14 20:46:38"], ["", "", "", ""]), read)

    origin = {"export_id": "export-1", "requested_date": date(2026, 11, 23)}
    moment = datetime.fromisoformat("2020-07-14 20:46:38")
    assert rows == [
        {"agentid": "o-1", "cores": 8, "used_gb": 0.5, "timestamp": moment, "other": {}, **origin, "row_number": 1},
        {"agentid": None, "cores": None, "used_gb": None, "timestamp": None, "other": {}, **origin, "row_number": 2},
    ]


@BOTH
def test_columns_in_another_order_or_case_are_found_by_name(read: Reader) -> None:
    (row,) = table(csv_of([" CORES", "agentid"], ["8", "o-1"]), read)

    assert (row["agentid"], row["cores"], row["used_gb"], row["other"]) == ("o-1", 8, None, {})


@BOTH
def test_unknown_repeated_and_unnamed_cells_are_in_other(read: Reader) -> None:
    (row,) = table(csv_of(["new", "agentId", "agentId", "", "NEW", "Column 1", "empty"], [*"abcdef", ""]), read)

    assert row["agentid"] == "b"
    assert row["other"] == {"new": "a", "column 3": "c", "column 4": "d", "column 5": "e", "column 6": "f"}


def test_cells_of_ragged_rows_are_kept() -> None:
    written, parquet = write(lenient(csv_of(HEADER, ["o-1"], ["o-2", "1", "2", "", "x", "", "y"])))

    assert (written.rows, written.ragged) == (2, 2)
    assert [(row["agentid"], row["cores"], row["other"]) for row in rows_of(parquet)] == [
        ("o-1", None, {}),
        ("o-2", 1, {"column 5": "x", "column 7": "y"}),
    ]


@BOTH
def test_bad_input_36_cells_that_do_not_fit_are_text_in_other_and_counted(read: Reader) -> None:
    body = csv_of(HEADER, ["1", "2.5", "NaN", "x"], ["2", "2.0", "inf", ""], ["3", "", "1e400", "2020-07-14"])

    written, parquet = write(read(body))

    assert written.not_of_type == {"cores": 1, "Used (GB)": 3, "timestamp": 1}
    assert [(row["cores"], row["used_gb"], row["timestamp"], row["other"]) for row in rows_of(parquet)] == [
        (None, None, None, {"cores": "2.5", "Used (GB)": "NaN", "timestamp": "x"}),
        (2, None, None, {"Used (GB)": "inf"}),
        (None, None, datetime.fromisoformat("2020-07-14"), {"Used (GB)": "1e400"}),
    ]


@BOTH
@pytest.mark.parametrize("cell", ["-nan", "-inf", "-1e999", "nan"])
def test_bad_input_36_numbers_that_are_not_finite_are_null(read: Reader, cell: str) -> None:
    rows = table(csv_of(HEADER, ["1", "", cell, ""], ["2", "", "1.5", ""]), read)

    assert [(row["used_gb"], row["other"]) for row in rows] == [(None, {"Used (GB)": cell}), (1.5, {})]


def test_bad_input_36_a_leap_second_is_the_next_second() -> None:
    (row,) = table(csv_of(HEADER, ["", "", "", "2016-12-31 23:59:60"]))

    assert row["timestamp"] == datetime.fromisoformat("2017-01-01")


@BOTH
@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("0000-07-14 20:46:38", None),
        ("0000-12-31 23:00:00-02:00", None),
        ("9999-12-31 23:59:59-01:00", None),
        ("9999-12-31 23:59:60", None),
        ("0001-01-01 00:00:00", "0001-01-01"),
        ("9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999"),
        ("2020-07-14 20:46:60", "2020-07-14 20:47:00"),
        ("2020-07-14 20:46:38.1234567891", "2020-07-14 20:46:38.123456"),
    ],
)
def test_bad_input_36_a_time_has_the_same_result_in_each_form(read: Reader, cell: str, moment: str | None) -> None:
    forms = [cell, f" {cell}", cell.replace(" ", "T")]

    rows = table(csv_of(HEADER, *(["1", "", "", form] for form in forms), ["1", "", "", "2020-01-01"]), read)[:3]

    expected = datetime.fromisoformat(moment) if moment else None
    assert [row["timestamp"] for row in rows] == [expected] * 3
    assert [row["other"] for row in rows] == [{} if moment else {"timestamp": form} for form in forms]


@BOTH
def test_a_file_with_a_header_only_has_an_empty_table_with_all_columns(read: Reader) -> None:
    _, parquet = write(read(csv_of(HEADER)))

    names = ["agentid", "cores", "used_gb", "timestamp", "other", "export_id", "requested_date", "row_number"]
    assert read_parquet(parquet).schema.names == names
    assert rows_of(parquet) == []


@BOTH
def test_row_numbers_continue_over_batches_and_row_groups(read: Reader) -> None:
    count = 3 * csv_reader.BATCH_ROWS
    _, parquet = write(
        read(csv_of(HEADER, *(["", str(number), "", ""] for number in range(1, count + 1)))), group_rows=999
    )

    rows = rows_of(parquet)
    assert [row["row_number"] for row in rows] == [row["cores"] for row in rows] == list(range(1, count + 1))


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
odd = st.sampled_from(
    ['"', "\n", "\r\n", "\r", ",", '""', "=1+1", " 5 ", "2.0", "1e400", "NaN", "20:46:38", "2020-01-01"]
)


@given(st.lists(st.lists(cells | odd, min_size=5, max_size=5), max_size=6))
def test_bad_input_25_no_cell_is_lost_or_changed_and_both_readers_give_the_same_table(rows: list[list[str]]) -> None:
    body = csv_of([*HEADER, "new"], *rows)

    found = table(body)

    assert found == table(body, lenient)
    for row, written in zip(rows, found, strict=True):
        assert written["agentid"] == (row[0] or None)
        for header, cell in zip([*HEADER[1:], "new"], row[1:], strict=True):
            name = header.replace(" (", "_").rstrip(")").lower()
            if written.get(name) is None:
                assert written["other"].get(header, "") == cell
            else:
                assert header not in written["other"]


@given(st.lists(st.sampled_from(["a", ",", '"', "\n", "\r", "é", "1", "\0", " ", "x,1,2,\n"]), max_size=40))
def test_bad_input_25_both_readers_give_the_same_table_for_any_text(fragments: list[str]) -> None:
    body = csv_of(HEADER) + "".join(fragments).encode()

    try:
        found = write(strict(body))
    except Refused:
        return
    other = write(lenient(body))
    assert (found[0], rows_of(found[1])) == (other[0], rows_of(other[1]))


def test_the_same_rows_have_the_same_bytes() -> None:
    body = csv_of(HEADER, ["o-1", "8", "x", ""])

    assert write(strict(body))[1] == write(strict(body))[1]


class Failing:
    """A sink that fails after some writes."""

    def __init__(self, error: BaseException, writes: int) -> None:
        self.error = error
        self.writes = writes

    def write(self, data: bytes) -> None:
        self.writes -= 1
        if self.writes < 0:
            raise self.error


@BOTH
@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt(), Refused("of a sink")])
@pytest.mark.parametrize("writes", [0, 1, 4])
def test_errors_of_the_sink_are_raised_as_they_are(
    read: Reader, error: BaseException, writes: int, capfd: pytest.CaptureFixture[str]
) -> None:
    body = csv_of(HEADER, *([str(row), str(row), "", ""] for row in range(5_000)))

    with pytest.raises(type(error)) as raised:
        write(read(body), sink=Failing(error, writes), group_rows=500)

    assert raised.value is error
    assert capfd.readouterr().err == ""


@BOTH
@pytest.mark.parametrize("error", [OSError("connection lost"), KeyboardInterrupt()])
def test_errors_of_the_source_are_raised_as_they_are(read: Reader, error: BaseException) -> None:
    def chunks() -> Iterator[bytes]:
        yield csv_of(HEADER, *([str(row), str(row), "", ""] for row in range(5_000)))
        raise error

    sample = csv_of(HEADER)
    strict_reader = StrictReader(sample, chunks(), UTF_8, find_header(sample))
    reader = strict_reader if read is strict else LenientReader(chunks(), UTF_8)
    with pytest.raises(type(error)) as raised:
        write(reader)
    assert raised.value is error


@BOTH
def test_above_the_limit_rows_are_counted_and_the_table_is_not_complete(read: Reader) -> None:
    body = csv_of(HEADER, *([str(row), str(row), "", ""] for row in range(50_000)))

    written, parquet = write(read(body), max_bytes=300_000)

    assert (written.rows, written.too_large) == (50_000, "more than 300000 bytes")
    assert 0 < len(rows_of(parquet)) < 50_000


@BOTH
@pytest.mark.parametrize(
    "row",
    [
        ["", "", "", "07/14/2020 08:46:38 PM", ""],
        ["", "", "", "yesterday", ""],
        ["", "", "", "9999-12-31 23:59:60", ""],
        ["", "2.0", "", "", ""],
        ["", "", " 5", "", ""],
        ["", "", "NaN", "", ""],
        ["", "", "", "", "x"],
        ["", "", "", "", "x" * 1_000],
    ],
)
def test_bad_input_46_a_table_with_too_many_cells_that_python_reads_is_too_large(
    read: Reader, row: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 of them need more than 5 ms by the times of the cells, whatever the speed of this machine is."""
    monkeypatch.setattr(parquet_writer, "MAX_SLOW_SECONDS", 0.005)
    body = csv_of([*HEADER, "new"], *(row for _ in range(20_000)))

    written, parquet = write(read(body))

    assert (written.rows, written.too_large) == (20_000, TOO_SLOW)
    assert len(rows_of(parquet)) < 20_000


def test_bad_input_46_a_table_with_too_many_cells_after_the_header_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet_writer, "MAX_SLOW_SECONDS", 0.005)

    written, _ = write(lenient(csv_of(HEADER, *(["", "", "", "", "x"] for _ in range(20_000)))))

    assert (written.rows, written.too_large) == (20_000, TOO_SLOW)


@BOTH
def test_cells_as_the_service_writes_them_need_no_python(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_writer, "MAX_SLOW_SECONDS", 0)
    body = csv_of(HEADER, *(["o-1", "8", "0.5", "2020-07-14 20:46:38"] for _ in range(20_000)))

    written, _ = write(read(body))

    assert (written.rows, written.too_large) == (20_000, "")


@BOTH
def test_a_row_group_that_needs_too_much_memory_is_refused(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_writer, "MAX_GROUP_BYTES", 4 << 20)
    body = csv_of(HEADER, *(["x" * 1_000, "", "", ""] for _ in range(10_000)))

    with pytest.raises(Refused, match="row group"):
        write(read(body))
    written, _ = write(read(body), group_rows=500)
    assert written.rows == 10_000


def test_bad_input_46_the_memory_of_a_row_group_includes_the_cells_in_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_writer, "MAX_GROUP_BYTES", 4 << 20)
    body = csv_of(HEADER, *(["", "", "", "", "x" * 1_000] for _ in range(10_000)))

    with pytest.raises(Refused, match="row group"):
        write(lenient(body))
    written, _ = write(lenient(body), group_rows=500)
    assert written.rows == 10_000


@BOTH
@pytest.mark.parametrize("letter", ["n", "\U0001f600"])
def test_bad_input_46_a_long_header_that_each_row_repeats_in_other_needs_little_memory(
    read: Reader, letter: str
) -> None:
    """The column ``other`` has 16,000 letters, of 1 or 4 bytes, in each of 8,000 rows."""
    body = ",".join([*HEADER, letter * 16_000]).encode() + b"\r\n,,,,x" * 8_000

    assert peak_memory(lambda: write(read(body), group_rows=1_024)) < 40 << 20


@pytest.mark.parametrize("dataset", list(known_tables()))
def test_every_known_header_gives_a_table(dataset: str) -> None:
    columns = known_tables()[dataset]

    (row,) = table(csv_of(list(columns), [""] * len(columns)), columns=columns)

    assert list(row) == [
        *(name.lower() for name, _ in columns.values()),
        "other",
        "export_id",
        "requested_date",
        "row_number",
    ]
