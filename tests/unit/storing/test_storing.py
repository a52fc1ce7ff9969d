"""One export settled, and the order of writes that makes it safe."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from exports.errors import ClaimLost, NonRetryableError, Rejected, ServiceError, SourceError
from exports.model import Export, Kind, Outcome, RawObject, Reason, StoredFile
from exports.outcomes.rows import Write
from exports.runs import Item, Unfinished
from exports.storing.storing import SETTLED, UNFINISHED, WAITING, Storing
from exports.unpack.unpacking import Unpacked
from tests.unit.builders import NOW, batch, export, row
from tests.unit.fakes import FakeBucket, FakeHands, FakeRecords, FakeService

ITEM = Item("export-1", polls=3)
RAW = RawObject("raw/111122223333/us-west-2/2026-11-23/export-1.zip", 700, "AAAAAA==")
FILES = (
    StoredFile(
        "1_osInfo.csv",
        "agent_os_info",
        "data/agent_os_info/1.csv",
        20,
        "ab",
        2,
        ("a", "b"),
        {"unknown": ["b"]},
        "tables/agent_os_info/1.csv.jsonl.gz",
    ),
    StoredFile("1_results.json", "agent_results", "data/agent_results/r.json", 30, "cd", None, ()),
)
RESULTS = {"ExportSummary": {"isTruncated": False, "ActualStartTime": "2026-11-20 00:00:03", "ActualEndTime": 7}}


class StoringHarness:
    """Storing one export with everything around it faked, and a journal of what happened in which order."""

    def __init__(self, there: Export | None) -> None:
        self.journal: list[str] = []
        self.service = FakeService([there] if there else [])
        self.bucket = FakeBucket(self.journal, {"data/agent_results/r.json": json.dumps(RESULTS).encode()})
        self.records = FakeRecords(journal=self.journal)
        self.pipeline = FakeHands(lambda: RAW, lambda: Unpacked(FILES, Kind.AGENT), self.journal)

    def store(self, item: Item = ITEM) -> dict[str, Any]:
        storing = Storing(
            batch("export-1", correlation_id="job-7"),
            account="111122223333",
            region="us-west-2",
            service=self.service,
            records=self.records,
            bucket=self.bucket,
            pipeline=self.pipeline,
            add_partitions=lambda _: self.journal.append("show tables"),
            claim_duration=timedelta(minutes=15),
            clock=lambda: NOW,
        )
        return storing.store(item)


def without_detail(progress: Mapping[str, Any]) -> dict[str, Any]:
    """The progress without its reason, which is for the log."""
    return {name: value for name, value in progress.items() if name != "detail"}


def raises(error: Exception) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


def test_the_manifest_is_written_after_the_objects_and_before_tables_and_row() -> None:
    desk = StoringHarness(export())

    assert without_detail(desk.store()) == SETTLED

    manifest = "put manifests/export-1.json"
    assert desk.journal == ["claim", "copy", "remember", "unpack", manifest, "show tables", "settle STORED"]


def test_the_row_says_what_the_manifest_says() -> None:
    desk = StoringHarness(export())

    desk.store()

    assert desk.records.settled == [
        (
            Outcome.STORED,
            {
                "kind": "agent",
                "manifestKey": "manifests/export-1.json",
                "bytes": 700,
                "rawCrc32": "AAAAAA==",
                "rows": 2,
                "files": 2,
                "polls": 3,
            },
        )
    ]


def test_the_manifest_names_everything_but_the_link() -> None:
    desk = StoringHarness(export(status_message="fine", requested_start=NOW))

    desk.store()

    assert desk.bucket.read_json("manifests/export-1.json") == {
        "version": "1",
        "exportId": "export-1",
        "kind": "agent",
        "account": "111122223333",
        "region": "us-west-2",
        "exportStatus": "SUCCEEDED",
        "statusMessage": "fine",
        "exportRequestTime": "2026-11-23T11:30:00.000Z",
        "isTruncated": False,
        "requestedStartTime": "2026-11-23T12:00:00.000Z",
        "requestedEndTime": None,
        "actualStartTime": "2026-11-20 00:00:03",
        "actualEndTime": None,
        "raw": {"key": RAW.key, "bytes": 700, "crc32": "AAAAAA=="},
        "files": [
            {
                "name": "1_osInfo.csv",
                "dataset": "agent_os_info",
                "key": "data/agent_os_info/1.csv",
                "tableKey": "tables/agent_os_info/1.csv.jsonl.gz",
                "bytes": 20,
                "sha256": "ab",
                "rows": 2,
                "columns": ["a", "b"],
            },
            {
                "name": "1_results.json",
                "dataset": "agent_results",
                "key": "data/agent_results/r.json",
                "tableKey": None,
                "bytes": 30,
                "sha256": "cd",
                "rows": None,
                "columns": [],
            },
        ],
        "schemaNotes": [{"name": "1_osInfo.csv", "unknown": ["b"]}],
        "timings": {"firstSeenAt": "first", "storedAt": "2026-11-23T12:00:00.000Z"},
        "runId": "run-1",
        "correlationId": "job-7",
    }


def test_fault_22_a_truncated_export_is_stored_and_said_to_be() -> None:
    desk = StoringHarness(export(is_truncated=True))

    desk.store()

    assert desk.records.settled[0][0] is Outcome.TRUNCATED


def test_fault_23_a_manifest_that_is_there_is_adopted_without_a_download() -> None:
    first = StoringHarness(export())
    first.store()
    again = StoringHarness(export())
    again.bucket.objects = dict(first.bucket.objects)

    assert again.store() == SETTLED

    assert again.journal == ["claim", "show tables", "settle STORED"]
    assert again.records.settled == first.records.settled


def test_fault_26_of_two_manifests_the_first_stands() -> None:
    desk = StoringHarness(export())
    first = StoringHarness(export())
    first.store()
    manifest = {**first.bucket.read_json("manifests/export-1.json"), "runId": "run-0", "kind": "summary"}

    def meanwhile() -> Unpacked:
        desk.bucket.put_json("manifests/export-1.json", manifest)
        return Unpacked(FILES, Kind.AGENT)

    desk.pipeline.unpacks = meanwhile

    assert without_detail(desk.store()) == SETTLED
    assert desk.bucket.read_json("manifests/export-1.json") == manifest
    assert desk.records.settled[0][1]["kind"] == "summary"


def test_a_failed_export_is_settled_without_a_claim() -> None:
    desk = StoringHarness(export(status="FAILED", status_message="no agents"))

    assert without_detail(desk.store()) == SETTLED
    assert desk.journal == ["settle FAILED"]


@pytest.mark.parametrize(
    "there", [None, export(status="IN_PROGRESS"), export(status="PAUSED"), export(download_url=None)]
)
def test_what_is_not_finished_waits(there: Export | None) -> None:
    desk = StoringHarness(there)

    assert without_detail(desk.store()) == WAITING
    assert desk.journal == []


def test_bad_input_15_a_link_that_never_came_is_gone() -> None:
    desk = StoringHarness(export(download_url=None))

    assert without_detail(desk.store(replace(ITEM, without_url=True))) == SETTLED
    assert desk.records.settled == [(Outcome.REJECTED, {"reason": Reason.GONE, "polls": 3})]


def test_bytes_that_are_ours_already_need_no_link() -> None:
    desk = StoringHarness(export(download_url=None))
    desk.records.claimed = Write(row(status="IN_PROGRESS", raw=asdict(RAW)), applied=True)
    desk.bucket.objects[RAW.key] = bytes(RAW.bytes)

    desk.store(replace(ITEM, without_url=True))

    assert desk.records.settled[0][0] is Outcome.STORED


def test_fault_15_16_a_service_that_does_not_answer_leaves_the_export_waiting() -> None:
    desk = StoringHarness(export())
    desk.service.error = ServiceError("ThrottlingException")

    assert without_detail(desk.store()) == WAITING
    assert desk.journal == []


def test_of_an_upload_whose_link_is_refused_nothing_is_left() -> None:
    desk = StoringHarness(export())
    upload = {"key": RAW.key, "upload_id": "u", "etag": "e", "size": 1, "part_size": 1, "crc32": ""}
    desk.records.claimed = Write(row(status="IN_PROGRESS", upload=upload), applied=True)
    desk.pipeline.copies = raises(Rejected(Reason.URL_REFUSED, "because"))

    desk.store()

    assert desk.journal[-2:] == ["abort u", "settle REJECTED"]


def test_fault_26_an_export_that_another_run_has_waits() -> None:
    desk = StoringHarness(export())
    desk.records.claimed = Write(row(status="IN_PROGRESS", claimedBy="run-2"), applied=False)

    assert without_detail(desk.store()) == WAITING
    assert desk.journal == ["claim"]


def test_fault_24_an_export_that_another_run_has_settled_is_announced_if_that_is_owed() -> None:
    desk = StoringHarness(export())
    desk.records.claimed = Write(row(status="STORED"), applied=False)

    assert without_detail(desk.store()) == SETTLED
    assert desk.journal == ["claim", "catch up"]


@pytest.mark.parametrize("where", ["copies", "unpacks"])
@pytest.mark.parametrize("reason", list(Reason))
def test_what_cannot_be_accepted_is_rejected_without_a_manifest(where: str, reason: Reason) -> None:
    desk = StoringHarness(export())
    setattr(desk.pipeline, where, raises(Rejected(reason, "because")))

    assert without_detail(desk.store()) == SETTLED
    assert desk.records.settled[0][0] is Outcome.REJECTED
    assert desk.records.settled[0][1]["reason"] is reason
    assert "manifests/export-1.json" not in desk.bucket.objects


def test_of_an_export_whose_bytes_came_whole_the_rejection_says_where_they_are() -> None:
    desk = StoringHarness(export())
    desk.pipeline.unpacks = raises(Rejected(Reason.CORRUPT, "a CRC-32 is wrong"))

    desk.store()

    kept = {"reason": "CORRUPT", "rawKey": RAW.key, "bytes": 700, "rawCrc32": "AAAAAA==", "polls": 3}
    assert desk.records.settled == [(Outcome.REJECTED, kept)]


def test_a_rejection_that_brings_no_bytes_says_where_those_of_the_one_before_are() -> None:
    desk = StoringHarness(export())
    kept: dict[str, Any] = {"rawKey": RAW.key, "bytes": RAW.bytes, "rawCrc32": RAW.crc32}
    desk.records.claimed = Write(row(status="REJECTED", reason="TOO_LARGE", **kept), applied=True)
    desk.pipeline.copies = raises(Rejected(Reason.GONE, "the source answers 404"))

    desk.store()

    assert desk.records.settled == [(Outcome.REJECTED, {"reason": "GONE", **kept, "polls": 3})]


@pytest.mark.parametrize(("there", "then"), [(RAW.bytes, "remember"), (RAW.bytes - 1, "copy"), (None, "copy")])
def test_a_raw_object_that_an_earlier_call_completed_is_copied_again_only_if_it_is_gone(
    there: int | None, then: str
) -> None:
    desk = StoringHarness(export())
    desk.records.claimed = Write(row(status="IN_PROGRESS", raw=asdict(RAW)), applied=True)
    if there:
        desk.bucket.objects[RAW.key] = bytes(there)

    desk.store()

    assert desk.journal[1] == then


def test_fault_30_a_refused_call_ends_the_export_at_once() -> None:
    desk = StoringHarness(export())
    desk.pipeline.copies = raises(NonRetryableError("AccessDenied"))

    assert without_detail(desk.store()) == SETTLED
    assert desk.journal[-2:] == ["copy", "leave NOT_STORED AccessDenied"]


def test_a_download_that_broke_frees_the_export_notes_why_and_waits_for_the_next_look() -> None:
    desk = StoringHarness(export())
    desk.pipeline.copies = raises(SourceError("reset"))

    assert without_detail(desk.store()) == WAITING
    assert desk.journal[-1] == "release reset"


def test_who_lost_its_claim_leaves_the_export_to_the_other_run() -> None:
    desk = StoringHarness(export())
    desk.pipeline.copies = raises(ClaimLost("export-1"))

    assert without_detail(desk.store()) == WAITING
    assert desk.records.settled == []


def test_what_may_pass_is_left_to_the_workflows_retry() -> None:
    desk = StoringHarness(export())
    desk.pipeline.copies = raises(ServiceError("SlowDown"))

    with pytest.raises(ServiceError, match="SlowDown"):
        desk.store()


def test_a_results_file_that_is_no_object_is_passed_over() -> None:
    desk = StoringHarness(export())
    desk.bucket.put_json("data/agent_results/r.json", ["odd"])

    desk.store()

    assert desk.bucket.read_json("manifests/export-1.json")["actualStartTime"] is None


@pytest.mark.parametrize("where", ["copies", "unpacks"])
def test_a_call_whose_time_is_spent_leaves_the_export_to_the_next(where: str) -> None:
    desk = StoringHarness(export())
    setattr(desk.pipeline, where, Unfinished)

    assert desk.store() == UNFINISHED
    assert desk.records.settled == []
