"""What lies in the bucket and the catalog once an export is stored."""

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
class Landed:
    """An export that was stored, and the bytes that the service has for it."""

    export_id: str
    run: Run
    source: bytes
    date: str
    """Of the request."""

    @property
    def members(self) -> Mapping[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self.source)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    @property
    def raw_key(self) -> str:
        return f"raw/{ACCOUNT}/{REGION}/{self.date}/{self.export_id}.zip"

    def key(self, member: str) -> str:
        return f"data/{DATASETS[member.partition('_')[2]]}/{self.date}/{self.export_id}/{member}"


def land(stack: Stack, service: Service, export_id: str) -> Landed:
    run = stack.run(exportIds=[export_id], correlationId="wave-7")
    requested = service.described(export_id)["exportRequestTime"].astimezone(UTC)
    return Landed(export_id, run, service.download(export_id), requested.date().isoformat())


@pytest.fixture(scope="module")
def agent(stack: Stack, service: Service) -> Landed:
    """Asked for yesterday, so that its date is not the run's."""
    yesterday = timedelta(days=1).total_seconds()
    span = {"requested_start": START.timestamp(), "requested_end": END.timestamp()}
    return land(stack, service, service.has(kind="agent", age_seconds=yesterday, **span))


@pytest.fixture(scope="module")
def summary(stack: Stack, service: Service) -> Landed:
    return land(stack, service, service.has(kind="summary"))


@pytest.fixture(params=["agent", "summary"])
def landed(request: pytest.FixtureRequest) -> Landed:
    found: Landed = request.getfixturevalue(request.param)
    return found


def test_the_raw_object_is_what_the_service_has(stack: Stack, landed: Landed) -> None:
    assert stack.body(landed.raw_key) == landed.source


def test_every_member_lies_there_byte_for_byte(stack: Stack, landed: Landed) -> None:
    assert {member: stack.body(landed.key(member)) for member in landed.members} == landed.members


def test_there_is_nothing_but_raw_data_and_manifest(stack: Stack, landed: Landed) -> None:
    expected = {landed.raw_key, f"manifests/{landed.export_id}.json", *map(landed.key, landed.members)}

    assert {key for key in stack.keys_of(landed.export_id) if not key.startswith("tables/")} == expected


def test_nothing_was_written_twice(stack: Stack, landed: Landed) -> None:
    assert {stack.versions(key) for key in stack.keys_of(landed.export_id)} == {1}


def test_the_manifest_describes_every_file(stack: Stack, landed: Landed) -> None:
    told = {file["name"]: file for file in stack.manifest(landed.export_id)["files"]}

    assert list(told) == list(landed.members)
    for name, content in landed.members.items():
        table = list(csv.reader(io.StringIO(content.decode(), newline=""))) if not name.endswith(".json") else []
        expected = {
            "name": name,
            "dataset": DATASETS[name.partition("_")[2]],
            "key": landed.key(name),
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": len(table) - 1 if table else None,
            "columns": table[0] if table else [],
        }
        assert {member: told[name][member] for member in expected} == expected


def test_the_manifest_describes_the_raw_object(stack: Stack, landed: Landed) -> None:
    crc32 = base64.b64encode(zlib.crc32(landed.source).to_bytes(4, "big")).decode()

    assert stack.manifest(landed.export_id)["raw"] == {
        "key": landed.raw_key,
        "bytes": len(landed.source),
        "crc32": crc32,
    }


def test_the_manifest_says_what_the_service_says_of_the_export(stack: Stack, service: Service, agent: Landed) -> None:
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
    old = land(stack, service, service.has(kind="agent", connection_columns=10))

    assert stack.manifest(old.export_id)["schemaNotes"] == []


def test_the_row_of_a_stored_export_is_complete(stack: Stack, service: Service, agent: Landed) -> None:
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
        "kind": "agent",
        "accountId": ACCOUNT,
        "region": REGION,
        "manifestKey": f"manifests/{agent.export_id}.json",
        "bytes": len(agent.source),
        "rows": sum(file["rows"] or 0 for file in manifest["files"]),
        "files": len(agent.members),
        "rawCrc32": manifest["raw"]["crc32"],
        "polls": 1,
        "runId": agent.run.name,
        "correlationId": "wave-7",
    }
    assert all(MOMENT.fullmatch(moment) for moment in times.values())
    assert list(times.values()) == sorted(times.values())


def test_the_row_of_a_rejected_export_has_its_reason(stack: Stack, service: Service) -> None:
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


def test_an_export_of_many_parts_is_stored_whole(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", min_bytes=20_000_000, compression="stored")

    landed = land(stack, service, export_id)

    assert landed.run.outcome(export_id) == "STORED"
    assert len(landed.source) > 20_000_000
    assert stack.body(landed.raw_key) == landed.source
    assert {member: stack.body(landed.key(member)) for member in landed.members} == landed.members
    assert (
        stack.manifest(export_id)["raw"]["crc32"]
        == base64.b64encode(zlib.crc32(landed.source).to_bytes(4, "big")).decode()
    )


def test_every_member_of_a_zip_in_the_zip_lies_there(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", container="nested")

    landed = land(stack, service, export_id)

    (inner,) = landed.members.values()
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        members = [archive.read(name) for name in archive.namelist()]
    files = stack.manifest(export_id)["files"]
    assert [stack.body(file["key"]) for file in files] == members
    assert [file["dataset"] for file in files] == [name for name in DATASETS.values() if name.startswith("agent_")]


def test_bad_input_23_names_inside_the_zip_do_not_become_keys(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent", folder="../../manifests", name_prefix="..\\üñî\u202e")

    landed = land(stack, service, export_id)

    keys = [key for key in stack.keys_of(export_id) if key.startswith("data/")]
    assert landed.run.outcome(export_id) == "STORED"
    assert len(keys) == len(landed.members)
    assert all(re.fullmatch(rf"data/agent_\w+/{landed.date}/{export_id}/[\w-][\w.-]*", key) for key in keys)
    assert [file["name"] for file in stack.manifest(export_id)["files"]] == list(landed.members)


def test_bad_input_32_exports_of_other_days_are_filed_under_their_own(stack: Stack, service: Service) -> None:
    """An hour ago may be yesterday: what counts is the service's own time in UTC."""
    ages = [hours * 3600 for hours in (1, 13, 25)]
    export_ids = [service.has(kind="ec2-recommendations", age_seconds=age) for age in ages]

    stack.run(exportIds=export_ids)

    for export_id in export_ids:
        requested = service.described(export_id)["exportRequestTime"].astimezone(UTC).date().isoformat()
        assert f"/{requested}/" in stack.manifest(export_id)["raw"]["key"]


def test_the_report_and_the_batches_are_all_that_a_run_leaves_of_its_own(stack: Stack, agent: Landed) -> None:
    assert sorted(key for key in stack.keys("runs/") if agent.run.name in key) == [
        f"runs/{agent.run.name}.json",
        f"runs/{agent.run.name}/batches/00001.json",
        f"runs/{agent.run.name}/plan.json",
    ]
    assert json.loads(stack.body(f"runs/{agent.run.name}.json")) == agent.run.output
