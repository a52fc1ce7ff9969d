"""Faults of the bucket during a copy, with botocore and TLS against a loopback S3 that fails on request."""

import io
from collections import deque

import pytest

from exports.errors import NonRetryableError, ServiceError
from exports.s3.bucket import PIECE
from exports.s3.multipart import Part, UploadGone
from tests.faults.copying import MIB, Copying, csv_bytes
from tests.loopback import faults
from tests.loopback.bucket import Fault, hanging_up, losing_the_response, refusing

PUT_PART = "PUT?uploadId"
COMPLETE = "POST?uploadId"
BODY = csv_bytes(20 * MIB)


@pytest.fixture(autouse=True)
def source_in_parts(copying: Copying) -> None:
    copying.server.body = BODY


def calls_of(copying: Copying, operation: str) -> int:
    return [request.operation for request in copying.bucket.requests].count(operation)


def test_copy_completes_conditionally_with_the_size(copying: Copying) -> None:
    copying.assert_stored(copying.run(), BODY)

    (completion,) = (each for each in copying.bucket.requests if each.operation == COMPLETE)
    assert completion.headers["If-None-Match"] == "*"
    assert completion.headers["x-amz-mp-object-size"] == str(len(BODY))


def test_parts_are_sent_in_small_chunks(copying: Copying) -> None:
    copying.run()

    (stored,) = copying.bucket.stored.values()
    assert [sum(part.chunks) for part in stored.parts] == [5 * MIB] * 4
    assert {size for part in stored.parts for size in part.chunks} == {PIECE}


@pytest.mark.parametrize(
    "fault",
    [
        refusing(503, "SlowDown"),
        refusing(503, "SlowDown", before_body=True),
        refusing(500, "InternalError"),
        refusing(400, "RequestTimeout"),
        hanging_up,
    ],
)
def test_fault_09_part_that_a_busy_bucket_rejects_is_uploaded_again(copying: Copying, fault: Fault) -> None:
    copying.bucket.faults[PUT_PART] = deque([fault, fault])

    copying.run()

    assert copying.bucket.objects == {"raw/export.csv": BODY}
    assert calls_of(copying, PUT_PART) == 4 + 2
    assert copying.pauses


def test_fault_09_retry_after_of_the_bucket_is_obeyed(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(503, "SlowDown", Retry_After="9")])

    copying.run()

    assert copying.bucket.objects == {"raw/export.csv": BODY}
    assert copying.pauses == [9.0]


def test_fault_30_denied_part_is_not_retried(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(403, "AccessDenied")] * 8)

    with pytest.raises(NonRetryableError, match=r"^AccessDenied$"):
        copying.run()

    assert not copying.pauses
    assert not copying.bucket.objects


def test_fault_31_damaged_part_is_downloaded_again(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(400, "BadDigest")])

    copying.run()

    assert copying.bucket.objects == {"raw/export.csv": BODY}


def test_fault_32_source_failure_leaves_no_visible_object(copying: Copying) -> None:
    copying.server.faults.extend([faults.well, faults.well, faults.well])
    copying.server.always = faults.reset_after(300_000)

    with pytest.raises(Exception, match="source"):
        copying.run()

    assert not copying.bucket.objects
    (upload,) = copying.bucket.uploads.values()
    assert all(part.size == copying.saved[0].length(number) for number, part in upload.parts.items())


def test_fault_32_next_invocation_resumes_with_the_existing_parts(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(403, "AccessDenied") for _ in range(2)])
    with pytest.raises(ServiceError):
        copying.run()
    copying.bucket.faults.clear()
    (upload,) = copying.bucket.uploads.values()
    finished = len(upload.parts)
    copying.bucket.requests.clear()

    copying.run(known=copying.saved[-1])

    assert copying.bucket.objects == {"raw/export.csv": BODY}
    assert calls_of(copying, PUT_PART) == 4 - finished


def test_fault_32_aborted_upload_starts_again(copying: Copying) -> None:
    copying.bucket.faults[PUT_PART] = deque([refusing(403, "AccessDenied")])
    with pytest.raises(ServiceError):
        copying.run()
    bucket, upload_id = copying.bucket_client(), copying.saved[0].upload_id
    bucket.abort("raw/export.csv", upload_id)
    with pytest.raises(UploadGone):
        bucket.put_part("raw/export.csv", upload_id, 1, io.BytesIO(b"x"), 1)
    with pytest.raises(UploadGone):
        bucket.complete("raw/export.csv", upload_id, [Part(1, 1, "x", "AAAAAA==")], 1)

    copying.run(known=copying.saved[-1])

    assert copying.bucket.objects == {"raw/export.csv": BODY}


@pytest.mark.parametrize(
    "fault", [losing_the_response, refusing(500, "InternalError"), refusing(409, "ConditionalRequestConflict")]
)
def test_fault_32_completion_that_fails_or_loses_its_response_is_retried(copying: Copying, fault: Fault) -> None:
    copying.bucket.faults[COMPLETE] = deque([fault])

    copying.assert_stored(copying.run(), BODY)
