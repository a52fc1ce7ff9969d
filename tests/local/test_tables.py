"""SQL queries of stored exports need no further steps and return the cells of the CSV files unchanged."""

import csv
import io
import json
import re
import uuid
import zipfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import zip_longest

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import read_parquet, write_parquet
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from exports.datasets.exports_table import exports_row
from local.stack.aws import LocalAws
from tests.local.athena import Athena, Cells, Database
from tests.local.csv_exports import Rows, zipped_csv
from tests.local.service import Service
from tests.local.stack import Stack

CONNECTIONS = "agent_source_process_connection"
YEAR = 365 * 24 * 3600.0
OS_INFO = ["accountNumber", "agentId", "osName", "osVersion", "cpuType", "hostName", "hypervisor"]
QUERY = re.compile(r"\s*(--|SELECT|WITH)")
ODD = [
    '"',
    '""',
    "\n",
    "\r\n",
    "\r",
    ",",
    "'",
    "\\",
    "\\n",
    "\t",
    "ä",
    "サーバ",
    "\U0001f600",
    "=1+1",
    " ",
    "",
    "{",
    "}",
    "%s",
]
ALIKE = ["2020-01-01 00:00:00", "0012", "1.50", "null", "true"]
CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(ALIKE)
ROWS = st.lists(CELLS | st.lists(st.sampled_from(ODD)).map("".join), min_size=6, max_size=6)
PERFORMANCE = {
    "agentId": "agentid",
    "totalNumCores": "totalnumcores",
    "totalDiskSize (GB)": "totaldisksize_gb",
    "timestamp": "timestamp",
}
"""Headers and columns of each type."""
NUMBERS = st.sampled_from(["12", "-7", "2.0", " 5", "1e3", "0.5", ".5", "NaN", "inf", "1e400", str(2**63), "five"])
MOMENTS = ["2020-07-14 20:46:38", "2020-07-14T20:46:38.25Z", " 2020-07-14 20:46+02:00", "2020-13-01", "20:46:38"]
TYPED_ROWS = st.lists(st.sampled_from([*MOMENTS, "ü"]) | NUMBERS | CELLS, max_size=8) | st.tuples(
    CELLS, NUMBERS, NUMBERS, st.sampled_from(MOMENTS)
).map(list)


@pytest.fixture(scope="module")
def athena(aws: LocalAws) -> Athena:
    return Athena(aws)


@pytest.fixture
def database(aws: LocalAws, stack: Stack) -> Database:
    """A database for the exports of one test."""
    return Database(aws, stack, f"tables_{uuid.uuid4().hex}")


def members(source: bytes) -> Mapping[str, list[dict[str, str]]]:
    """The rows of each CSV file of an export, by the end of its name."""
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        return {name.partition("_")[2]: rows(archive.read(name)) for name in archive.namelist()}


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_one_query_reads_exports_of_different_years_without_further_steps(
    aws: LocalAws, athena: Athena, stack: Stack, service: Service
) -> None:
    old = service.has(kind="agent", connection_columns=10, rows=4, age_seconds=8 * YEAR)
    recent = service.has(kind="agent", rows=5, age_seconds=YEAR)
    new = service.has(kind="agent", rows=6)

    stack.run(exportIds=[old, recent, new])

    found = athena.rows(
        f"SELECT export_id, count(*), count(commandpath) FROM {CONNECTIONS}"
        f" WHERE export_id IN ('{old}', '{recent}', '{new}') GROUP BY export_id"
    )
    expected = {}
    for export_id in (old, recent, new):
        connections = members(service.download(export_id))["sourceProcessConnection.csv"]
        paths = sum(bool(row.get("commandPath")) for row in connections)
        expected[export_id] = (str(len(connections)), str(paths))
    assert {row[0]: row[1:] for row in found} == expected
    assert expected[old][1] == "0" != expected[new][1]
    assert [each for each in athena.statements() if not QUERY.match(each)] == [], "only queries"
    assert aws.client("glue").get_crawlers()["Crawlers"] == []


def test_a_query_may_name_the_month_or_omit_it(database: Database, stack: Stack, service: Service) -> None:
    exports = [service.has(kind="agent", rows=2), service.has(kind="agent", rows=3, age_seconds=YEAR)]
    stack.run(exportIds=exports)
    database.copy_exports(exports)
    new, old = (stack.manifest(export_id)["exportRequestTime"][:10] for export_id in exports)

    def count(condition: str = "") -> list[Cells]:
        return database.athena.rows(f"SELECT count(*) FROM agent_system_performance {condition}")

    assert count() == [("5",)]
    assert count(f"WHERE requested_month >= '{new[:7]}'") == [("2",)]
    assert count(f"WHERE requested_month = '{old[:7]}' AND requested_date = DATE '{old}'") == [("3",)]
    assert count(f"WHERE requested_date < DATE '{new}'") == [("3",)]
    assert count(f"WHERE requested_month = '{old[:7]}' AND export_id = '{exports[0]}'") == [("0",)]


def test_a_query_returns_the_cells_of_a_stored_export_unchanged_and_empty_ones_as_null(
    athena: Athena, stack: Stack, service: Service
) -> None:
    export_id = service.has(kind="agent")

    stack.run(exportIds=[export_id])

    found = athena.rows(
        f"SELECT name, cmdline, path FROM agent_process WHERE export_id = '{export_id}' ORDER BY row_number"
    )
    processes = members(service.download(export_id))["process.csv"]
    assert found == [(row["name"], row["cmdLine"] or None, row["path"]) for row in processes]
    assert any("\n" in row["cmdLine"] and '"' in row["cmdLine"] for row in processes)
    assert not all(row["cmdLine"] for row in processes)


def test_a_stored_export_is_queried_without_a_registered_partition(
    aws: LocalAws, athena: Athena, stack: Stack, service: Service
) -> None:
    export_id = service.has(kind="summary")

    stack.run(exportIds=[export_id])

    glue, manifest = aws.client("glue"), stack.manifest(export_id)
    assert len(manifest["files"]) == 8
    for file in manifest["files"]:
        (counted,) = athena.rows(f"SELECT count(*) FROM {file['dataset']} WHERE export_id = '{export_id}'")
        assert counted == (str(file["rows"]),), file["dataset"]
        found = glue.get_partitions(DatabaseName=aws.outputs["DatabaseName"], TableName=file["dataset"])
        assert found["Partitions"] == [], file["dataset"]


def test_truncated_exports_are_marked(athena: Athena, stack: Stack, service: Service) -> None:
    whole, truncated = service.has(kind="agent"), service.has(kind="agent", is_truncated=True)

    stack.run(exportIds=[whole, truncated])

    found = athena.rows(f"SELECT exportid, istruncated FROM exports WHERE exportid IN ('{whole}', '{truncated}')")
    assert set(found) == {(whole, "false"), (truncated, "true")}


def test_a_query_returns_any_cells_unchanged(athena: Athena, stack: Stack, service: Service) -> None:
    """500 rows from Hypothesis in one export: written as CSV, stored by the stack, read with Athena."""
    rows = drawn(ROWS, 500)
    export_id = service.has_body(zipped_csv({"1_osInfo.csv": [OS_INFO, *(["1", *row] for row in rows)]}))

    stack.run(exportIds=[export_id])

    columns = ", ".join(OS_INFO[1:])
    found = athena.rows(f"SELECT {columns} FROM agent_os_info WHERE export_id = '{export_id}' ORDER BY row_number")
    assert found == [tuple(cell or None for cell in row) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "windows-1252"])
def test_a_query_returns_every_cell_of_typed_columns_ragged_rows_and_other_encodings(
    database: Database, stack: Stack, service: Service, encoding: str
) -> None:
    """300 rows of any length: each cell is the value of its column, or its text is in ``other``."""
    rows = drawn(TYPED_ROWS, 300)
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([[*PERFORMANCE, "größer"], *filter(None, rows)])
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("1_systemPerformance.csv", text.getvalue().encode(encoding, "replace"))
    export_id = service.has_body(body.getvalue())
    stack.run(exportIds=[export_id])
    database.copy_exports([export_id])

    columns = ", ".join(f'"{column}"' for column in PERFORMANCE.values())
    found = database.athena.rows(f"SELECT {columns}, other FROM agent_system_performance ORDER BY row_number")

    headers = [*PERFORMANCE, "größer", *(f"column {number}" for number in range(6, 9))]
    expected = [[cell.encode(encoding, "replace").decode(encoding) for cell in row] for row in rows if row]
    values = Counter[str]()
    for row, written in zip(expected, found, strict=True):
        other = json.loads(written[-1] or "{}")
        for header, cell, value in zip_longest(headers, row[:8], written[:-1]):
            if value is None:
                assert other.pop(header, "") == (cell or "")
            else:
                assert is_value_of(cell, value, header)
                values[header] += 1
        assert other == {}
    assert set(values) == set(PERFORMANCE)


def is_value_of(cell: str, value: str, header: str) -> bool:
    """Whether a value of SQL is that of the cell, which Python reads."""
    match header:
        case "agentId":
            return cell == value
        case "timestamp":
            moment = datetime.fromisoformat(cell.strip())
            return datetime.fromisoformat(value) == (moment.astimezone(UTC) if moment.tzinfo else moment).replace(
                tzinfo=None
            )
        case _:
            return float(cell) == float(value)


def drawn(strategy: st.SearchStrategy[list[str]], count: int) -> list[list[str]]:
    """``count`` examples, always the same, and not shrunk: one row is small enough to explain a failure."""
    found: list[list[str]] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy)
    def collect(row: list[str]) -> None:
        found.append(row)

    collect()
    return found


def test_a_file_with_only_a_header_adds_no_row(database: Database, stack: Stack, service: Service) -> None:
    files: list[Mapping[str, Rows]] = [{"1_osInfo.csv": [OS_INFO]}, {"1_osInfo.csv": [OS_INFO, ["1"] * 7]}]
    empty, filled = (service.has_body(zipped_csv(each)) for each in files)
    stack.run(exportIds=[empty, filled])

    database.copy_exports([empty, filled])

    assert database.athena.rows("SELECT export_id, osname FROM agent_os_info") == [(filled, "1")]


def test_columns_in_another_order_are_read_by_name_and_unknown_ones_from_the_json_of_other(
    database: Database, stack: Stack, service: Service
) -> None:
    known = [OS_INFO, ["1", "o-2", "Windows", *"4567"]]
    unknown = [["osName", "Idle (s)", "agentId"], ["Linux", "x", "o-1"]]
    exports = [service.has_body(zipped_csv({"1_osInfo.csv": rows})) for rows in (known, unknown)]
    stack.run(exportIds=exports)

    database.copy_exports(exports)

    found = database.athena.rows(
        "SELECT agentid, osname, hostname, json_extract_string(other, '$.\"Idle (s)\"') FROM agent_os_info"
        " ORDER BY agentid"
    )
    assert found == [("o-1", "Linux", None, "x"), ("o-2", "Windows", "6", None)]


def test_objects_from_before_a_column_was_added_are_read_with_the_new_ones(
    database: Database, stack: Stack, service: Service
) -> None:
    table = Table.from_arrays([Array(["o-1"], DataType.string())], names=["agentid"])
    before = io.BytesIO()
    write_parquet(table, before)
    export_id = service.has_body(zipped_csv({"1_osInfo.csv": [["agentId", "osName"], ["o-2", "Linux"]]}))
    stack.run(exportIds=[export_id])

    database.put("tables/agent_os_info/requested_month=2020-01/export-1-0001.parquet", before.getvalue())
    database.copy_exports([export_id])

    found = database.athena.rows("SELECT agentid, osname, requested_month < '2021' FROM agent_os_info ORDER BY agentid")
    assert found == [("o-1", None, "true"), ("o-2", "Linux", "false")]


def test_the_rows_of_exports_from_before_a_column_was_added_are_read_with_the_new_ones(database: Database) -> None:
    asked_for = {
        "kind": "agent",
        "agentId": "o-1",
        "from": "2026-11-01T06:00:00.000Z",
        "to": "2026-11-04T06:00:00.000Z",
    }
    old, new = (exports_row({"exportId": name, "askedFor": asked_for, "files": []}) for name in ("old", "new"))
    table = read_parquet(io.BytesIO(old)).read_all()
    before = io.BytesIO()
    write_parquet(table.select([name for name in table.schema.names if not name.startswith("askedfor")]), before)

    database.put("tables/exports/requested_month=2026-10/old.parquet", before.getvalue())
    database.put("tables/exports/requested_month=2026-11/new.parquet", new)

    found = database.athena.rows(
        "SELECT exportid, askedforkind, askedforagentid, askedforto >= TIMESTAMP '2026-11-04 06:00:00',"
        " date_diff('hour', askedforfrom, askedforto) FROM exports ORDER BY exportid"
    )
    assert found == [("new", "agent", "o-1", "true", "72"), ("old", None, None, None, None)]
