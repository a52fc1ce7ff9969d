"""Contents of the exports of the double: the known files, headers and rows of the service."""

import csv
import gzip
import io
import json
import zipfile
from dataclasses import replace

import pytest

from local.double.data.archive import write_export
from local.double.data.contents import Container, Contents, CsvFile, Kind
from local.double.data.data_center import DataCenter
from local.double.data.files import csv_files

DATA_CENTER = DataCenter()
AGENT = Contents(kind=Kind.AGENT, agent_id=DATA_CENTER.server(3).agent_id, rows=4)
SUMMARY = Contents(kind=Kind.SUMMARY)
EC2 = Contents(kind=Kind.EC2_RECOMMENDATIONS)
EVERY_KIND = pytest.mark.parametrize("contents", [AGENT, SUMMARY, EC2], ids=lambda contents: contents.kind)


def written(contents: Contents, data_center: DataCenter = DATA_CENTER) -> bytes:
    target = io.BytesIO()
    write_export(data_center, contents, target)
    return target.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@EVERY_KIND
def test_arguments_and_seed_determine_the_bytes(contents: Contents) -> None:
    other = DataCenter(seed=8)
    of_other = replace(contents, agent_id=other.server(3).agent_id)

    assert written(contents) == written(contents, DataCenter())
    assert members(written(contents)) != members(written(of_other, other))


def test_a_summary_has_the_eight_files_of_the_user_guide() -> None:
    assert list(members(written(SUMMARY))) == [
        "123456789012_Application.csv",
        "123456789012_ApplicationResourceAssociation.csv",
        "123456789012_ImportTemplate",
        "123456789012_NetworkInterface.csv",
        "123456789012_Server.csv",
        "123456789012_SystemPerformance.csv",
        "123456789012_Tags.csv",
        "123456789012_VMwareInfo.csv",
    ]


def test_an_agent_export_has_six_tables_and_a_results_file() -> None:
    assert list(members(written(AGENT))) == [
        "123456789012_osInfo.csv",
        "123456789012_networkInterface.csv",
        "123456789012_process.csv",
        "123456789012_systemPerformance.csv",
        "123456789012_sourceProcessConnection.csv",
        "123456789012_destinationProcessConnection.csv",
        "123456789012_results.json",
    ]


def test_headers_are_those_of_the_service() -> None:
    (recommendations,) = members(written(EC2)).values()
    server = members(written(SUMMARY))["123456789012_Server.csv"]

    assert len(rows(recommendations)[0]) == 57
    assert recommendations.startswith(b"ServerId,Server.ExternalId,Server.HostName,Server.VMware.VMname,")
    assert server.split(b"\n")[0] == (
        b"id,accountNumber,agentId,cpuType,hostName,hypervisor,osName,osVersion,smBiosId,type,state,"
        b"creationTimeStamp,lastModifiedTimeStamp,agentProvidedTimeStamp"
    )


@EVERY_KIND
def test_every_row_has_the_columns_of_its_header_and_is_read_back_unchanged(contents: Contents) -> None:
    data = members(written(contents))

    for file in csv_files(DATA_CENTER, contents):
        expected = [list(file.header), *([str(cell) for cell in row] for row in file.rows())]
        assert rows(data[file.name]) == expected, file.name
        assert {len(row) for row in expected} == {len(file.header)}, file.name
        assert len(expected) > 1, file.name


@EVERY_KIND
def test_files_have_the_format_of_the_service(contents: Contents) -> None:
    for name, data in members(written(contents)).items():
        assert not data.startswith(b"\xef\xbb\xbf"), name
        assert not data.endswith(b"\n"), name
        assert b"\r" not in data, name


def test_cells_contain_line_breaks_quotes_commas_and_umlauts() -> None:
    server = members(written(SUMMARY))["123456789012_Server.csv"]
    process = members(written(AGENT))["123456789012_process.csv"]

    assert "büro-サーバ".encode() in server
    assert b'"O\'Brien\'s ""test"" box, rack 1"' in server
    assert len(rows(process)) < len(process.split(b"\n"))


@pytest.mark.parametrize("columns", [10, 12])
def test_connections_have_10_or_12_columns(columns: int) -> None:
    data = members(written(replace(AGENT, connection_columns=columns)))

    for side in ("source", "destination"):
        table = rows(data[f"123456789012_{side}ProcessConnection.csv"])
        assert {len(row) for row in table} == {columns}
        assert table[0][:2] == ["accountNumber", "agentId"]


def test_results_file_has_the_number_and_size_of_the_files() -> None:
    data = members(written(AGENT))
    results = json.loads(data.pop("123456789012_results.json"))

    assert results["ResultFilesGenerated"] == 6
    assert results["TotalSizeOfResultFiles"] == sum(map(len, data.values()))
    assert results["RequestedFilters"][0]["Values"] == [AGENT.agent_id]
    assert results["ExportSummary"] == {
        "isTruncated": False,
        "ActualStartTime": "2026-01-12 00:00:00",
        "ActualEndTime": "2026-01-15 00:00:00",
    }


def test_a_truncated_export_has_its_actual_end_time() -> None:
    data = members(written(replace(AGENT, cut_in_half=True, rows=1_000)))
    results = json.loads(data["123456789012_results.json"])
    sampled = [row[-1] for row in rows(data["123456789012_systemPerformance.csv"])[1:]]

    assert results["ExportSummary"]["isTruncated"] is True
    assert results["ExportSummary"]["ActualEndTime"] == "2026-01-13 12:00:00"
    assert results["RequestedEndTime"] == "2026-01-15 00:00:00"
    assert max(sampled) < "2026-01-13 12:00:00"


@pytest.mark.parametrize("contents", [AGENT, replace(AGENT, agent_id="o-0123456789abcdef0")], ids=["none", "unknown"])
def test_an_export_without_results_is_a_zip_without_csv(contents: Contents) -> None:
    container = Container.NONE if contents is AGENT else Container.ZIP

    data = members(written(replace(contents, container=container)))

    assert list(data) == ["123456789012_results.json"]
    assert json.loads(data["123456789012_results.json"])["ExportSummary"] == {"isTruncated": False}


def test_a_summary_without_results_is_an_empty_zip() -> None:
    assert written(replace(SUMMARY, container=Container.NONE)).startswith(b"PK\x05\x06")


def test_a_nested_export_is_a_zip_in_a_zip() -> None:
    outer = members(written(replace(AGENT, container=Container.NESTED)))

    assert outer == {"123456789012_agent.zip": written(AGENT)}


@EVERY_KIND
def test_an_export_without_a_zip_is_one_plain_or_gzipped_table(contents: Contents) -> None:
    plain = written(replace(contents, container=Container.CSV))
    compressed = written(replace(contents, container=Container.GZIP))

    assert plain in members(written(contents)).values()
    assert gzip.decompress(compressed) == plain
    assert compressed[4:8] == bytes(4), "a gzip timestamp would make equal exports differ"


def test_folder_and_prefix_change_the_names() -> None:
    data = members(written(replace(AGENT, folder="2024/o-1", name_prefix="o-1")))

    assert "2024/o-1/o-1_osInfo.csv" in data
    assert list(members(written(replace(EC2, name_prefix="x")))) == ["EC2InstanceRecommendations_x.csv"]


def test_rows_can_be_read_again() -> None:
    file = CsvFile("x.csv", ("a",), lambda: ([number] for number in range(3)))

    assert b"".join(file.chunks()) == b"".join(file.chunks()) == b"a\n0\n1\n2"
