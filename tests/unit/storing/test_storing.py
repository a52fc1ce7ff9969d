"""Storing of one export, and the order of its writes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from exports.errors import ClaimLost, NonRetryableError, Rejected, ServiceError, SourceDenied, SourceError
from exports.model import Export, Kind, RawObject, Reason, StoredFile, utc_text
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Write
from exports.runs import Item, Unfinished
from exports.storing.storing import (
    MAX_RESULTS,
    MAX_RESULTS_BYTES,
    NOT_READ,
    SETTLED,
    UNFINISHED,
    WAITING,
    Storing,
)
from exports.unpack.unpacking import Unpacked
from tests.unit.builders import NOW, batch, export, row
from tests.unit.fakes import FakeBucket, FakePipeline, FakeRecords, FakeService

ITEM = Item("export-1", polls=3)
GRACE = timedelta(minutes=10)
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
        "tables/agent_os_info/requested_month=2026-11/export-1-0001.parquet",
    ),
    StoredFile("1_results.json", "agent_results", "data/agent_results/r.json", 30, "cd", None, ()),
)
RESULTS = {"ExportSummary": {"isTruncated": False, "ActualStartTime": "2026-11-20 00:00:03", "ActualEndTime": 7}}


class StoringHarness:
    """Stores one export with fakes, and records the calls in ``journal``, in their order."""

    def __init__(self, described: Export | None) -> None:
        self.journal: list[str] = []
        self.service = FakeService([described] if described else [])
        self.bucket = FakeBucket(self.journal, {"data/agent_results/r.json": json.dumps(RESULTS).encode()})
        self.records = FakeRecords(journal=self.journal)
        self.pipeline = FakePipeline(lambda: RAW, lambda: Unpacked(FILES, Kind.AGENT), self.journal)

    def has_completed_copy(self, body: bytes) -> None:
        """An earlier invocation has copied ``body`` and saved that."""
        self.bucket.objects[RAW.key] = body
        raw = asdict(replace(RAW, etag=self.bucket.etag(RAW.key)))
        self.records.claimed = Write(row(status="IN_PROGRESS", raw=raw), applied=True)

    def store(self, item: Item = ITEM) -> dict[str, Any]:
        storing = Storing(
            batch("export-1", correlation_id="job-7"),
            account="111122223333",
            region="us-west-2",
            service=self.service,
            records=self.records,
            bucket=self.bucket,
            pipeline=self.pipeline,
            claim_duration=timedelta(minutes=15),
            denied_grace=GRACE,
            clock=lambda: NOW,
        )
        return storing.store(item)


def without_detail(progress: Mapping[str, Any]) -> dict[str, Any]:
    """The progress without its detail, which is only for the log."""
    return {name: value for name, value in progress.items() if name != "detail"}


def raises(error: Exception) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


def test_the_manifest_is_written_after_the_objects_and_before_tables_and_item() -> None:
    harness = StoringHarness(export())

    assert without_detail(harness.store()) == SETTLED

    manifest = "put manifests/export-1.json"
    assert harness.journal == ["claim", "copy", "save progress", "unpack", manifest, "publish tables", "settle STORED"]


def test_the_item_has_the_values_of_the_manifest() -> None:
    harness = StoringHarness(export())

    harness.store()

    assert harness.records.settled == [
        (
            Outcome.STORED,
            {
                "kind": "agent",
                "isTruncated": False,
                "manifestKey": "manifests/export-1.json",
                "bytes": 700,
                "rawCrc32": "AAAAAA==",
                "rows": 2,
                "files": 2,
                "schemaNotes": 1,
                "actualStartTime": "2026-11-20T00:00:03.000Z",
                "polls": 3,
            },
        )
    ]


def test_the_manifest_has_all_members_but_not_the_download_url() -> None:
    harness = StoringHarness(export(status_message="fine", requested_start=NOW))

    harness.store()

    assert harness.bucket.read_json("manifests/export-1.json") == {
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
                "tableKey": "tables/agent_os_info/requested_month=2026-11/export-1-0001.parquet",
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
        "askedFor": None,
    }


def test_fault_22_truncated_export_is_stored_as_truncated() -> None:
    harness = StoringHarness(export(is_truncated=True))

    harness.store()

    assert harness.records.settled[0][0] is Outcome.TRUNCATED


def test_fault_23_existing_manifest_is_used_without_a_download() -> None:
    first = StoringHarness(export())
    first.store()
    second = StoringHarness(export())
    second.bucket.objects = dict(first.bucket.objects)

    assert second.store() == SETTLED

    assert second.journal == ["claim", "publish tables", "settle STORED"]
    assert second.pipeline.published == first.pipeline.published
    assert second.records.settled == first.records.settled


def test_fault_26_first_of_two_manifests_is_used() -> None:
    harness = StoringHarness(export())
    first = StoringHarness(export())
    first.store()
    manifest = {**first.bucket.read_json("manifests/export-1.json"), "runId": "run-0", "kind": "summary"}

    def meanwhile() -> Unpacked:
        harness.bucket.put_json("manifests/export-1.json", manifest)
        return Unpacked(FILES, Kind.AGENT)

    harness.pipeline.unpacks = meanwhile

    assert without_detail(harness.store()) == SETTLED
    assert harness.bucket.read_json("manifests/export-1.json") == manifest
    assert harness.records.settled[0][1]["kind"] == "summary"
    assert harness.pipeline.published == [manifest], "the tables are those of the manifest that exists"


def test_a_failed_export_is_settled_without_a_claim() -> None:
    harness = StoringHarness(export(status="FAILED", status_message="no agents"))

    assert without_detail(harness.store()) == SETTLED
    assert harness.journal == ["settle FAILED"]


@pytest.mark.parametrize(
    "described", [None, export(status="IN_PROGRESS"), export(status="PAUSED"), export(download_url=None)]
)
def test_an_export_that_is_not_finished_waits(described: Export | None) -> None:
    harness = StoringHarness(described)

    assert without_detail(harness.store()) == WAITING
    assert harness.journal == []


def test_bad_input_15_export_that_never_had_a_url_is_gone() -> None:
    harness = StoringHarness(export(download_url=None))

    assert without_detail(harness.store(replace(ITEM, without_url=True))) == SETTLED
    assert harness.records.settled == [(Outcome.REJECTED, {"reason": Reason.GONE, "polls": 3})]


def test_a_completed_copy_needs_no_download_url() -> None:
    harness = StoringHarness(export(download_url=None))
    harness.has_completed_copy(bytes(RAW.bytes))

    harness.store(replace(ITEM, without_url=True))

    assert harness.records.settled[0][0] is Outcome.STORED


def test_fault_15_16_service_error_leaves_the_export_waiting() -> None:
    harness = StoringHarness(export())
    harness.service.error = ServiceError("ThrottlingException")

    assert without_detail(harness.store()) == WAITING
    assert harness.journal == []


def test_the_upload_of_a_rejected_export_is_aborted() -> None:
    harness = StoringHarness(export())
    upload = {"key": RAW.key, "upload_id": "u", "etag": "e", "size": 1, "part_size": 1, "crc32": ""}
    harness.records.claimed = Write(row(status="IN_PROGRESS", upload=upload), applied=True)
    harness.pipeline.copies = raises(Rejected(Reason.URL_REFUSED, "detail"))

    harness.store()

    assert harness.journal[-2:] == ["abort u", "settle REJECTED"]


def test_fault_26_export_that_another_run_has_claimed_waits() -> None:
    harness = StoringHarness(export())
    harness.records.claimed = Write(row(status="IN_PROGRESS", claimedBy="run-2"), applied=False)

    assert without_detail(harness.store()) == WAITING
    assert harness.journal == ["claim"]


def test_fault_24_export_that_another_run_has_settled_is_only_announced_if_overdue() -> None:
    harness = StoringHarness(export())
    harness.records.claimed = Write(row(status="STORED"), applied=False)

    assert without_detail(harness.store()) == SETTLED
    assert harness.journal == ["claim", "announce overdue"]


@pytest.mark.parametrize("where", ["copies", "unpacks"])
@pytest.mark.parametrize("reason", list(Reason))
def test_a_rejected_export_has_no_manifest(where: str, reason: Reason) -> None:
    harness = StoringHarness(export())
    setattr(harness.pipeline, where, raises(Rejected(reason, "detail")))

    assert without_detail(harness.store()) == SETTLED
    assert harness.records.settled[0][0] is Outcome.REJECTED
    assert harness.records.settled[0][1]["reason"] is reason
    assert "manifests/export-1.json" not in harness.bucket.objects
    assert harness.pipeline.published == []


def test_the_rejection_of_a_complete_copy_has_its_raw_object() -> None:
    harness = StoringHarness(export())
    harness.pipeline.unpacks = raises(Rejected(Reason.CORRUPT, "a CRC-32 is wrong"))

    harness.store()

    details = {"reason": "CORRUPT", "rawKey": RAW.key, "bytes": 700, "rawCrc32": "AAAAAA==", "polls": 3}
    assert harness.records.settled == [(Outcome.REJECTED, details)]


def test_a_rejection_without_bytes_keeps_the_raw_object_of_the_previous_one() -> None:
    harness = StoringHarness(export())
    raw: dict[str, Any] = {"rawKey": RAW.key, "bytes": RAW.bytes, "rawCrc32": RAW.crc32}
    harness.records.claimed = Write(row(status="REJECTED", reason="TOO_LARGE", **raw), applied=True)
    harness.pipeline.copies = raises(Rejected(Reason.GONE, "the source answers 404"))

    harness.store()

    assert harness.records.settled == [(Outcome.REJECTED, {"reason": "GONE", **raw, "polls": 3})]


@pytest.mark.parametrize(
    ("existing", "next_call"),
    [(b"x" * RAW.bytes, "save progress"), (b"y" * RAW.bytes, "copy"), (b"x", "copy"), (None, "copy")],
    ids=["same", "other bytes of the same size", "shorter", "missing"],
)
def test_a_completed_raw_object_is_copied_again_only_if_it_was_deleted_or_replaced(
    existing: bytes | None, next_call: str
) -> None:
    harness = StoringHarness(export())
    harness.has_completed_copy(b"x" * RAW.bytes)
    harness.bucket.objects[RAW.key] = existing or b""
    if existing is None:
        del harness.bucket.objects[RAW.key]

    harness.store()

    assert harness.journal[1] == next_call


def test_the_etag_of_a_copy_is_saved_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = StoringHarness(export())
    harness.bucket.objects[RAW.key] = bytes(RAW.bytes)
    saved: list[RawObject] = []
    monkeypatch.setattr(harness.records, "save_progress", lambda _, raw: saved.append(raw))

    harness.store()

    assert saved == [replace(RAW, etag=harness.bucket.etag(RAW.key))]
    assert saved[0].etag


@pytest.mark.parametrize("denied_before", [None, timedelta(0), GRACE])
def test_fault_10_denied_export_waits_within_the_grace_period(denied_before: timedelta | None) -> None:
    harness = StoringHarness(export())
    denied = {"deniedSince": utc_text(NOW - denied_before)} if denied_before is not None else {}
    harness.records.claimed = Write(row(status="IN_PROGRESS", **denied), applied=True)
    harness.pipeline.copies = raises(SourceDenied("access to the source is denied"))

    assert without_detail(harness.store()) == WAITING
    assert harness.journal[-1] == "release access to the source is denied (denied)"


def test_fault_10_export_that_is_denied_for_longer_is_gone() -> None:
    harness = StoringHarness(export())
    upload = {"key": RAW.key, "upload_id": "u", "etag": "e", "size": 1, "part_size": 1}
    since = utc_text(NOW - GRACE - timedelta(seconds=1))
    harness.records.claimed = Write(row(status="IN_PROGRESS", deniedSince=since, upload=upload), applied=True)
    harness.pipeline.copies = raises(SourceDenied("access to the source is denied"))

    assert without_detail(harness.store()) == SETTLED
    assert harness.records.settled == [(Outcome.REJECTED, {"reason": Reason.GONE, "polls": 3})]
    assert "abort u" in harness.journal


def test_another_error_of_the_source_is_not_counted_as_denied() -> None:
    harness = StoringHarness(export())
    since = utc_text(NOW - GRACE * 9)
    harness.records.claimed = Write(row(status="IN_PROGRESS", deniedSince=since), applied=True)
    harness.pipeline.copies = raises(SourceError("the source answered 403 SignatureDoesNotMatch"))

    assert without_detail(harness.store()) == WAITING
    assert harness.journal[-1] == "release the source answered 403 SignatureDoesNotMatch"


def test_fault_30_denied_call_ends_the_export_at_once() -> None:
    harness = StoringHarness(export())
    harness.pipeline.copies = raises(NonRetryableError("AccessDenied"))

    assert without_detail(harness.store()) == SETTLED
    assert harness.journal[-2:] == ["copy", "record NOT_STORED AccessDenied"]


def test_a_failed_download_releases_the_export_with_its_error() -> None:
    harness = StoringHarness(export())
    harness.pipeline.copies = raises(SourceError("reset"))

    assert without_detail(harness.store()) == WAITING
    assert harness.journal[-1] == "release reset"


def test_a_run_that_lost_its_claim_records_nothing() -> None:
    harness = StoringHarness(export())
    harness.pipeline.copies = raises(ClaimLost("export-1"))

    assert without_detail(harness.store()) == WAITING
    assert harness.records.settled == []


def test_a_retryable_service_error_is_raised_for_the_workflow() -> None:
    harness = StoringHarness(export())
    harness.pipeline.copies = raises(ServiceError("SlowDown"))

    with pytest.raises(ServiceError, match="SlowDown"):
        harness.store()


def test_contents_13_a_results_file_that_is_no_json_object_is_noted() -> None:
    harness = StoringHarness(export())
    harness.bucket.put_json("data/agent_results/r.json", ["odd"])

    harness.store()

    assert harness.bucket.read_json("manifests/export-1.json")["actualStartTime"] is None


@pytest.mark.parametrize("where", ["copies", "unpacks", "publishes"])
def test_an_invocation_without_time_left_is_unfinished(where: str) -> None:
    harness = StoringHarness(export())
    setattr(harness.pipeline, where, Unfinished)

    assert harness.store() == UNFINISHED
    assert harness.records.settled == []


@pytest.mark.parametrize(
    "results",
    [
        {"ExportSummary": {"isTruncated": True}},
        {"ExportSummary": {"isTruncated": "true"}},
        {"ExportSummary": {"IsTruncated": "TRUE"}},
        {"ExportSummary": {"isTruncated": 1}},
        {"isTruncated": True, "ExportSummary": None},
        {"isTruncated": True, "ExportSummary": {"isTruncated": False}},
    ],
)
def test_contents_13_truncated_by_its_own_account_is_truncated(results: Mapping[str, Any]) -> None:
    harness = StoringHarness(export(is_truncated=False))
    harness.bucket.put_json("data/agent_results/r.json", results)

    harness.store()

    ((outcome, details),) = harness.records.settled
    assert (outcome, details["isTruncated"]) == (Outcome.TRUNCATED, True)
    assert harness.bucket.read_json("manifests/export-1.json")["isTruncated"] is True


@pytest.mark.parametrize(
    "results", [{}, {"ExportSummary": {"isTruncated": "false"}}, {"isTruncated": None}, {"isTruncated": ["true"]}]
)
@pytest.mark.parametrize("by_service", [True, False])
def test_contents_13_the_account_of_the_service_counts_alone(results: Mapping[str, Any], by_service: bool) -> None:
    harness = StoringHarness(export(is_truncated=by_service))
    harness.bucket.put_json("data/agent_results/r.json", results)

    harness.store()

    assert harness.records.settled[0][0] is (Outcome.TRUNCATED if by_service else Outcome.STORED)


def test_contents_13_one_of_several_results_files_is_enough() -> None:
    harness = StoringHarness(export())
    second = replace(FILES[1], name="inner.zip/2_results.json", key="data/agent_results/r2.json")
    harness.pipeline.unpacks = lambda: Unpacked((*FILES, second), Kind.AGENT)
    harness.bucket.put_json(second.key, {"ExportSummary": {"isTruncated": True, "ActualStartTime": "later"}})

    harness.store()

    assert harness.records.settled[0][0] is Outcome.TRUNCATED
    assert harness.bucket.read_json("manifests/export-1.json")["actualStartTime"] == "2026-11-20 00:00:03"


def with_results(*contents: bytes) -> StoringHarness:
    """An export with these files ``results.json``."""
    harness = StoringHarness(export())
    files = []
    for number, content in enumerate(contents):
        key = f"data/agent_results/r{number}.json"
        harness.bucket.objects[key] = content
        files.append(replace(FILES[1], name=f"{number}/1_results.json", key=key, bytes=len(content)))
    harness.pipeline.unpacks = lambda: Unpacked(tuple(files), Kind.AGENT)
    return harness


NOT_TRUNCATED, TRUNCATED = b'{"isTruncated": false}', b'{"isTruncated": true}'


@pytest.mark.parametrize("number", [2, 11, 12, MAX_RESULTS])
def test_contents_13_the_last_of_many_results_files_is_read(number: int) -> None:
    harness = with_results(*[NOT_TRUNCATED] * (number - 1), TRUNCATED)

    harness.store()

    assert harness.records.settled[0][0] is Outcome.TRUNCATED
    assert harness.bucket.read_json("manifests/export-1.json")["schemaNotes"] == []


@pytest.mark.parametrize("number", [1, 2, 500])
def test_contents_13_results_files_above_the_limit_have_one_note(number: int) -> None:
    harness = with_results(*[NOT_TRUNCATED] * MAX_RESULTS, *[TRUNCATED] * number)

    harness.store()

    assert harness.records.settled[0][0] is Outcome.STORED
    (note,) = harness.bucket.read_json("manifests/export-1.json")["schemaNotes"]
    assert note["name"] == f"{MAX_RESULTS}/1_results.json"
    assert note["malformed"].startswith(f"not read, with {number - 1} other results.json: ")


def test_contents_13_results_files_have_a_limit_in_all() -> None:
    half = b'{"a": "' + b"x" * (MAX_RESULTS_BYTES // 2) + b'"}'
    harness = with_results(half, half, TRUNCATED)

    harness.store()

    assert harness.records.settled[0][0] is Outcome.TRUNCATED
    (note,) = harness.bucket.read_json("manifests/export-1.json")["schemaNotes"]
    assert (note["name"], note["malformed"]) == ("1/1_results.json", NOT_READ)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 10_000, b"\xff", b"1" * 5_000])
def test_contents_13_a_results_file_that_cannot_be_read_is_noted(body: bytes) -> None:
    harness = StoringHarness(export())
    harness.bucket.objects["data/agent_results/r.json"] = body

    harness.store()

    assert harness.records.settled[0][0] is Outcome.STORED
    notes = harness.bucket.read_json("manifests/export-1.json")["schemaNotes"]
    assert [(note["name"], list(note)) for note in notes] == [
        ("1_results.json", ["name", "malformed"]),
        ("1_osInfo.csv", ["name", "unknown"]),
    ]


def test_contents_02_notes_of_zip_files_are_in_the_manifest() -> None:
    harness = StoringHarness(export())
    harness.pipeline.unpacks = lambda: Unpacked(FILES, Kind.AGENT, ({"name": "export-1.zip", "leadingBytes": 4},))

    harness.store()

    assert harness.bucket.read_json("manifests/export-1.json")["schemaNotes"] == [
        {"name": "export-1.zip", "leadingBytes": 4},
        {"name": "1_osInfo.csv", "unknown": ["b"]},
    ]
