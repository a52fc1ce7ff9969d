"""Faults of the bucket during a copy, with botocore and TLS against a loopback S3 that fails on request."""

import io
from collections import deque

import pytest

from exports.errors import NonRetryableError, ServiceError
from exports.s3.bucket import PIECE, Bucket, s3_client
from exports.s3.multipart import Part, UploadGone
from tests.faults.copying import MIB, Copying, csv_bytes, session
from tests.loopback import faults
from tests.loopback.bucket import Call, Fault, hanging_up, losing_the_response, refusing

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


def test_length_of_a_part_is_declared_by_its_body_only(copying: Copying) -> None:
    """As a parameter, it is a signed Content-Length header beside Transfer-Encoding: chunked in some releases."""
    client, given = s3_client(session()), []
    client.meta.events.register("provide-client-params.s3.UploadPart", lambda params, **_: given.append(params))
    bucket = Bucket(client, bucket="bucket", owner="123456789012")

    bucket.put_part("a", bucket.create_upload("a"), 1, io.BytesIO(b"body"), 4)

    (request,) = (each for each in copying.bucket.requests if each.operation == PUT_PART)
    assert request.headers["X-Amz-Decoded-Content-Length"] == "4"
    assert "ContentLength" not in given[0]


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


@pytest.mark.parametrize("fault", [losing_the_response, refusing(500, "InternalError")])
def test_fault_32_completion_that_fails_or_loses_its_response_is_retried(copying: Copying, fault: Fault) -> None:
    copying.bucket.faults[COMPLETE] = deque([fault])

    copying.assert_stored(copying.run(), BODY)

    assert calls_of(copying, PUT_PART) == 4


def test_fault_32_completion_that_met_a_conflict_starts_again(copying: Copying) -> None:
    """After the status 409, S3 wants a new upload: the old one may be gone, or outranked by what it met."""
    copying.bucket.faults[COMPLETE] = deque([refusing(409, "ConditionalRequestConflict")])

    copying.assert_stored(copying.run(), BODY)

    assert calls_of(copying, COMPLETE) == 2
    assert len({upload.upload_id for upload in copying.saved}) == 2


OTHER = csv_bytes(12 * MIB, seed=2)


def write(copying: Copying, body: bytes) -> None:
    """Another writer replaces whatever is at the key, without a condition."""
    s3_client(session()).put_object(Bucket="bucket", Key="raw/export.csv", Body=body)


def delete(copying: Copying) -> None:
    copying.bucket_client().delete("raw/export.csv")


def test_rejected_object_is_replaced_on_condition_of_its_etag_and_never_deleted(copying: Copying) -> None:
    write(copying, OTHER)
    etag = copying.bucket.stored["raw/export.csv"].etag
    copying.bucket.requests.clear()

    copying.assert_stored(copying.run(), BODY)

    operations = [request.operation for request in copying.bucket.requests]
    assert "DELETE" not in operations
    assert operations.index("HEAD") < operations.index("POST?uploads")
    (completion,) = (each for each in copying.bucket.requests if each.operation == COMPLETE)
    assert (completion.headers["If-Match"], completion.headers["If-None-Match"]) == (etag, None)


def test_object_with_the_same_bytes_is_not_replaced(copying: Copying) -> None:
    copying.run()

    copying.assert_stored(copying.run(), BODY)

    assert calls_of(copying, COMPLETE) == 1


@pytest.mark.parametrize("before", [None, OTHER], ids=["new", "replacement"])
@pytest.mark.parametrize("part", [1, 4])
def test_fault_26_object_that_another_run_writes_during_a_copy_is_replaced_by_a_new_upload(
    copying: Copying, before: bytes | None, part: int
) -> None:
    """S3 completes an upload with 200 although a later one is ranked above it, so it must not be completed at all."""
    if before:
        write(copying, before)

    def meanwhile(call: Call) -> None:
        write(copying, csv_bytes(1_000, seed=3))
        call.perform()

    copying.bucket.faults[PUT_PART] = deque([Call.perform] * (part - 1) + [meanwhile])

    copying.assert_stored(copying.run(), BODY)

    assert len({upload.upload_id for upload in copying.saved}) == 2


def test_object_that_is_deleted_during_a_replacement_starts_again(copying: Copying) -> None:
    """The delete marker is ranked above the upload, so the completed object would never be seen."""
    write(copying, OTHER)

    def meanwhile(call: Call) -> None:
        delete(copying)
        call.perform()

    copying.bucket.faults[COMPLETE] = deque([meanwhile])

    copying.assert_stored(copying.run(), BODY)


@pytest.mark.parametrize("size", [1_000, 20 * MIB])
def test_fault_26_of_two_writers_one_replaces_the_object_and_the_other_accepts_it(copying: Copying, size: int) -> None:
    copying.server.body = body = csv_bytes(size, seed=4)
    write(copying, OTHER)
    results = []

    def meanwhile(call: Call) -> None:
        results.append(copying.run())
        call.perform()

    replace = COMPLETE if size > MIB else "PUT"
    copying.bucket.faults[replace] = deque([meanwhile] if size > MIB else [Call.perform, meanwhile])

    results.append(copying.run())

    for result in results:
        copying.assert_stored(result, body)
    assert len(results) == 2


def test_small_object_that_changes_before_it_is_replaced_is_compared_again(copying: Copying) -> None:
    copying.server.body = csv_bytes(1_000)
    write(copying, OTHER)
    etags = [copying.bucket.stored["raw/export.csv"].etag]
    copying.bucket.requests.clear()

    def meanwhile(call: Call) -> None:
        write(copying, csv_bytes(2_000, seed=3))
        etags.append(copying.bucket.stored["raw/export.csv"].etag)
        call.perform()

    copying.bucket.faults["PUT"] = deque([Call.perform, meanwhile])

    copying.assert_stored(copying.run(), copying.server.body)

    puts = [request.headers for request in copying.bucket.requests if request.operation == "PUT"]
    assert [each["If-Match"] for each in puts if each["If-Match"]] == etags
    assert [each["If-None-Match"] for each in puts] == ["*", None, None, "*", None]


def test_small_object_that_vanishes_before_it_is_compared_is_written(copying: Copying) -> None:
    copying.server.body = csv_bytes(1_000)
    write(copying, OTHER)

    def meanwhile(call: Call) -> None:
        delete(copying)
        call.perform()

    copying.bucket.faults["HEAD"] = deque([meanwhile])

    copying.assert_stored(copying.run(), copying.server.body)

    assert len(copying.pauses) == 1
