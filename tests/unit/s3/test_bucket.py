"""The S3 adapter against moto: which objects become visible, are accepted as existing, or conflict."""

import inspect
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import xform_name
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from moto import mock_aws

from exports.errors import NonRetryableError, ServiceError
from exports.retry import RetryPolicy
from exports.s3 import bucket as bucket_module
from exports.s3.bucket import CHUNK, Bucket, ObjectConflict, s3_client
from exports.s3.crc32 import from_base64
from exports.s3.multipart import MIB, SMALL_FILE_BYTES, UploadGone
from tests.unit.fakes import FakeClock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bucket"
OWNER = "123456789012"


class MotoBucket:
    """A bucket in moto with its adapter, and a record of the calls."""

    def __init__(self, client: "S3Client") -> None:
        self.client = client
        clock = FakeClock()
        self.pauses = clock.pauses
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.bucket = Bucket(client, bucket=BUCKET, owner=OWNER, retry_policy=clock.retry_policy())
        client.meta.events.register("provide-client-params.s3.*", self._record)
        client.meta.events.register_last("before-send.s3.UploadPart", _join_body)

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.name, params))

    def fails(self, operation: str, *errors: tuple[int, str]) -> None:
        """The next calls of ``operation`` fail with these statuses and codes."""
        remaining = list(errors)

        def answer(**_: Any) -> Any:
            return _error(*remaining.pop(0)) if remaining else None

        self.client.meta.events.register_first(f"before-send.s3.{operation}", answer)

    def body(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def uploads(self) -> list[Any]:
        return list(self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


def _join_body(request: Any, **_: Any) -> None:
    """moto, which replaces the network, does not accept a body in pieces."""
    request.body = b"".join(request.body)


class _Answer:
    def __init__(self, status: int, code: str) -> None:
        self.status_code = status
        self.headers = {"retry-after": "8"} if code == "SlowDown" else {}
        self.content = f"<Error><Code>{code}</Code><Message>https://canary/</Message></Error>".encode() if code else b""
        self.raw = io.BytesIO(self.content)


def _error(status: int, code: str) -> _Answer:
    return _Answer(status, code)


SESSION = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
"""One session for all tests: each new session loads the service models again."""


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoBucket]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with mock_aws():
        client = s3_client(SESSION)
        client.create_bucket(Bucket=BUCKET)
        yield MotoBucket(client)


class Socket:
    """A body as from a socket: in pieces, and only once."""

    def __init__(self, body: bytes, *, ends_after: int | None = None) -> None:
        self._body = io.BytesIO(body[:ends_after])

    def read(self, size: int = -1, /) -> bytes:
        return self._body.read(min(size, 70_000) if size >= 0 else 70_000)


def test_size_of_an_object_and_of_a_missing_one(moto: MotoBucket) -> None:
    moto.bucket.put_once("a", b"12345")

    assert moto.bucket.size("a") == 5
    assert moto.bucket.size("b") is None


def test_every_call_has_the_expected_bucket_owner(moto: MotoBucket) -> None:
    bucket = moto.bucket
    bucket.put_json("a", {})
    bucket.read_json("a")
    bucket.size("a")
    list(bucket.read("a", 0, 1))
    upload_id = bucket.create_upload("b")
    part = bucket.put_part("b", upload_id, 1, Socket(b"x"), 1)
    bucket.parts("b", upload_id)
    bucket.complete("b", upload_id, [part], 1)
    bucket.abort("c", bucket.create_upload("c"))
    bucket.delete("a")

    operations = set(re.findall(r"self\._client\.(\w+)", inspect.getsource(bucket_module)))
    assert {xform_name(name) for name, _ in moto.calls} == operations - {"meta"}
    assert {params["ExpectedBucketOwner"] for _, params in moto.calls} == {OWNER}


def test_json_is_read_back_unchanged(moto: MotoBucket) -> None:
    document = {"exportId": "export-1", "files": [1, None, "ü"]}

    moto.bucket.put_json("a", document)
    assert moto.bucket.read_json("a") == document
    moto.bucket.put_json("a", [])

    assert moto.bucket.read_json("a") == []
    assert moto.bucket.read_json("b") is None


def test_put_json_once_never_overwrites(moto: MotoBucket) -> None:
    assert moto.bucket.put_json_once("a", {"first": True})
    assert not moto.bucket.put_json_once("a", {"first": False})

    assert moto.bucket.read_json("a") == {"first": True}


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 999_999), (5, 700_000), (999_999, 999_999)])
def test_ranges_are_read_in_limited_chunks(moto: MotoBucket, first: int, last: int) -> None:
    body = bytes(range(250)) * 4000
    moto.bucket.put_once("a", body)

    chunks = list(moto.bucket.read("a", first, last))

    assert b"".join(chunks) == body[first : last + 1]
    assert max(map(len, chunks)) <= CHUNK


def test_read_resumes_after_a_broken_connection(moto: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(250)) * 4000
    moto.bucket.put_once("a", body)
    real = moto.client.get_object

    def get_object(**request: Any) -> Any:
        answer = real(**request)
        if len(ranges) < 3:
            answer["Body"] = StreamingBody(io.BytesIO(answer["Body"].read(300_000)), 700_000)
        ranges.append(request["Range"])
        return answer

    ranges: list[str] = []
    monkeypatch.setattr(moto.client, "get_object", get_object)

    assert b"".join(moto.bucket.read("a", 0, len(body) - 1)) == body
    assert ranges == [f"bytes={at}-999999" for at in (0, 300_000, 600_000, 900_000)]


def test_read_without_progress_is_an_error(moto: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moto.client, "get_object", lambda **_: {"Body": io.BytesIO()})

    with pytest.raises(ServiceError, match="IncompleteReadError"):
        list(moto.bucket.read("a", 0, 5))

    assert moto.pauses == [0.5, 1.0, 2.0]


def test_read_of_a_missing_object_is_an_error(moto: MotoBucket) -> None:
    with pytest.raises(ServiceError, match="NoSuchKey"):
        list(moto.bucket.read("a", 0, 5))

    assert not moto.pauses


def test_a_small_stream_is_one_put_object(moto: MotoBucket) -> None:
    with moto.bucket.writer("a") as writer:
        writer.write(b"one,")
        writer.write(b"two")

    assert moto.body("a") == b"one,two"
    assert [name for name, _ in moto.calls if name != "GetObject"] == ["PutObject"]


def test_an_empty_stream_is_an_empty_object(moto: MotoBucket) -> None:
    with moto.bucket.writer("a"):
        pass

    assert moto.body("a") == b""


def test_a_large_stream_is_a_multipart_upload(moto: MotoBucket) -> None:
    body = bytes(range(256)) * 4 * 1024 * 20

    with moto.bucket.writer("a") as writer:
        for at in range(0, len(body), 999_999):
            writer.write(body[at : at + 999_999])
        assert writer.size == len(body)
        assert moto.keys() == []

    assert moto.body("a") == body
    assert not moto.uploads()
    assert [name for name, _ in moto.calls].count("UploadPart") == 3


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_stream_that_fails_leaves_no_object_and_no_upload(moto: MotoBucket, size: int) -> None:
    with pytest.raises(KeyError), moto.bucket.writer("a") as writer:  # noqa: PT012
        writer.write(bytes(size))
        raise KeyError

    assert moto.keys() == []
    assert moto.uploads() == []


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_stream_accepts_an_existing_object_with_the_same_bytes(moto: MotoBucket, size: int) -> None:
    moto.client.put_object(Bucket=BUCKET, Key="a", Body=b"x" * size)

    with moto.bucket.writer("a") as writer:
        writer.write(b"x" * size)

    assert moto.body("a") == b"x" * size
    assert moto.uploads() == []


@pytest.mark.parametrize(("existing", "size"), [(10, 10), (11, 10), (9 * MIB, 9 * MIB), (11, 9 * MIB)])
def test_an_existing_object_with_other_bytes_is_a_conflict(moto: MotoBucket, existing: int, size: int) -> None:
    moto.client.put_object(Bucket=BUCKET, Key="a", Body=b"x" * existing)

    with pytest.raises(ObjectConflict), moto.bucket.writer("a") as writer:
        writer.write(b"y" * size)

    assert moto.body("a") == b"x" * existing
    assert moto.uploads() == []


def test_parts_can_be_uploaded_in_any_order(moto: MotoBucket) -> None:
    bucket = moto.bucket
    bodies = {3: b"end", 1: b"a" * 5 * MIB, 2: b"b" * 5 * MIB}
    upload_id = bucket.create_upload("a")

    sent = [bucket.put_part("a", upload_id, n, Socket(body), len(body)) for n, body in bodies.items()]

    # moto lists parts without their checksums.
    assert {n: replace(part, crc32="") for n, part in bucket.parts("a", upload_id).items()} == {
        part.number: replace(part, crc32="") for part in sent
    }
    assert {part.number: from_base64(part.crc32) for part in sent} == {n: zlib.crc32(b) for n, b in bodies.items()}
    assert moto.keys() == []
    bucket.complete("a", upload_id, sent, 10 * MIB + 3)
    assert moto.body("a") == bodies[1] + bodies[2] + bodies[3]


def test_completion_is_conditional_and_has_size_and_checksums(moto: MotoBucket) -> None:
    upload_id = moto.bucket.create_upload("a")
    part = moto.bucket.put_part("a", upload_id, 1, Socket(b"xyz"), 3)

    moto.bucket.complete("a", upload_id, [part], 3)

    create = next(params for name, params in moto.calls if name == "CreateMultipartUpload")
    complete = next(params for name, params in moto.calls if name == "CompleteMultipartUpload")
    assert (create["ChecksumAlgorithm"], create["ChecksumType"]) == ("CRC32", "COMPOSITE")
    assert (complete["IfNoneMatch"], complete["MpuObjectSize"]) == ("*", 3)
    assert complete["MultipartUpload"]["Parts"][0]["ChecksumCRC32"] == part.crc32


def test_many_parts_are_listed_page_by_page(moto: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = moto.bucket.create_upload("a")
    for number in (1, 2, 5):
        moto.bucket.put_part("a", upload_id, number, Socket(b"x"), 1)
    real = moto.client.list_parts
    monkeypatch.setattr(moto.client, "list_parts", lambda **request: real(MaxParts=1, **request))

    assert list(moto.bucket.parts("a", upload_id)) == [1, 2, 5]


def test_second_upload_to_a_key_accepts_the_first(moto: MotoBucket) -> None:
    bucket = moto.bucket
    for _ in range(2):
        upload_id = bucket.create_upload("a")
        part = bucket.put_part("a", upload_id, 1, Socket(b"x" * 100), 100)
        bucket.complete("a", upload_id, [part], 100)

    assert bucket.size("a") == 100
    assert moto.uploads() == []


def test_fault_32_completion_aborts_uploads_of_killed_invocations(moto: MotoBucket) -> None:
    for key in ("a", "a", "ab"):
        moto.bucket.create_upload(key)
    upload_id = moto.bucket.create_upload("a")
    part = moto.bucket.put_part("a", upload_id, 1, Socket(b"x"), 1)

    moto.bucket.complete("a", upload_id, [part], 1)

    assert [upload["Key"] for upload in moto.uploads()] == ["ab"]


def test_completion_can_be_repeated(moto: MotoBucket) -> None:
    upload_id = moto.bucket.create_upload("a")
    part = moto.bucket.put_part("a", upload_id, 1, Socket(b"x"), 1)
    moto.bucket.complete("a", upload_id, [part], 1)

    moto.bucket.complete("a", upload_id, [part], 1)


def test_delete_can_be_repeated(moto: MotoBucket) -> None:
    moto.bucket.put_json("a", 1)

    moto.bucket.delete("a")
    moto.bucket.delete("a")

    assert moto.bucket.size("a") is None


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_different_object_is_replaced_with_overwrite(moto: MotoBucket, in_parts: bool) -> None:
    bucket = moto.bucket.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    bucket.put_once("a", b"x")

    if in_parts:
        replaces, upload_id = bucket.etag("a"), bucket.create_upload("a")
        bucket.complete("a", upload_id, [bucket.put_part("a", upload_id, 1, Socket(b"yy"), 2)], 2, replaces)
    else:
        bucket.put_once("a", b"yy")

    assert b"".join(bucket.read("a", 0, 1)) == b"yy"
    assert moto.uploads() == []


def test_a_lost_response_after_a_replacement_is_no_error(moto: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = moto.bucket.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    bucket.put_once("a", b"x")
    real = moto.client.put_object

    def lose_response(**request: Any) -> Any:
        real(**request)
        raise EndpointConnectionError(endpoint_url="https://canary")

    monkeypatch.setattr(moto.client, "put_object", lose_response)

    bucket.put_once("a", b"yy")

    assert moto.body("a") == b"yy"


def test_an_object_is_replaced_only_once_the_new_upload_is_complete(moto: MotoBucket) -> None:
    bucket = moto.bucket.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    bucket.put_once("a", b"x")

    with suppress(ZeroDivisionError), bucket.writer("a") as writer:
        writer.write(b"y" * SMALL_FILE_BYTES)
        raise ZeroDivisionError

    assert b"".join(bucket.read("a", 0, 0)) == b"x"


def test_an_aborted_upload_is_gone(moto: MotoBucket) -> None:
    bucket, upload_id = moto.bucket, moto.bucket.create_upload("a")
    bucket.abort("a", upload_id)

    bucket.abort("a", upload_id)

    with pytest.raises(UploadGone):
        bucket.parts("a", upload_id)


def test_retryable_errors_are_retried_with_retry_after(moto: MotoBucket) -> None:
    moto.fails("PutObject", (503, "SlowDown"), (500, "InternalError"), (409, "ConditionalRequestConflict"))

    moto.bucket.put_once("a", b"x")

    assert moto.body("a") == b"x"
    assert moto.pauses == [8.0, 1.0, 2.0]


def test_no_retry_without_time_left(moto: MotoBucket) -> None:
    moto.fails("PutObject", (503, "ServiceUnavailable"))
    no_time = RetryPolicy(time_left=lambda: 0.0, sleep=moto.pauses.append)

    with pytest.raises(ServiceError):
        moto.bucket.with_retry_policy(no_time).put_once("a", b"x")

    assert not moto.pauses


def test_the_client_does_not_retry(moto: MotoBucket) -> None:
    moto.fails("PutObject", *[(503, "ServiceUnavailable")] * 20)

    with pytest.raises(ServiceError, match="ServiceUnavailable"):
        moto.bucket.put_once("a", b"x")

    assert moto.pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
def test_a_permanent_error_is_not_retried_and_has_its_code(moto: MotoBucket, status: int, code: str) -> None:
    moto.fails("PutObject", (status, code))

    with pytest.raises(NonRetryableError) as caught:
        moto.bucket.put_once("a", b"x")

    assert str(caught.value) == code
    assert not moto.pauses


def test_a_missing_permission_is_not_a_missing_object(moto: MotoBucket) -> None:
    moto.fails("HeadObject", (403, ""))

    with pytest.raises(NonRetryableError):
        moto.bucket.size("a")


def test_put_part_does_not_retry(moto: MotoBucket) -> None:
    upload_id = moto.bucket.create_upload("a")
    moto.fails("UploadPart", (503, "SlowDown"))

    with pytest.raises(ServiceError, match="SlowDown"):
        moto.bucket.put_part("a", upload_id, 1, Socket(b"x"), 1)

    assert not moto.pauses


def test_a_buffered_part_is_retried(moto: MotoBucket) -> None:
    moto.fails("UploadPart", (503, "SlowDown"), (400, "BadDigest"))
    body = bytes(range(256)) * 4 * 1024 * 9

    with moto.bucket.writer("a") as writer:
        writer.write(body)

    assert moto.body("a") == body
    assert len(moto.pauses) == 2


def test_a_lost_response_after_a_write_is_no_error(moto: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    real = moto.client.put_object

    def lose_response(**request: Any) -> Any:
        real(**request)
        monkeypatch.setattr(moto.client, "put_object", real)
        raise EndpointConnectionError(endpoint_url="https://canary")

    monkeypatch.setattr(moto.client, "put_object", lose_response)

    moto.bucket.put_once("a", b"x")

    assert moto.body("a") == b"x"


def test_bad_input_34_metadata_of_an_export_is_never_sent_in_headers(moto: MotoBucket) -> None:
    document = {"statusMessage": "größer als \N{SNOWMAN}" * 1_000, "correlationId": "läuft"}

    moto.bucket.put_json_once("manifests/export-1.json", document)

    assert moto.bucket.read_json("manifests/export-1.json") == document
    assert moto.client.head_object(Bucket=BUCKET, Key="manifests/export-1.json")["Metadata"] == {}
