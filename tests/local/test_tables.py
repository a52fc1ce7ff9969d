"""SQL queries of stored exports need no further steps and return the cells of the CSV files unchanged."""

import csv
import io
import re
import uuid
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from local.stack.aws import LocalAws
from tests.local.athena import Athena, Cells, Database
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


@pytest.fixture(scope="module")
def athena(aws: LocalAws) -> Athena:
    return Athena(aws)


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
        paths = sum("commandPath" in row for row in connections)
        expected[export_id] = (str(len(connections)), str(paths))
    assert {row[0]: row[1:] for row in found} == expected
    assert expected[old][1] == "0" != expected[new][1]
    assert [each for each in athena.statements() if not QUERY.match(each)] == [], "only queries"
    assert aws.client("glue").get_crawlers()["Crawlers"] == []


def test_a_query_may_name_partitions_or_omit_them(aws: LocalAws, stack: Stack, service: Service) -> None:
    database = Database(aws, stack, f"partitions_{uuid.uuid4().hex}")
    exports = [service.has(kind="agent", rows=2), service.has(kind="agent", rows=3, age_seconds=YEAR)]
    stack.run(exportIds=exports)
    database.copy_exports(exports)
    days = [stack.manifest(export_id)["exportRequestTime"][:10] for export_id in exports]

    def count(condition: str = "") -> list[Cells]:
        return database.athena.rows(f"SELECT count(*) FROM agent_system_performance {condition}")

    assert count() == [("5",)]
    assert count(f"WHERE export_id = '{exports[0]}'") == [("2",)]
    assert count(f"WHERE requested_date < '{days[0]}'") == [("3",)]
    assert count(f"WHERE requested_date = '{days[1]}' AND export_id = '{exports[0]}'") == [("0",)]


def test_a_query_returns_the_cells_of_a_stored_export_unchanged(athena: Athena, stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent")

    stack.run(exportIds=[export_id])

    found = athena.rows(f"SELECT name, cmdline, path, issystem FROM agent_process WHERE export_id = '{export_id}'")
    processes = members(service.download(export_id))["process.csv"]
    assert sorted(found) == sorted((row["name"], row["cmdLine"], row["path"], row["isSystem"]) for row in processes)
    assert any("\n" in row["cmdLine"] and '"' in row["cmdLine"] for row in processes)


def test_glue_has_the_partition_of_each_table_once_the_export_is_stored(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    export_id = service.has(kind="summary")

    stack.run(exportIds=[export_id])

    glue = aws.client("glue")
    manifest = stack.manifest(export_id)
    date = manifest["exportRequestTime"][:10]
    assert len(manifest["files"]) == 8
    for file in manifest["files"]:
        found = glue.get_partition(
            DatabaseName=aws.outputs["DatabaseName"],
            TableName=file["dataset"],
            PartitionValues=[date, export_id],
        )["Partition"]["StorageDescriptor"]
        assert stack.uri(file["tableKey"]).startswith(found["Location"])
        assert found["Columns"]


def test_truncated_exports_are_marked(athena: Athena, stack: Stack, service: Service) -> None:
    whole, truncated = service.has(kind="agent"), service.has(kind="agent", is_truncated=True)

    stack.run(exportIds=[whole, truncated])

    found = athena.rows(f"SELECT exportid, istruncated FROM exports WHERE exportid IN ('{whole}', '{truncated}')")
    assert set(found) == {(whole, "false"), (truncated, "true")}


def test_a_query_returns_any_cells_unchanged(aws: LocalAws, athena: Athena, stack: Stack, service: Service) -> None:
    """500 rows from Hypothesis in one export: written as CSV, stored by the stack, read with Athena."""
    expected = [[f"{number:04}", *row] for number, row in enumerate(drawn(ROWS, 500))]
    export_id = service.has(
        kind="agent", download_url=presigned_url(aws, stack, zipped_csv("1_osInfo.csv", [OS_INFO, *expected]))
    )

    stack.run(exportIds=[export_id])

    found = athena.rows(
        f"SELECT {', '.join(OS_INFO)} FROM agent_os_info WHERE export_id = '{export_id}' ORDER BY accountnumber"
    )
    assert found == [tuple(row) for row in expected]


def drawn(strategy: st.SearchStrategy[list[str]], count: int) -> list[list[str]]:
    """``count`` examples, always the same, and not shrunk: one row is small enough to explain a failure."""
    found: list[list[str]] = []

    @settings(max_examples=count, derandomize=True, database=None, phases=[Phase.generate])
    @given(strategy)
    def collect(row: list[str]) -> None:
        found.append(row)

    collect()
    return found


def zipped_csv(name: str, rows: list[list[str]]) -> bytes:
    text, whole = io.StringIO(newline=""), io.BytesIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text.getvalue())
    return whole.getvalue()


def presigned_url(aws: LocalAws, stack: Stack, body: bytes) -> str:
    """A presigned URL of these bytes."""
    location = {"Bucket": stack.bucket, "Key": f"places/{uuid.uuid4().hex}.zip"}
    client = aws.client("s3")
    client.put_object(**location, Body=body)
    return str(client.generate_presigned_url("get_object", Params=location))


def test_a_file_with_only_a_header_adds_no_row(aws: LocalAws, stack: Stack) -> None:
    database = Database(aws, stack, f"header_{uuid.uuid4().hex}")

    database.put_rows("agent_os_info", "export-1", OS_INFO, [])
    database.put_rows("agent_os_info", "export-2", OS_INFO, [["1"] * 7])

    assert database.athena.rows("SELECT export_id, osname FROM agent_os_info") == [("export-2", "1")]


def test_columns_in_another_order_and_unknown_ones_are_read_by_name(aws: LocalAws, stack: Stack) -> None:
    database = Database(aws, stack, f"order_{uuid.uuid4().hex}")

    database.put_rows("agent_os_info", "export-1", ["osName", "new", "agentId"], [["Linux", "x", "o-1"]])
    database.put_rows("agent_os_info", "export-2", OS_INFO, [["1", "o-2", "Windows", *"4567"]])

    found = database.athena.rows("SELECT agentid, osname, hostname FROM agent_os_info ORDER BY agentid")
    assert found == [("o-1", "Linux", None), ("o-2", "Windows", "6")]
