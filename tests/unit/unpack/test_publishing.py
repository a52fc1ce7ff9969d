"""Tables become visible after the manifest: each exactly once, whatever happens to uploads and invocations."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from exports.errors import Rejected, ServiceError
from exports.retry import no_deadline
from exports.runs import Unfinished
from exports.s3.multipart import PendingUpload, PendingWriter, UploadGone
from exports.unpack.publishing import publish_tables
from tests.unit.builders import KEYS, countdown, unpacked, unpacking, zipped
from tests.unit.fakes import FakeBucket

FILES = {"1_osInfo.csv": b"agentId\no-1\n", "1_results.json": b"{}", "1_process.csv": b"agentId\no-2\n"}
OS_INFO, PROCESS = KEYS.table("agent_os_info", 1), KEYS.table("agent_process", 3)
TABLES = {OS_INFO, PROCESS}


class PublishingHarness:
    """An unpacked export with its manifest. A table that is written again has the bytes ``again:`` and the file."""

    def __init__(self, files: Mapping[str, bytes] = FILES) -> None:
        self.bucket = FakeBucket()
        self.raw = self.bucket.holds(zipped(files))
        unpacked_files = unpacked(self.bucket, self.raw, with_tables=True).files
        self.pending = self.bucket.pending
        self.manifest: dict[str, Any] = {
            "exportId": "export-1",
            "raw": {"key": self.raw.key, "bytes": self.raw.bytes, "crc32": self.raw.crc32},
            "files": [
                {"dataset": file.dataset, "key": file.key, "bytes": file.bytes, "tableKey": file.table_key}
                for file in unpacked_files
            ],
        }
        self.again: list[str] = []

    def publish(
        self, time_left: Callable[[], float] = no_deadline, invocation_time_left: Callable[[], float] = no_deadline
    ) -> Unfinished | None:
        return publish_tables(
            self.manifest,
            keys=KEYS,
            bucket=self.bucket,
            write_table=self._write_table,
            time_left=time_left,
            invocation_time_left=invocation_time_left,
        )

    def _write_table(
        self,
        file: Mapping[str, Any],
        chunks: Callable[[], Iterator[bytes]],
        open_table: Callable[[], AbstractContextManager[PendingWriter]],
    ) -> PendingUpload:
        self.again.append(file["tableKey"])
        with open_table() as writer:
            writer.write(b"again:" + b"".join(chunks()))
        return writer.upload

    @property
    def tables(self) -> dict[str, bytes]:
        return {key: body for key, body in self.bucket.objects.items() if key.startswith("tables/")}


def test_unpacking_makes_no_table_visible() -> None:
    harness = PublishingHarness()

    assert harness.pending.keys() == TABLES
    assert harness.tables == {}


def test_each_table_is_published_and_the_row_of_exports_is_written_last() -> None:
    harness = PublishingHarness()

    assert harness.publish() is None

    row = KEYS.exports_row
    assert harness.bucket.journal == [f"publish {OS_INFO}", f"publish {PROCESS}", f"put {row}"]
    assert harness.tables == {**harness.pending, row: harness.tables[row]}
    assert harness.bucket.uploads == {}
    assert [key for key in harness.bucket.objects if key.startswith("work/")] == [], "the checkpoint is deleted"


def test_publishing_can_be_repeated() -> None:
    harness = PublishingHarness()
    harness.publish()
    tables = harness.tables

    harness.publish()

    assert harness.tables == tables
    assert harness.again == []


def test_fault_26_existing_table_object_is_accepted_whatever_its_bytes_are() -> None:
    harness = PublishingHarness()
    harness.bucket.objects |= {OS_INFO: b"of another run", KEYS.exports_row: b"row of another run"}

    harness.publish()

    assert harness.tables == {
        OS_INFO: b"of another run",
        PROCESS: harness.pending[PROCESS],
        KEYS.exports_row: b"row of another run",
    }
    assert harness.bucket.uploads == {}


def test_fault_32_table_whose_upload_has_expired_is_written_again_from_the_stored_file() -> None:
    harness = PublishingHarness()
    harness.bucket.abort_all(PROCESS)

    harness.publish()

    assert harness.tables[OS_INFO] == harness.pending[OS_INFO]
    assert harness.tables[PROCESS] == b"again:" + FILES["1_process.csv"]


def test_tables_are_written_again_if_the_checkpoint_is_lost() -> None:
    """As when another run with other bytes wrote the manifest."""
    harness = PublishingHarness()
    harness.bucket.delete(KEYS.work("unpacked.json"))

    harness.publish()

    assert {harness.tables[OS_INFO], harness.tables[PROCESS]} == {
        b"again:" + FILES["1_osInfo.csv"],
        b"again:" + FILES["1_process.csv"],
    }
    assert harness.bucket.uploads == {}, "and the lost uploads are aborted"


def test_only_missing_tables_are_written_again_without_a_checkpoint() -> None:
    harness = PublishingHarness()
    harness.bucket.objects[OS_INFO] = b"published"
    harness.bucket.delete(KEYS.work("unpacked.json"))

    harness.publish()

    assert harness.again == [PROCESS]


def test_an_empty_file_is_written_again() -> None:
    harness = PublishingHarness()
    harness.bucket.abort_all(OS_INFO)
    harness.manifest["files"][0]["bytes"] = 0

    harness.publish()

    assert harness.tables[OS_INFO] == b"again:"


def test_a_table_that_vanishes_as_soon_as_it_is_published_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = PublishingHarness()
    monkeypatch.setattr(harness.bucket, "publish", lambda upload: False)

    with pytest.raises(UploadGone):
        harness.publish()
    assert harness.tables == {}


def test_publishing_resumes_after_an_invocation_without_time_left() -> None:
    harness = PublishingHarness()

    assert harness.publish(countdown(1)) == Unfinished()
    assert harness.tables.keys() == {OS_INFO}
    harness.bucket.journal.clear()
    assert harness.publish(countdown(2)) is None

    assert harness.tables.keys() == {*TABLES, KEYS.exports_row}
    assert harness.bucket.journal == [f"publish {PROCESS}", f"put {KEYS.exports_row}"], "no table is completed twice"


def test_a_table_that_is_not_written_again_in_time_is_the_first_of_the_next_invocation() -> None:
    harness = PublishingHarness()
    harness.bucket.abort_all(OS_INFO)

    assert harness.publish(invocation_time_left=lambda: 0) == Unfinished()
    assert harness.tables == {}
    assert harness.publish() is None

    assert harness.again == [OS_INFO, OS_INFO]
    assert harness.tables.keys() == {*TABLES, KEYS.exports_row}


@pytest.mark.parametrize("call", range(1, 4))
def test_fault_23_publishing_continues_after_an_error_at_any_call(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = PublishingHarness()
    calls = iter(range(1, 100))

    def failing(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            result = method(*arguments)
            if next(calls) == call:
                raise ServiceError("InternalError")
            return result

        return run

    for name in ("publish", "put_if_absent"):
        monkeypatch.setattr(harness.bucket, name, failing(getattr(harness.bucket, name)))

    with pytest.raises(ServiceError):
        harness.publish()
    harness.publish()

    assert harness.tables == {**harness.pending, KEYS.exports_row: harness.tables[KEYS.exports_row]}
    assert harness.again == []


def test_an_export_without_files_has_a_row_of_exports() -> None:
    harness = PublishingHarness({})

    harness.publish()

    assert harness.tables.keys() == {KEYS.exports_row}


def test_a_rejected_export_leaves_no_upload_of_a_table() -> None:
    bucket = FakeBucket()
    body = bytearray(zipped({**FILES, "z": b"damaged" * 9}, method=zipfile.ZIP_STORED))
    body[body.rindex(b"damaged")] ^= 1
    bucket.create_upload(OS_INFO)  # of an invocation that was killed before its checkpoint

    raw = bucket.holds(bytes(body))
    with pytest.raises(Rejected, match="CORRUPT"):
        unpacking(bucket, raw, with_tables=True)

    assert len(bucket.received) == len(TABLES)
    assert bucket.uploads == {}
    assert set(bucket.objects) == {raw.key}


def test_unpacking_continues_with_the_uploads_of_earlier_invocations() -> None:
    bucket = FakeBucket()
    raw = bucket.holds(zipped(FILES))

    assert unpacking(bucket, raw, with_tables=True, time_left=countdown(1)) == Unfinished()
    assert bucket.pending.keys() == {OS_INFO}
    files = unpacked(bucket, raw, with_tables=True).files

    assert [file.table_key for file in files] == [OS_INFO, None, PROCESS]
    assert bucket.pending.keys() == TABLES
    assert len(bucket.received) == len(TABLES), "no table is uploaded twice"


def test_tables_that_are_switched_off_during_a_run_are_in_no_manifest() -> None:
    bucket = FakeBucket()
    raw = bucket.holds(zipped(FILES))
    unpacking(bucket, raw, with_tables=True, time_left=countdown(1))

    result = unpacked(bucket, raw, with_tables=False)

    assert [file.table_key for file in result.files] == [None] * len(FILES)


def test_numbers_of_members_count_all_files_of_all_zips() -> None:
    bucket = FakeBucket()
    inner = zipped({"notes.txt": b"", "1_osInfo.csv": b"agentId\n"})

    files = unpacked(bucket, bucket.holds(zipped({"a/": b"", "1.zip": inner, "2.zip": inner})), with_tables=True).files

    assert [file.table_key for file in files] == [
        None,
        KEYS.table("agent_os_info", 2),
        None,
        KEYS.table("agent_os_info", 4),
    ]


def test_table_keys_begin_with_the_export_and_are_in_the_partition_of_its_month() -> None:
    assert KEYS.table("agent_process", 10_000) == "tables/agent_process/requested_month=2026-11/export-1-10000.parquet"
    assert OS_INFO == "tables/agent_os_info/requested_month=2026-11/export-1-0001.parquet"
    assert KEYS.exports_row == "tables/exports/requested_month=2026-11/export-1.parquet"
