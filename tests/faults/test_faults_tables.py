"""Faults of the bucket while a table becomes visible, with botocore and TLS against a loopback S3 that fails."""

from collections import deque

import pytest

from exports.errors import NonRetryableError
from exports.retry import RetryPolicy
from exports.s3.bucket import Bucket, s3_client
from exports.s3.multipart import MIB, PendingUpload
from tests.faults.copying import session
from tests.loopback.bucket import BucketServer, Call, Fault, losing_the_response, refusing

KEY = "tables/agent_process/requested_month=2026-11/export-1-0001.parquet"
COMPLETE = "POST?uploadId"


@pytest.fixture
def s3(bucket: BucketServer) -> Bucket:
    """The adapter of the functions, which does not sleep."""
    retry_policy = RetryPolicy(sleep=lambda _: None)
    return Bucket(s3_client(session()), bucket="bucket", owner="123456789012", retry_policy=retry_policy)


def pending(s3: Bucket, body: bytes) -> PendingUpload:
    with s3.pending_writer(KEY) as writer:
        for at in range(0, len(body), MIB):
            writer.write(body[at : at + MIB])
    return writer.upload


def put(s3: Bucket, body: bytes) -> None:
    """Another writer puts an object at the key."""
    s3.put_if_absent(KEY, body)


@pytest.mark.parametrize("body", [b"x", b"x" * 20 * MIB], ids=["one part", "three parts"])
def test_fault_32_pending_upload_is_completed_on_condition_that_there_is_no_object(
    s3: Bucket, bucket: BucketServer, body: bytes
) -> None:
    upload = pending(s3, body)
    assert bucket.objects == {}

    assert s3.publish(upload)

    assert bucket.objects == {KEY: body}
    assert bucket.uploads == {}
    (completion,) = (each for each in bucket.requests if each.operation == COMPLETE)
    assert completion.headers["If-None-Match"] == "*"
    assert completion.headers["x-amz-mp-object-size"] == str(len(body))


@pytest.mark.parametrize("fault", [losing_the_response, refusing(500, "InternalError"), refusing(503, "SlowDown")])
def test_fault_32_completion_of_a_table_that_fails_or_loses_its_response_is_retried(
    s3: Bucket, bucket: BucketServer, fault: Fault
) -> None:
    upload = pending(s3, b"x")
    bucket.faults[COMPLETE] = deque([fault])

    assert s3.publish(upload)

    assert bucket.objects == {KEY: b"x"}
    assert bucket.uploads == {}


def test_fault_26_of_two_pending_uploads_one_is_published_and_the_other_aborted(
    s3: Bucket, bucket: BucketServer
) -> None:
    first, second = pending(s3, b"first"), pending(s3, b"second")

    def meanwhile(call: Call) -> None:
        assert s3.publish(second)
        call.perform()

    bucket.faults[COMPLETE] = deque([meanwhile])

    assert s3.publish(first)
    assert bucket.objects == {KEY: b"second"}
    assert bucket.uploads == {}


def test_fault_26_any_object_at_the_key_of_a_table_is_kept(s3: Bucket, bucket: BucketServer) -> None:
    upload = pending(s3, b"x")
    put(s3, b"other bytes")

    assert s3.publish(upload)

    assert bucket.objects == {KEY: b"other bytes"}
    assert bucket.uploads == {}


def test_fault_32_upload_that_has_expired_is_not_published(s3: Bucket, bucket: BucketServer) -> None:
    upload = pending(s3, b"x")
    bucket.uploads.clear()

    assert not s3.publish(upload)

    assert bucket.objects == {}


@pytest.mark.parametrize("other", [b"", b"of another run"], ids=["nothing", "an object"])
def test_fault_26_table_that_meets_a_conflict_is_published_only_if_there_is_an_object_afterwards(
    s3: Bucket, bucket: BucketServer, other: bytes
) -> None:
    """After the status 409, S3 wants a new upload: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
    upload = pending(s3, b"x")

    def conflict(call: Call) -> None:
        if other:
            put(s3, other)
        refusing(409, "ConditionalRequestConflict")(call)

    bucket.faults[COMPLETE] = deque([conflict])

    assert s3.publish(upload) is bool(other)
    assert bucket.objects == ({KEY: other} if other else {})
    assert bucket.uploads == {}, "the upload cannot be used any more"


def test_fault_30_denied_completion_of_a_table_is_not_retried(s3: Bucket, bucket: BucketServer) -> None:
    upload = pending(s3, b"x")
    bucket.faults[COMPLETE] = deque([refusing(403, "AccessDenied")])

    with pytest.raises(NonRetryableError, match=r"^AccessDenied$"):
        s3.publish(upload)

    assert bucket.objects == {}
    assert s3.publish(upload), "a later run publishes it"
