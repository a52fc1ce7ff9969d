"""The row of an export in the table ``exports``, read back from its Parquet file."""

import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from arro3.io import read_parquet

from exports.datasets import exports_table
from exports.datasets.exports_table import exports_row

TIME = datetime.fromisoformat
"""Parquet timestamps without a zone are read as times without a zone."""
ATHENA_MAX_ROW_BYTES = 32 * 10**6
MANIFEST: dict[str, Any] = {
    "version": "1",
    "exportId": "export-1",
    "kind": "agent",
    "account": "111122223333",
    "region": "us-west-2",
    "exportStatus": "SUCCEEDED",
    "statusMessage": "größer\n",
    "exportRequestTime": "2026-11-23T11:30:00.123Z",
    "isTruncated": True,
    "requestedStartTime": "2026-11-23T02:00:00+02:00",
    "requestedEndTime": None,
    "actualStartTime": "2026-11-20 00:00:03",
    "actualEndTime": "yesterday",
    "raw": {"key": "raw/export-1.zip", "bytes": 8 * 10**12, "crc32": "AAAAAA=="},
    "files": [
        {
            "name": "1_osInfo.csv",
            "dataset": "agent_os_info",
            "key": "data/1.csv",
            "tableKey": "tables/1.parquet",
            "bytes": 20,
            "sha256": "ab",
            "rows": 2,
            "columns": ["a", "b"],
        },
        {
            "name": "r.json",
            "dataset": "agent_results",
            "key": "data/r.json",
            "tableKey": None,
            "bytes": 3,
            "sha256": "cd",
            "rows": None,
            "columns": [],
        },
    ],
    "schemaNotes": [{"name": "1_osInfo.csv", "unknown": ["b"]}],
    "timings": {"firstSeenAt": "2026-11-23T11:59:00.000Z", "storedAt": "2026-11-23T12:00:00.000Z"},
    "runId": "run-1",
    "correlationId": None,
    "askedFor": {
        "kind": "agent",
        "agentId": "o-1",
        "from": "2026-11-20T00:00:00.000Z",
        "to": "2026-11-23T00:00:00.000Z",
    },
}


def row_of(manifest: dict[str, Any]) -> dict[str, Any]:
    (batch,) = read_parquet(io.BytesIO(exports_row(manifest)))
    (row,) = batch.to_struct_array().to_pylist()
    return dict(row)


def test_the_row_has_the_values_of_the_manifest_in_the_types_of_their_columns() -> None:
    assert row_of(MANIFEST) == {
        "exportid": "export-1",
        "kind": "agent",
        "account": "111122223333",
        "region": "us-west-2",
        "exportstatus": "SUCCEEDED",
        "statusmessage": "größer\n",
        "exportrequesttime": TIME("2026-11-23T11:30:00.123"),
        "istruncated": True,
        "requestedstarttime": TIME("2026-11-23"),
        "requestedendtime": None,
        "actualstarttime": TIME("2026-11-20T00:00:03"),
        "actualendtime": None,
        "rawkey": "raw/export-1.zip",
        "rawbytes": 8 * 10**12,
        "rawcrc32": "AAAAAA==",
        "schemanotes": '[{"name": "1_osInfo.csv", "unknown": ["b"]}]',
        "storedat": TIME("2026-11-23T12:00:00"),
        "runid": "run-1",
        "correlationid": None,
        "askedforkind": "agent",
        "askedforagentid": "o-1",
        "askedforfrom": TIME("2026-11-20"),
        "askedforto": TIME("2026-11-23"),
        "files": [
            {
                "name": "1_osInfo.csv",
                "dataset": "agent_os_info",
                "key": "data/1.csv",
                "tablekey": "tables/1.parquet",
                "bytes": 20,
                "sha256": "ab",
                "rows": 2,
            },
            {
                "name": "r.json",
                "dataset": "agent_results",
                "key": "data/r.json",
                "tablekey": None,
                "bytes": 3,
                "sha256": "cd",
                "rows": None,
            },
        ],
    }


def test_the_columns_have_the_order_and_types_of_the_definition() -> None:
    definition = json.loads(Path(exports_table.__file__).with_suffix(".json").read_bytes())

    schema = read_parquet(io.BytesIO(exports_row(MANIFEST))).schema

    assert schema.names == [*definition["columns"], "files"]
    types = {"string": "Utf8", "bigint": "Int64", "boolean": "Boolean", "timestamp": "Timestamp(µs)"}
    assert {name: types[kind] in str(schema.field(name)) for name, kind in definition["columns"].items()} == (
        dict.fromkeys(definition["columns"], True)
    )
    fields = ", ".join(f'"{name}": {types[kind]}' for name, kind in definition["files"].items())
    assert f"Struct({fields})" in str(schema.field("files"))


def test_the_file_has_no_schema_of_arrow_beside_its_own() -> None:
    assert b"ARROW:schema" not in exports_row(MANIFEST)


def test_an_export_without_files_and_notes_has_an_empty_array_and_no_notes() -> None:
    row = row_of({**MANIFEST, "files": [], "schemaNotes": []})

    assert (row["files"], row["schemanotes"]) == ([], None)


def test_members_that_a_manifest_lacks_are_null() -> None:
    row = row_of({"exportId": "export-1", "files": [{"name": "a"}]})

    assert {name for name, value in row.items() if value is not None} == {"exportid", "files"}
    assert {name for name, value in row["files"][0].items() if value is not None} == {"name"}


def test_an_export_that_others_started_was_asked_for_nothing() -> None:
    row = row_of({**MANIFEST, "askedFor": None})

    assert {row[name] for name in row if name.startswith("askedfor")} == {None}


@pytest.mark.parametrize("text", ["", "2026-13-01", "0001-01-01T00:00:00+14:00", 7, {"a": 1}])
def test_what_is_no_time_is_null(text: object) -> None:
    assert row_of({**MANIFEST, "actualStartTime": text})["actualstarttime"] is None


def test_the_largest_row_is_far_below_the_limit_of_athena() -> None:
    """10,000 files, the longest names and keys, each character of four bytes, and a note for each file."""
    name = "\N{GRINNING FACE}" * 1_000
    file = {**MANIFEST["files"][0], "name": name, "key": "k" * 450, "tableKey": "t" * 350}
    note = {"name": name, "unknown": [name] * 10}

    row = row_of({**MANIFEST, "files": [file] * 10_000, "schemaNotes": [note] * 10_000})

    assert len(json.dumps(row, ensure_ascii=False, default=str).encode()) < ATHENA_MAX_ROW_BYTES * 2 / 3
    *notes, omitted = json.loads(row["schemanotes"])
    assert omitted == {"omittedFiles": 10_000 - len(row["files"]), "omittedNotes": 10_000 - len(notes)}
    assert notes
    assert notes[0] == note


def test_ten_thousand_files_with_usual_names_are_all_in_the_row() -> None:
    row = row_of({**MANIFEST, "files": MANIFEST["files"] * 5_000})

    assert len(row["files"]) == 10_000
    assert "omitted" not in row["schemanotes"]


def test_the_same_manifest_gives_the_same_bytes() -> None:
    assert exports_row(MANIFEST) == exports_row(MANIFEST)


def test_importing_the_module_does_not_import_arro3() -> None:
    """Only the function that stores exports needs it, and only once it has stored one."""
    code = "import sys, exports.storing.pipeline; print([name for name in sys.modules if name.startswith('arro3')])"

    functions = Path(exports_table.__file__).parents[2]
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=functions)

    assert printed.stdout == "[]\n"
