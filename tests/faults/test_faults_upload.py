"""Faults of the bucket's side of a copy, over the wire: botocore, TLS and a loopback S3 that fails when told to."""

import io
from collections import deque

import pytest

from exports.errors import NonRetryableError, ServiceError
from exports.s3.bucket import PIECE
from exports.s3.multipart import Part, UploadGone
from tests.faults.copying import MIB, Copying, csv_bytes
from tests.loopback import faults
from tests.loopback.bucket import Fault, hanging_up, losing_the_answer, refusing

PUT_PART = "PUT?uploadId"
COMPLETE = "POST?uploadId"
BODY = csv_bytes(20 * MIB)


@pytest.fixture(autouse=True)
def source_in_parts(copying: Copying) -> None:
    copying.server.body = BODY


def calls_of(copying: Copying, operation: str) -> int:
    return [request.operation for request in copying.bucket.requests].count(operation)


def test_copy_over_the_wire(copying: Copying) -> None:
    copying.assert_stored(copying.run(), BODY)

    (completion,) = (each for each in copying.bucket.requests if each.operation == COMPLETE)
    assert completion.headers["If-None-Match"] == "*"
    assert completion.headers["x-amz-mp-object-size"] == str(len(BODY))


def test_parts_go_in_frames_that_s3_takes_and_that_need_little_memory(copying: Copying) -> None:
    copying.run()

    (stored,) = copying.bucket.stored.values()
    assert [sum(part.chunks) for part in stored.parts] == [5 * MIB] * 4
    assert {size for part in stored.parts for size in part.chunks} == {PIECE}


@pytest.mark.parametrize(
    "fault",
    [
        refusing(503, "SlowDown"),
        refusing(503, "SlowDown", rudely=True),
        refusing(500, "InternalError"),
        refusing(400, "RequestTimeout"),
        hanging_up,
    ],
)
def test_fault_09_busy_bucket_gets_the_part_again(copying: Copying, fault: Fault) -> None:
    copying.bucket.faults[PUT_PART] = deque([fault, fault])

    copying.run()

    assert copying.bucket.objects == {"raw/export.csv": BODY}
    assert calls_of(copying, PUT_PART) == 4 + 2
    assert copying.pauses


def test_fault_09_bucket_that_asks_to_wait_is_waited_for(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(503, "SlowDown", Retry_After="9")])

    copying.run()

    assert copying.bucket.objects == {"raw/export.csv": BODY}
    assert copying.pauses == [9.0]


def test_fault_30_refused_part_is_not_tried_again(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(403, "AccessDenied")] * 8)

    with pytest.raises(NonRetryableError, match=r"^AccessDenied$"):
        copying.run()

    assert not copying.pauses
    assert not copying.bucket.objects


def test_fault_31_part_that_arrives_damaged_is_fetched_again(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(400, "BadDigest")])

    copying.run()

    assert copying.bucket.objects == {"raw/export.csv": BODY}


def test_fault_32_source_that_dies_during_the_upload_leaves_nothing_visible(copying: Copying) -> None:
    copying.server.faults.extend([faults.well, faults.well, faults.well])
    copying.server.always = faults.reset_after(300_000)

    with pytest.raises(Exception, match="source"):
        copying.run()

    assert not copying.bucket.objects
    (upload,) = copying.bucket.uploads.values()
    assert all(part.size == copying.remembered[0].length(number) for number, part in upload.parts.items())


def test_fault_32_next_call_goes_on_with_what_arrived(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(403, "AccessDenied") for _ in range(2)])
    with pytest.raises(ServiceError):
        copying.run()
    copying.bucket.faults.clear()
    (upload,) = copying.bucket.uploads.values()
    there = len(upload.parts)
    copying.bucket.requests.clear()

    copying.run(known=copying.remembered[-1])

    assert copying.bucket.objects == {"raw/export.csv": BODY}
    assert calls_of(copying, PUT_PART) == 4 - there


def test_fault_32_upload_that_was_aborted_meanwhile_is_begun_anew(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(403, "AccessDenied")])
    with pytest.raises(ServiceError):
        copying.run()
    archive, upload_id = copying.archive(), copying.remembered[0].upload_id
    archive.abort("raw/export.csv", upload_id)
    with pytest.raises(UploadGone):
        archive.put_part("raw/export.csv", upload_id, 1, io.BytesIO(b"x"), 1)
    with pytest.raises(UploadGone):
        archive.complete("raw/export.csv", upload_id, [Part(1, 1, "x", "AAAAAA==")], 1)

    copying.run(known=copying.remembered[-1])

    assert copying.bucket.objects == {"raw/export.csv": BODY}


@pytest.mark.parametrize(
    "fault", [losing_the_answer, refusing(500, "InternalError"), refusing(409, "ConditionalRequestConflict")]
)
def test_fault_32_completion_that_fails_or_seems_to(copying: Copying, fault: Fault) -> None:
    copying.bucket.faults[COMPLETE] = deque([fault])

    copying.assert_stored(copying.run(), BODY)
