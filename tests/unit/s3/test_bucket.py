"""The bucket's adapter against moto: what is visible, what is adopted, what is refused."""

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
from exports.s3 import bucket as archive_module
from exports.s3.bucket import CHUNK, Bucket, ObjectConflict, s3_client
from exports.s3.crc32 import from_base64
from exports.s3.multipart import MIB, SMALL, UploadGone
from tests.unit.fakes import FakeClock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bucket"
OWNER = "123456789012"


class MotoBucket:
    """A bucket of moto's behind an archive, and what its calls were."""

    def __init__(self, client: "S3Client") -> None:
        self.client = client
        clock = FakeClock()
        self.pauses = clock.pauses
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.archive = Bucket(client, bucket=BUCKET, owner=OWNER, retry_policy=clock.retry_policy())
        client.meta.events.register("provide-client-params.s3.*", self._note)
        client.meta.events.register_last("before-send.s3.UploadPart", _in_one)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.name, params))

    def fails(self, operation: str, *errors: tuple[int, str]) -> None:
        """The next calls of ``operation`` answer with these statuses and codes."""
        waiting = list(errors)

        def answer(**_: Any) -> Any:
            return _error(*waiting.pop(0)) if waiting else None

        self.client.meta.events.register_first(f"before-send.s3.{operation}", answer)

    def body(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def uploads(self) -> list[Any]:
        return list(self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


def _in_one(request: Any, **_: Any) -> None:
    """moto, which stands for the network, takes no body in pieces."""
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
"""One for all tests: each new one reads the descriptions of the services again."""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoBucket]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with mock_aws():
        client = s3_client(SESSION)
        client.create_bucket(Bucket=BUCKET)
        yield MotoBucket(client)


class Socket:
    """A body that comes as a socket gives it: in pieces, once, with no way back."""

    def __init__(self, body: bytes, *, ends_after: int | None = None) -> None:
        self._body = io.BytesIO(body[:ends_after])

    def read(self, size: int = -1, /) -> bytes:
        return self._body.read(min(size, 70_000) if size >= 0 else 70_000)


def test_size_of_what_is_there_and_of_what_is_not(bucket: MotoBucket) -> None:
    bucket.archive.put_once("a", b"12345")

    assert bucket.archive.size("a") == 5
    assert bucket.archive.size("b") is None


def test_every_call_names_the_expected_owner(bucket: MotoBucket) -> None:
    archive = bucket.archive
    archive.put_json("a", {})
    archive.read_json("a")
    archive.size("a")
    list(archive.read("a", 0, 1))
    upload_id = archive.begin("b")
    part = archive.put_part("b", upload_id, 1, Socket(b"x"), 1)
    archive.parts("b", upload_id)
    archive.complete("b", upload_id, [part], 1)
    archive.abort("c", archive.begin("c"))
    archive.delete("a")

    used = set(re.findall(r"self\._client\.(\w+)", inspect.getsource(archive_module)))
    assert {xform_name(name) for name, _ in bucket.calls} == used - {"meta"}
    assert {params["ExpectedBucketOwner"] for _, params in bucket.calls} == {OWNER}


def test_json_comes_back_as_it_was(bucket: MotoBucket) -> None:
    document = {"exportId": "export-1", "files": [1, None, "ü"]}

    bucket.archive.put_json("a", document)
    assert bucket.archive.read_json("a") == document
    bucket.archive.put_json("a", [])

    assert bucket.archive.read_json("a") == []
    assert bucket.archive.read_json("b") is None


def test_json_once_is_never_written_over(bucket: MotoBucket) -> None:
    assert bucket.archive.put_json_once("a", {"first": True})
    assert not bucket.archive.put_json_once("a", {"first": False})

    assert bucket.archive.read_json("a") == {"first": True}


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 999_999), (5, 700_000), (999_999, 999_999)])
def test_ranges_come_in_bounded_chunks(bucket: MotoBucket, first: int, last: int) -> None:
    body = bytes(range(250)) * 4000
    bucket.archive.put_once("a", body)

    chunks = list(bucket.archive.read("a", first, last))

    assert b"".join(chunks) == body[first : last + 1]
    assert max(map(len, chunks)) <= CHUNK


def test_read_goes_on_where_a_connection_breaks(bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(250)) * 4000
    bucket.archive.put_once("a", body)
    real = bucket.client.get_object

    def breaking(**request: Any) -> Any:
        answer = real(**request)
        if len(ranges) < 3:
            answer["Body"] = StreamingBody(io.BytesIO(answer["Body"].read(300_000)), 700_000)
        ranges.append(request["Range"])
        return answer

    ranges: list[str] = []
    monkeypatch.setattr(bucket.client, "get_object", breaking)

    assert b"".join(bucket.archive.read("a", 0, len(body) - 1)) == body
    assert ranges == [f"bytes={at}-999999" for at in (0, 300_000, 600_000, 900_000)]


def test_read_that_never_gets_on_is_given_up(bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket.client, "get_object", lambda **_: {"Body": io.BytesIO()})

    with pytest.raises(ServiceError, match="IncompleteReadError"):
        list(bucket.archive.read("a", 0, 5))

    assert bucket.pauses == [0.5, 1.0, 2.0]


def test_read_of_what_is_not_there(bucket: MotoBucket) -> None:
    with pytest.raises(ServiceError, match="NoSuchKey"):
        list(bucket.archive.read("a", 0, 5))

    assert not bucket.pauses


def test_small_stream_is_one_put(bucket: MotoBucket) -> None:
    with bucket.archive.writer("a") as writer:
        writer.write(b"one,")
        writer.write(b"two")

    assert bucket.body("a") == b"one,two"
    assert [name for name, _ in bucket.calls if name != "GetObject"] == ["PutObject"]


def test_empty_stream_is_an_empty_object(bucket: MotoBucket) -> None:
    with bucket.archive.writer("a"):
        pass

    assert bucket.body("a") == b""


def test_large_stream_is_an_upload_of_parts(bucket: MotoBucket) -> None:
    body = bytes(range(256)) * 4 * 1024 * 20

    with bucket.archive.writer("a") as writer:
        for at in range(0, len(body), 999_999):
            writer.write(body[at : at + 999_999])
        assert writer.size == len(body)
        assert bucket.keys() == []

    assert bucket.body("a") == body
    assert not bucket.uploads()
    assert [name for name, _ in bucket.calls].count("UploadPart") == 3


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_stream_that_fails_leaves_nothing(bucket: MotoBucket, size: int) -> None:
    with pytest.raises(KeyError), bucket.archive.writer("a") as writer:  # noqa: PT012
        writer.write(bytes(size))
        raise KeyError

    assert bucket.keys() == []
    assert bucket.uploads() == []


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_the_same_stream_adopts_what_is_there(bucket: MotoBucket, size: int) -> None:
    bucket.client.put_object(Bucket=BUCKET, Key="a", Body=b"x" * size)

    with bucket.archive.writer("a") as writer:
        writer.write(b"x" * size)

    assert bucket.body("a") == b"x" * size
    assert bucket.uploads() == []


@pytest.mark.parametrize(("there", "size"), [(10, 10), (11, 10), (9 * MIB, 9 * MIB), (11, 9 * MIB)])
def test_an_object_of_other_bytes_is_neither_adopted_nor_written_over(
    bucket: MotoBucket, there: int, size: int
) -> None:
    bucket.client.put_object(Bucket=BUCKET, Key="a", Body=b"x" * there)

    with pytest.raises(ObjectConflict), bucket.archive.writer("a") as writer:
        writer.write(b"y" * size)

    assert bucket.body("a") == b"x" * there
    assert bucket.uploads() == []


def test_parts_in_any_order_make_the_object(bucket: MotoBucket) -> None:
    archive = bucket.archive
    bodies = {3: b"end", 1: b"a" * 5 * MIB, 2: b"b" * 5 * MIB}
    upload_id = archive.begin("a")

    sent = [archive.put_part("a", upload_id, n, Socket(body), len(body)) for n, body in bodies.items()]

    # moto lists parts without their checksums.
    assert {n: replace(part, crc32="") for n, part in archive.parts("a", upload_id).items()} == {
        part.number: replace(part, crc32="") for part in sent
    }
    assert {part.number: from_base64(part.crc32) for part in sent} == {n: zlib.crc32(b) for n, b in bodies.items()}
    assert bucket.keys() == []
    archive.complete("a", upload_id, sent, 10 * MIB + 3)
    assert bucket.body("a") == bodies[1] + bodies[2] + bodies[3]


def test_completion_says_what_it_expects(bucket: MotoBucket) -> None:
    upload_id = bucket.archive.begin("a")
    part = bucket.archive.put_part("a", upload_id, 1, Socket(b"xyz"), 3)

    bucket.archive.complete("a", upload_id, [part], 3)

    begun = next(params for name, params in bucket.calls if name == "CreateMultipartUpload")
    ended = next(params for name, params in bucket.calls if name == "CompleteMultipartUpload")
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == ("CRC32", "COMPOSITE")
    assert (ended["IfNoneMatch"], ended["MpuObjectSize"]) == ("*", 3)
    assert ended["MultipartUpload"]["Parts"][0]["ChecksumCRC32"] == part.crc32


def test_many_parts_are_listed_page_by_page(bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = bucket.archive.begin("a")
    for number in (1, 2, 5):
        bucket.archive.put_part("a", upload_id, number, Socket(b"x"), 1)
    real = bucket.client.list_parts
    monkeypatch.setattr(bucket.client, "list_parts", lambda **request: real(MaxParts=1, **request))

    assert list(bucket.archive.parts("a", upload_id)) == [1, 2, 5]


def test_second_upload_to_a_key_adopts_the_first(bucket: MotoBucket) -> None:
    archive = bucket.archive
    for _ in range(2):
        upload_id = archive.begin("a")
        part = archive.put_part("a", upload_id, 1, Socket(b"x" * 100), 100)
        archive.complete("a", upload_id, [part], 100)

    assert archive.size("a") == 100
    assert bucket.uploads() == []


def test_fault_32_completion_lets_go_of_uploads_that_killed_calls_have_begun(bucket: MotoBucket) -> None:
    for key in ("a", "a", "ab"):
        bucket.archive.begin(key)
    upload_id = bucket.archive.begin("a")
    part = bucket.archive.put_part("a", upload_id, 1, Socket(b"x"), 1)

    bucket.archive.complete("a", upload_id, [part], 1)

    assert [upload["Key"] for upload in bucket.uploads()] == ["ab"]


def test_completing_what_was_completed_is_fine(bucket: MotoBucket) -> None:
    upload_id = bucket.archive.begin("a")
    part = bucket.archive.put_part("a", upload_id, 1, Socket(b"x"), 1)
    bucket.archive.complete("a", upload_id, [part], 1)

    bucket.archive.complete("a", upload_id, [part], 1)


def test_an_object_that_was_removed_makes_room(bucket: MotoBucket) -> None:
    bucket.archive.put_json("a", 1)

    bucket.archive.delete("a")
    bucket.archive.delete("a")

    assert bucket.archive.size("a") is None


@pytest.mark.parametrize("in_parts", [False, True])
def test_another_object_makes_room_where_it_may_be_replaced(bucket: MotoBucket, in_parts: bool) -> None:
    archive = bucket.archive.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    archive.put_once("a", b"x")

    if in_parts:
        upload_id = archive.begin("a")
        archive.complete("a", upload_id, [archive.put_part("a", upload_id, 1, Socket(b"yy"), 2)], 2)
    else:
        archive.put_once("a", b"yy")

    assert b"".join(archive.read("a", 0, 1)) == b"yy"
    assert bucket.uploads() == []


def test_answer_that_got_lost_after_another_object_made_room(
    bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = bucket.archive.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    archive.put_once("a", b"x")
    real = bucket.client.put_object

    def losing(**request: Any) -> Any:
        real(**request)
        raise EndpointConnectionError(endpoint_url="https://canary")

    monkeypatch.setattr(bucket.client, "put_object", losing)

    archive.put_once("a", b"yy")

    assert bucket.body("a") == b"yy"


def test_an_object_that_may_be_replaced_stays_until_all_of_the_other_is_there(bucket: MotoBucket) -> None:
    archive = bucket.archive.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    archive.put_once("a", b"x")

    with suppress(ZeroDivisionError), archive.writer("a") as writer:
        writer.write(b"y" * SMALL)
        raise ZeroDivisionError

    assert b"".join(archive.read("a", 0, 0)) == b"x"


def test_upload_that_is_gone(bucket: MotoBucket) -> None:
    archive, upload_id = bucket.archive, bucket.archive.begin("a")
    archive.abort("a", upload_id)

    archive.abort("a", upload_id)

    with pytest.raises(UploadGone):
        archive.parts("a", upload_id)


def test_passing_fault_is_tried_again_as_s3_asks(bucket: MotoBucket) -> None:
    bucket.fails("PutObject", (503, "SlowDown"), (500, "InternalError"), (409, "ConditionalRequestConflict"))

    bucket.archive.put_once("a", b"x")

    assert bucket.body("a") == b"x"
    assert bucket.pauses == [8.0, 1.0, 2.0]


def test_nothing_is_repeated_when_the_time_of_a_call_is_spent(bucket: MotoBucket) -> None:
    bucket.fails("PutObject", (503, "ServiceUnavailable"))
    spent = RetryPolicy(time_left=lambda: 0.0, sleep=bucket.pauses.append)

    with pytest.raises(ServiceError):
        bucket.archive.with_retry_policy(spent).put_once("a", b"x")

    assert not bucket.pauses


def test_client_does_not_retry_by_itself(bucket: MotoBucket) -> None:
    bucket.fails("PutObject", *[(503, "ServiceUnavailable")] * 20)

    with pytest.raises(ServiceError, match="ServiceUnavailable"):
        bucket.archive.put_once("a", b"x")

    assert bucket.pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
def test_refusal_is_not_tried_again_and_keeps_its_code(bucket: MotoBucket, status: int, code: str) -> None:
    bucket.fails("PutObject", (status, code))

    with pytest.raises(NonRetryableError) as caught:
        bucket.archive.put_once("a", b"x")

    assert str(caught.value) == code
    assert not bucket.pauses


def test_missing_permission_to_look_is_not_taken_for_absence(bucket: MotoBucket) -> None:
    bucket.fails("HeadObject", (403, ""))

    with pytest.raises(NonRetryableError):
        bucket.archive.size("a")


def test_part_is_sent_once(bucket: MotoBucket) -> None:
    upload_id = bucket.archive.begin("a")
    bucket.fails("UploadPart", (503, "SlowDown"))

    with pytest.raises(ServiceError, match="SlowDown"):
        bucket.archive.put_part("a", upload_id, 1, Socket(b"x"), 1)

    assert not bucket.pauses


def test_buffered_part_is_sent_again(bucket: MotoBucket) -> None:
    bucket.fails("UploadPart", (503, "SlowDown"), (400, "BadDigest"))
    body = bytes(range(256)) * 4 * 1024 * 9

    with bucket.archive.writer("a") as writer:
        writer.write(body)

    assert bucket.body("a") == body
    assert len(bucket.pauses) == 2


def test_answer_that_got_lost_after_the_write(bucket: MotoBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bucket.client.put_object

    def losing(**request: Any) -> Any:
        real(**request)
        monkeypatch.setattr(bucket.client, "put_object", real)
        raise EndpointConnectionError(endpoint_url="https://canary")

    monkeypatch.setattr(bucket.client, "put_object", losing)

    bucket.archive.put_once("a", b"x")

    assert bucket.body("a") == b"x"


def test_bad_input_34_what_is_told_of_an_export_never_goes_into_headers(bucket: MotoBucket) -> None:
    document = {"statusMessage": "größer als \N{SNOWMAN}" * 1_000, "correlationId": "läuft"}

    bucket.archive.put_json_once("manifests/export-1.json", document)

    assert bucket.archive.read_json("manifests/export-1.json") == document
    assert bucket.client.head_object(Bucket=BUCKET, Key="manifests/export-1.json")["Metadata"] == {}
