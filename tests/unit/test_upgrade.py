"""The code of today reads what an earlier version has written: ``tests/upgrade/running_batch.json``."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from boto3.dynamodb.types import TypeDeserializer

from exports.keys import Keys
from exports.model import RawObject, StoredFile
from exports.outcomes.rows import Row
from exports.runs import Batch, Item
from exports.s3.multipart import Upload
from exports.settings import Settings
from exports.storing.manifest import details
from exports.unpack.progress import UnpackProgress
from exports.unpack.publishing import publish_tables
from exports.workflow.batch_state import Pending
from exports.workflow.checking import BatchPoll
from tests.unit.builders import KEYS, export
from tests.unit.fakes import FakeBucket, FakeRecords, FakeService

RECORDED: Any = json.loads((Path(__file__).parents[1] / "upgrade" / "running_batch.json").read_text("utf-8"))
SETTINGS = Settings({"WAIT_FLOOR_SECONDS": "60", "WAIT_CEILING_SECONDS": "300", "NOT_FOUND_GRACE_SECONDS": "3600"})
STATES = [(name, state) for name, states in RECORDED["states"].items() for state in states if "pending" in state]
BATCH_KEY = "runs/{runId}/batches/{number:05d}.json"


def recorded_batch(pointer: Mapping[str, Any]) -> Batch:
    return Batch.from_json(pointer["number"], RECORDED["objects"][BATCH_KEY.format(**pointer)])


def recorded_rows() -> dict[str, Row]:
    deserialize = TypeDeserializer().deserialize
    items = ({name: deserialize(value) for name, value in item.items()} for item in RECORDED["rows"])
    return {item["exportId"]: Row(item) for item in items}


def without_each_member(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for member in document:
        yield member, {name: value for name, value in document.items() if name != member}


@pytest.mark.parametrize(("name", "state"), STATES)
def test_a_recorded_batch_is_polled_and_loses_no_export(name: str, state: Mapping[str, Any]) -> None:
    batch = recorded_batch(state["batch"])
    records = FakeRecords(recorded_rows())
    ids = {*state["unlisted"], *state["waiting"], *(item["exportId"] for item in state["ready"])}
    service = FakeService([export(each, "IN_PROGRESS") for each in ids])
    now = batch.started_at + timedelta(minutes=10)

    after = BatchPoll(batch, service, records, SETTINGS, now, 0.5, lambda *_: None).next_state(Pending.from_json(state))

    assert sorted(after.ids) == sorted(ids), "each once, though an earlier version stored an export in several parts"
    assert after.polls == state["polls"] + 1
    assert records.outcomes == {}
    assert Pending.from_json(after.to_json()) == after


@pytest.mark.parametrize(("name", "state"), STATES)
def test_every_member_of_the_state_of_a_batch_may_be_missing(name: str, state: Mapping[str, Any]) -> None:
    assert Pending.from_json({}) == Pending()
    for _, less in without_each_member(state):
        assert set(Pending.from_json(less).ids) <= set(Pending.from_json(state).ids)


def test_exports_whose_results_are_missing_wait_for_the_next_poll() -> None:
    state = next(state for name, state in STATES if name == "Store each export")
    batch = recorded_batch(state["batch"])
    pending = Pending.from_json(state)

    after = BatchPoll(batch, FakeService(), FakeRecords(), SETTINGS, batch.started_at, 0.5, lambda *_: None).next_state(
        pending
    )

    assert sorted(after.ids) == sorted(set(pending.ids))


def test_batch_and_item_need_only_what_the_first_version_wrote() -> None:
    needed = {"id", "startedAt", "deadline"}
    for document in (RECORDED["objects"][key] for key in RECORDED["objects"] if "/batches/" in key):
        for member, less in without_each_member(document["run"]):
            if member not in needed:
                batch = Batch.from_json(1, {"run": less, "exportIds": document["exportIds"]})
                assert batch.export_ids == tuple(document["exportIds"])
    assert Item.from_json({"exportId": "export-1"}) == Item("export-1", 1)


def test_recorded_checkpoints_are_continued() -> None:
    upload = recorded_rows()["export-copying"].upload
    raw = recorded_rows()["export-unpacking"].raw

    assert isinstance(upload, Upload)
    assert upload.size == 428_433_815
    assert isinstance(raw, RawObject)
    assert raw.bytes == 172_928_208


@pytest.mark.parametrize("member", ["upload", "raw"])
def test_a_checkpoint_with_other_members_is_no_error(member: str) -> None:
    rows = recorded_rows().values()
    (checkpoint, *_) = (row.item[member] for row in rows if row.item.get(member))

    for other in (*dict(without_each_member(checkpoint)).values(), {**checkpoint, "later": 1}, {}):
        used = getattr(Row({"exportId": "e", member: other}), member)
        assert used is None or {**checkpoint, **other} == checkpoint


def test_unpacking_continues_with_a_checkpoint_that_lacks_a_member() -> None:
    recorded = RECORDED["objects"]["work/export-unpacking/unpacked-0.json"]
    raw = RawObject("raw/key.zip", **recorded["raw"])
    bucket = FakeBucket()
    files = {part: {**file, "table_key": None} for part, file in recorded["files"].items()}
    bucket.put_json(KEYS.work("unpacked.json"), {"raw": recorded["raw"], "files": files})

    progress = UnpackProgress(bucket, KEYS, raw)

    assert [type(file) for file in progress.files.values()] == [StoredFile] * len(recorded["files"])
    assert (progress.tables, progress.zips, progress.interrupted) == ({}, set(), "")


def test_a_file_whose_table_an_earlier_version_wrote_is_unpacked_again() -> None:
    recorded = RECORDED["objects"]["work/export-unpacking/unpacked-0.json"]
    bucket = FakeBucket()
    bucket.put_json(KEYS.work("unpacked.json"), recorded)

    progress = UnpackProgress(bucket, KEYS, RawObject("raw/key.zip", **recorded["raw"]))

    assert [file["table_key"].rpartition(".")[2] for file in recorded["files"].values()] == ["gz"]
    assert progress.files == {}


def test_a_recorded_manifest_gets_its_row_of_exports_and_keeps_its_tables() -> None:
    manifest = RECORDED["objects"]["manifests/export-settled.json"]
    keys = Keys(manifest["account"], manifest["region"], "2026-11-28", manifest["exportId"])
    bucket = FakeBucket()

    assert publish_tables(manifest, keys=keys, bucket=bucket, write_table=_not_called, time_left=lambda: 0) is None

    assert bucket.written == []
    assert list(bucket.objects) == [keys.exports_row]


def _not_called(*_: object) -> NoReturn:
    raise AssertionError("no table is written again")


def test_a_recorded_manifest_settles_its_export() -> None:
    manifest = RECORDED["objects"]["manifests/export-settled.json"]

    assert details(manifest, "manifests/export-settled.json") == {
        "kind": "agent",
        "manifestKey": "manifests/export-settled.json",
        "bytes": 4249,
        "rawCrc32": "fiuNhw==",
        "rows": sum(file["rows"] or 0 for file in manifest["files"]),
        "files": len(manifest["files"]),
        "schemaNotes": 0,
        "isTruncated": False,
        "actualStartTime": "2026-01-12T00:00:00.000Z",
        "actualEndTime": "2026-01-15T00:00:00.000Z",
    }


def test_recorded_rows_are_read() -> None:
    rows = recorded_rows()

    assert rows["export-settled"].is_final_for(datetime(2026, 11, 28, 20, tzinfo=UTC))
    assert [row.export_id for row in rows.values() if row.outcome is None and row.in_progress] == [
        "export-in-progress-1",
        "export-in-progress-2",
    ]
