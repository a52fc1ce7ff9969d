"""The objects and the catalog item of a stored export."""

import base64
import csv
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from local.stack.environment import ACCOUNT, REGION
from tests.local.service import Service
from tests.local.stack import Run, Stack

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
DATASETS = {
    "osInfo.csv": "agent_os_info",
    "networkInterface.csv": "agent_network_interface",
    "process.csv": "agent_process",
    "systemPerformance.csv": "agent_system_performance",
    "sourceProcessConnection.csv": "agent_source_process_connection",
    "destinationProcessConnection.csv": "agent_destination_process_connection",
    "results.json": "agent_results",
    "Application.csv": "summary_application",
    "ApplicationResourceAssociation.csv": "summary_application_resource_association",
    "ImportTemplate": "summary_import_template",
    "NetworkInterface.csv": "summary_network_interface",
    "Server.csv": "summary_server",
    "SystemPerformance.csv": "summary_system_performance",
    "Tags.csv": "summary_tags",
    "VMwareInfo.csv": "summary_vmware_info",
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True)
class StoredExport:
    """A stored export, and the bytes at its download URL."""

    export_id: str
    run: Run
    source: bytes
    date: str
    """The date of the request."""

    @property
    def members(self) -> Mapping[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.source)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @property
    def raw_key(self) -> str:
        return f"raw/{ACCOUNT}/{REGION}/{self.date}/{self.export_id}.zip"

    def key(self, member: str) -> str:
        return f"data/{DATASETS[member.partition('_')[2]]}/{self.date}/{self.export_id}/{member}"


def store(stack: Stack, service: Service, export_id: str) -> StoredExport:
    run = stack.run(exportIds=[export_id], correlationId="wave-7")
    requested = service.described(export_id)["exportRequestTime"].astimezone(UTC)
    return StoredExport(export_id, run, service.download(export_id), requested.date().isoformat())


@pytest.fixture(scope="module")
def agent(stack: Stack, service: Service) -> StoredExport:
    """Requested yesterday, so that its date is not that of the run."""
    yesterday = timedelta(days=1).total_seconds()
    span = {"requested_start": START.timestamp(), "requested_end": END.timestamp()}
    return store(stack, service, service.has(kind="agent", age_seconds=yesterday, **span))


@pytest.fixture(scope="module")
def summary(stack: Stack, service: Service) -> StoredExport:
    return store(stack, service, service.has(kind="summary"))


@pytest.fixture(params=["agent", "summary"])
def stored(request: pytest.FixtureRequest) -> StoredExport:
    found: StoredExport = request.getfixturevalue(request.param)
    return found


def test_the_raw_object_equals_the_download(stack: Stack, stored: StoredExport) -> None:
    assert stack.body(stored.raw_key) == stored.source


def test_every_member_is_stored_byte_for_byte(stack: Stack, stored: StoredExport) -> None:
    assert {member: stack.body(stored.key(member)) for member in stored.members} == stored.members


def test_there_are_no_objects_except_raw_data_and_manifest(stack: Stack, stored: StoredExport) -> None:
    expected = {stored.raw_key, f"manifests/{stored.export_id}.json", *map(stored.key, stored.members)}

    assert {key for key in stack.keys_of(stored.export_id) if not key.startswith("tables/")} == expected


def test_no_object_was_written_twice(stack: Stack, stored: StoredExport) -> None:
    assert {stack.versions(key) for key in stack.keys_of(stored.export_id)} == {1}


def test_the_manifest_describes_every_file(stack: Stack, stored: StoredExport) -> None:
    described = {file["name"]: file for file in stack.manifest(stored.export_id)["files"]}

    assert list(described) == list(stored.members)
    for name, content in stored.members.items():
        table = list(csv.reader(io.StringIO(content.decode(), newline=""))) if not name.endswith(".json") else []
        expected = {
            "name": name,
            "dataset": DATASETS[name.partition("_")[2]],
            "key": stored.key(name),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": len(table) - 1 if table else None,
            "columns": table[0] if table else [],
        }
        assert {member: described[name][member] for member in expected} == expected


def test_the_manifest_describes_the_raw_object(stack: Stack, stored: StoredExport) -> None:
    crc32 = base64.b64encode(zlib.crc32(stored.source).to_bytes(4, "big")).decode()

    assert stack.manifest(stored.export_id)["raw"] == {
        "key": stored.raw_key,
        "bytes": len(stored.source),
        "crc32": crc32,
    }


def test_the_manifest_has_the_export_info_of_the_service(stack: Stack, service: Service, agent: StoredExport) -> None:
    manifest, info = stack.manifest(agent.export_id), service.described(agent.export_id)

    expected = {
        "exportId": agent.export_id,
        "kind": "agent",
        "account": ACCOUNT,
        "region": REGION,
        "exportStatus": "SUCCEEDED",
        "statusMessage": info["statusMessage"],
        "isTruncated": False,
        "requestedStartTime": "2026-03-01T00:00:00.000Z",
        "requestedEndTime": "2026-03-02T12:30:00.000Z",
        "actualStartTime": "2026-03-01 00:00:00",
        "actualEndTime": "2026-03-02 12:30:00",
        "schemaNotes": [],
        "runId": agent.run.name,
        "correlationId": "wave-7",
    }
    assert {name: manifest[name] for name in expected} == expected
    assert {file["name"].partition("_")[0] for file in manifest["files"]} == {ACCOUNT}
    assert datetime.fromisoformat(manifest["exportRequestTime"]) == info["exportRequestTime"]
    assert all(MOMENT.fullmatch(moment) for moment in manifest["timings"].values())


def test_the_older_connection_columns_are_known(stack: Stack, service: Service) -> None:
    old = store(stack, service, service.has(kind="agent", connection_columns=10))

    assert stack.manifest(old.export_id)["schemaNotes"] == []


def test_the_item_of_a_stored_export_is_complete(stack: Stack, service: Service, agent: StoredExport) -> None:
    row, manifest = stack.row(agent.export_id) or {}, stack.manifest(agent.export_id)
    times = {name: row.pop(name) for name in ("exportRequestTime", "firstSeenAt", "settledAt", "announcedAt")}

    assert row == {
        "exportId": agent.export_id,
        "status": "STORED",
        "exportStatus": "SUCCEEDED",
        "statusMessage": service.described(agent.export_id)["statusMessage"],
        "isTruncated": False,
        "requestedStartTime": "2026-03-01T00:00:00.000Z",
        "requestedEndTime": "2026-03-02T12:30:00.000Z",
        "actualStartTime": "2026-03-01T00:00:00.000Z",
        "actualEndTime": "2026-03-02T12:30:00.000Z",
        "kind": "agent",
        "accountId": ACCOUNT,
        "region": REGION,
        "manifestKey": f"manifests/{agent.export_id}.json",
        "bytes": len(agent.source),
        "rows": sum(file["rows"] or 0 for file in manifest["files"]),
        "files": len(agent.members),
        "rawCrc32": manifest["raw"]["crc32"],
        "schemaNotes": 0,
        "polls": 1,
        "runId": agent.run.name,
        "correlationId": "wave-7",
    }
    assert all(MOMENT.fullmatch(moment) for moment in times.values())
    assert list(times.values()) == sorted(times.values())


def test_the_item_of_a_rejected_export_has_its_reason(stack: Stack, service: Service) -> None:
    export_id = service.has(download_url="http://exports.example/")

    stack.run(exportIds=[export_id])

    row = stack.row(export_id) or {}
    assert (row["status"], row["reason"], row["exportStatus"]) == ("REJECTED", "URL_REFUSED", "SUCCEEDED")
    assert row["settledAt"] <= row["announcedAt"]
    assert row.keys().isdisjoint({"manifestKey", "bytes", "claimedBy", "claimedUntil"})


def test_exports_are_found_by_status_and_time(stack: Stack, service: Service) -> None:
    began = datetime.now(UTC)
    stored, failed = service.has(kind="ec2-recommendations"), service.has(outcome="FAILED")

    stack.run(exportIds=[stored, failed])

    assert stored in stack.by_status("STORED", since=began)
    assert failed in stack.by_status("FAILED", since=began)
    assert stored not in stack.by_status("FAILED", since=began)
    assert stored not in stack.by_status("STORED", since=datetime.now(UTC))


def test_an_export_of_many_parts_is_stored_completely(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", min_bytes=20_000_000, compression="stored")

    stored = store(stack, service, export_id)

    assert stored.run.outcome(export_id) == "STORED"
    assert len(stored.source) > 20_000_000
    assert stack.body(stored.raw_key) == stored.source
    assert {member: stack.body(stored.key(member)) for member in stored.members} == stored.members
    assert (
        stack.manifest(export_id)["raw"]["crc32"]
        == base64.b64encode(zlib.crc32(stored.source).to_bytes(4, "big")).decode()
    )


def test_every_member_of_a_nested_zip_is_stored(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", container="nested")

    stored = store(stack, service, export_id)

    (inner,) = stored.members.values()
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        members = [archive.read(name) for name in archive.namelist()]
    files = stack.manifest(export_id)["files"]
    assert [stack.body(file["key"]) for file in files] == members
    assert [file["dataset"] for file in files] == [name for name in DATASETS.values() if name.startswith("agent_")]


def test_bad_input_23_names_inside_the_zip_do_not_become_keys(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", folder="../../manifests", name_prefix="..\\üñî\u202e")

    stored = store(stack, service, export_id)

    keys = [key for key in stack.keys_of(export_id) if key.startswith("data/")]
    assert stored.run.outcome(export_id) == "STORED"
    assert len(keys) == len(stored.members)
    assert all(re.fullmatch(rf"data/agent_\w+/{stored.date}/{export_id}/[\w-][\w.-]*", key) for key in keys)
    assert [file["name"] for file in stack.manifest(export_id)["files"]] == list(stored.members)


def test_bad_input_32_exports_are_stored_under_the_date_of_their_request(stack: Stack, service: Service) -> None:
    """An hour ago may be yesterday: the date is that of the service in UTC."""
    ages = [hours * 3600 for hours in (1, 13, 25)]
    export_ids = [service.has(kind="ec2-recommendations", age_seconds=age) for age in ages]

    stack.run(exportIds=export_ids)

    for export_id in export_ids:
        requested = service.described(export_id)["exportRequestTime"].astimezone(UTC).date().isoformat()
        assert f"/{requested}/" in stack.manifest(export_id)["raw"]["key"]


def test_a_run_stores_only_its_plan_batches_and_report(stack: Stack, agent: StoredExport) -> None:
    assert sorted(key for key in stack.keys("runs/") if agent.run.name in key) == [
        f"runs/{agent.run.name}.json",
        f"runs/{agent.run.name}/batches/00001.json",
        f"runs/{agent.run.name}/plan.json",
    ]
    assert json.loads(stack.body(f"runs/{agent.run.name}.json")) == agent.run.output
