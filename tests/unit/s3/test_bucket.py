"""The S3 adapter: which objects become visible, are accepted as existing, or conflict."""

import inspect
import io
import re
import ssl
import zlib
from contextlib import suppress
from dataclasses import replace
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from urllib3 import HTTPResponse

from exports.errors import NonRetryableError, ServiceError
from exports.retry import RetryPolicy
from exports.s3 import bucket as bucket_module
from exports.s3.bucket import CHUNK, Bucket, ObjectConflict
from exports.s3.crc32 import from_base64
from exports.s3.multipart import MIB, SMALL_FILE_BYTES, PendingUpload, UploadGone
from tests.unit.fakes import FakeClock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bucket"
OWNER = "123456789012"


class RecordedS3:
    """An empty bucket with its adapter, and a record of the calls."""

    def __init__(self, client: "S3Client") -> None:
        self.client = client
        clock = FakeClock()
        self.pauses = clock.pauses
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.bucket = Bucket(client, bucket=BUCKET, owner=OWNER, retry_policy=clock.retry_policy())
        client.meta.events.register("provide-client-params.s3.*", self._record)

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


class _Answer:
    def __init__(self, status: int, code: str) -> None:
        self.status_code = status
        self.headers = {"retry-after": "8"} if code == "SlowDown" else {}
        self.content = f"<Error><Code>{code}</Code><Message>https://canary/</Message></Error>".encode() if code else b""
        self.raw = io.BytesIO(self.content)


def _error(status: int, code: str) -> _Answer:
    return _Answer(status, code)


@pytest.fixture
def s3(bucket_client: "S3Client") -> RecordedS3:
    return RecordedS3(bucket_client)


class Socket:
    """A body as from a socket: in pieces, and only once."""

    def __init__(self, body: bytes, *, ends_after: int | None = None) -> None:
        self._body = io.BytesIO(body[:ends_after])

    def read(self, size: int = -1, /) -> bytes:
        return self._body.read(min(size, 70_000) if size >= 0 else 70_000)


def test_size_of_an_object_and_of_a_missing_one(s3: RecordedS3) -> None:
    s3.bucket.put_or_verify("a", b"12345")

    assert s3.bucket.size("a") == 5
    assert s3.bucket.size("b") is None


def test_every_call_has_the_expected_bucket_owner(s3: RecordedS3) -> None:
    bucket = s3.bucket
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
    assert {xform_name(name) for name, _ in s3.calls} == operations - {"meta"}
    assert {params["ExpectedBucketOwner"] for _, params in s3.calls} == {OWNER}


def test_json_is_read_back_unchanged(s3: RecordedS3) -> None:
    document = {"exportId": "export-1", "files": [1, None, "ü"]}

    s3.bucket.put_json("a", document)
    assert s3.bucket.read_json("a") == document
    s3.bucket.put_json("a", [])

    assert s3.bucket.read_json("a") == []
    assert s3.bucket.read_json("b") is None


def test_a_file_is_written_again_from_its_start_after_a_failure_and_overwrites(s3: RecordedS3) -> None:
    s3.bucket.put_json("a", {})
    s3.fails("PutObject", (503, "SlowDown"), (500, "InternalError"))
    with TemporaryFile() as file:
        file.write(b'{"exports": [' + b"1, " * 2_000_000 + b"1]}")

        s3.bucket.put_json_file("a", file)

        assert file.seek(0, io.SEEK_END) == len(s3.body("a")) > 5 * MIB
    assert s3.bucket.read_json("a") == {"exports": [1] * 2_000_001}
    assert s3.client.head_object(Bucket=BUCKET, Key="a")["ContentType"] == "application/json"


def test_put_json_if_absent_never_overwrites(s3: RecordedS3) -> None:
    assert s3.bucket.put_json_if_absent("a", {"first": True})
    assert not s3.bucket.put_json_if_absent("a", {"first": False})

    assert s3.bucket.read_json("a") == {"first": True}


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 999_999), (5, 700_000), (999_999, 999_999)])
def test_ranges_are_read_in_limited_chunks(s3: RecordedS3, first: int, last: int) -> None:
    body = bytes(range(250)) * 4000
    s3.bucket.put_or_verify("a", body)

    chunks = list(s3.bucket.read("a", first, last))

    assert b"".join(chunks) == body[first : last + 1]
    assert max(map(len, chunks)) <= CHUNK


def test_read_resumes_after_a_broken_connection(s3: RecordedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(250)) * 4000
    s3.bucket.put_or_verify("a", body)
    real = s3.client.get_object

    def get_object(**request: Any) -> Any:
        answer = real(**request)
        if len(ranges) < 3:
            answer["Body"] = StreamingBody(io.BytesIO(answer["Body"].read(300_000)), 700_000)
        ranges.append(request["Range"])
        return answer

    ranges: list[str] = []
    monkeypatch.setattr(s3.client, "get_object", get_object)

    assert b"".join(s3.bucket.read("a", 0, len(body) - 1)) == body
    assert ranges == [f"bytes={at}-999999" for at in (0, 300_000, 600_000, 900_000)]


def test_read_resumes_after_a_tls_error_in_the_body(s3: RecordedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenBody(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ssl.SSLError("bad record mac")

    s3.bucket.put_or_verify("a", b"12345")
    real = s3.client.get_object
    broken = [StreamingBody(HTTPResponse(BrokenBody(), preload_content=False), 5)]  # type: ignore[arg-type]  # as botocore makes it

    def get_object(**request: Any) -> Any:
        answer = real(**request)
        return {**answer, "Body": broken.pop()} if broken else answer

    monkeypatch.setattr(s3.client, "get_object", get_object)

    assert b"".join(s3.bucket.read("a", 0, 4)) == b"12345"
    assert s3.pauses == [0.5]


def test_read_without_progress_is_an_error(s3: RecordedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3.client, "get_object", lambda **_: {"Body": io.BytesIO()})

    with pytest.raises(ServiceError, match="IncompleteReadError"):
        list(s3.bucket.read("a", 0, 5))

    assert s3.pauses == [0.5, 1.0, 2.0]


def test_read_of_a_missing_object_is_an_error(s3: RecordedS3) -> None:
    with pytest.raises(ServiceError, match="NoSuchKey"):
        list(s3.bucket.read("a", 0, 5))

    assert not s3.pauses


def test_a_small_stream_is_one_put_object(s3: RecordedS3) -> None:
    with s3.bucket.writer("a") as writer:
        writer.write(b"one,")
        writer.write(b"two")

    assert s3.body("a") == b"one,two"
    assert [name for name, _ in s3.calls if name != "GetObject"] == ["PutObject"]


def test_an_empty_stream_is_an_empty_object(s3: RecordedS3) -> None:
    with s3.bucket.writer("a"):
        pass

    assert s3.body("a") == b""


def test_a_large_stream_is_a_multipart_upload(s3: RecordedS3) -> None:
    body = bytes(range(256)) * 4 * 1024 * 20

    with s3.bucket.writer("a") as writer:
        for at in range(0, len(body), 999_999):
            writer.write(body[at : at + 999_999])
        assert writer.size == len(body)
        assert s3.keys() == []

    assert s3.body("a") == body
    assert not s3.uploads()
    assert [name for name, _ in s3.calls].count("UploadPart") == 3


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_stream_that_fails_leaves_no_object_and_no_upload(s3: RecordedS3, size: int) -> None:
    with pytest.raises(KeyError), s3.bucket.writer("a") as writer:  # noqa: PT012
        writer.write(bytes(size))
        raise KeyError

    assert s3.keys() == []
    assert s3.uploads() == []


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_stream_accepts_an_existing_object_with_the_same_bytes(s3: RecordedS3, size: int) -> None:
    s3.client.put_object(Bucket=BUCKET, Key="a", Body=b"x" * size)

    with s3.bucket.writer("a") as writer:
        writer.write(b"x" * size)

    assert s3.body("a") == b"x" * size
    assert s3.uploads() == []


@pytest.mark.parametrize(("existing", "size"), [(10, 10), (11, 10), (9 * MIB, 9 * MIB), (11, 9 * MIB)])
def test_an_existing_object_with_other_bytes_is_a_conflict(s3: RecordedS3, existing: int, size: int) -> None:
    s3.client.put_object(Bucket=BUCKET, Key="a", Body=b"x" * existing)

    with pytest.raises(ObjectConflict), s3.bucket.writer("a") as writer:
        writer.write(b"y" * size)

    assert s3.body("a") == b"x" * existing
    assert s3.uploads() == []


def pending(s3: RecordedS3, body: bytes) -> PendingUpload:
    with s3.bucket.pending_writer("a") as writer:
        for at in range(0, len(body), MIB):
            writer.write(body[at : at + MIB])
    return writer.upload


@pytest.mark.parametrize("size", [1, SMALL_FILE_BYTES, SMALL_FILE_BYTES + 1], ids=["small", "one part", "two parts"])
def test_a_pending_upload_is_visible_once_it_is_published(s3: RecordedS3, size: int) -> None:
    upload = pending(s3, bytes(size))

    assert (upload.key, upload.size, len(upload.parts)) == ("a", size, -(-size // SMALL_FILE_BYTES))
    assert s3.keys() == []
    assert s3.bucket.publish(upload)

    assert s3.body("a") == bytes(size)
    assert s3.uploads() == []


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_pending_stream_that_fails_leaves_no_upload(s3: RecordedS3, size: int) -> None:
    with pytest.raises(KeyError), s3.bucket.pending_writer("a") as writer:  # noqa: PT012
        writer.write(bytes(size))
        raise KeyError

    assert s3.uploads() == []


def test_publishing_can_be_repeated(s3: RecordedS3) -> None:
    upload = pending(s3, b"x")

    assert s3.bucket.publish(upload)
    assert s3.bucket.publish(upload)

    assert s3.body("a") == b"x"


def test_publishing_aborts_all_other_uploads_of_the_key(s3: RecordedS3) -> None:
    s3.bucket.create_upload("ab")
    pending(s3, b"of a killed invocation")

    s3.bucket.publish(pending(s3, b"x"))

    assert [upload["Key"] for upload in s3.uploads()] == ["ab"]


def test_an_upload_that_is_gone_counts_as_published_if_there_is_any_object(s3: RecordedS3) -> None:
    upload = pending(s3, b"x")
    s3.bucket.abort_all("a")
    s3.client.put_object(Bucket=BUCKET, Key="a", Body=b"of another run")

    assert s3.bucket.publish(upload)

    assert s3.body("a") == b"of another run"


def test_put_if_absent_keeps_any_existing_object(s3: RecordedS3) -> None:
    assert s3.bucket.put_if_absent("a", b"first")
    assert not s3.bucket.put_if_absent("a", b"second")

    assert s3.body("a") == b"first"


def test_parts_can_be_uploaded_in_any_order(s3: RecordedS3) -> None:
    bucket = s3.bucket
    bodies = {3: b"end", 1: b"a" * 5 * MIB, 2: b"b" * 5 * MIB}
    upload_id = bucket.create_upload("a")

    sent = [bucket.put_part("a", upload_id, n, Socket(body), len(body)) for n, body in bodies.items()]

    # moto and SeaweedFS list parts without their checksums.
    assert {n: replace(part, crc32="") for n, part in bucket.parts("a", upload_id).items()} == {
        part.number: replace(part, crc32="") for part in sent
    }
    assert {part.number: from_base64(part.crc32) for part in sent} == {n: zlib.crc32(b) for n, b in bodies.items()}
    assert s3.keys() == []
    bucket.complete("a", upload_id, sent, 10 * MIB + 3)
    assert s3.body("a") == bodies[1] + bodies[2] + bodies[3]


def test_completion_is_conditional_and_has_size_and_checksums(s3: RecordedS3) -> None:
    upload_id = s3.bucket.create_upload("a")
    part = s3.bucket.put_part("a", upload_id, 1, Socket(b"xyz"), 3)

    s3.bucket.complete("a", upload_id, [part], 3)

    create = next(params for name, params in s3.calls if name == "CreateMultipartUpload")
    complete = next(params for name, params in s3.calls if name == "CompleteMultipartUpload")
    assert (create["ChecksumAlgorithm"], create["ChecksumType"]) == ("CRC32", "COMPOSITE")
    assert (complete["IfNoneMatch"], complete["MpuObjectSize"]) == ("*", 3)
    assert complete["MultipartUpload"]["Parts"][0]["ChecksumCRC32"] == part.crc32


def test_many_parts_are_listed_page_by_page(s3: RecordedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = s3.bucket.create_upload("a")
    for number in (1, 2, 5):
        s3.bucket.put_part("a", upload_id, number, Socket(b"x"), 1)
    real = s3.client.list_parts
    monkeypatch.setattr(s3.client, "list_parts", lambda **request: real(MaxParts=1, **request))

    assert list(s3.bucket.parts("a", upload_id)) == [1, 2, 5]


def test_second_upload_to_a_key_accepts_the_first(s3: RecordedS3) -> None:
    bucket = s3.bucket
    for _ in range(2):
        upload_id = bucket.create_upload("a")
        part = bucket.put_part("a", upload_id, 1, Socket(b"x" * 100), 100)
        bucket.complete("a", upload_id, [part], 100)

    assert bucket.size("a") == 100
    assert s3.uploads() == []


def test_fault_32_completion_aborts_uploads_of_killed_invocations(s3: RecordedS3) -> None:
    for key in ("a", "a", "ab"):
        s3.bucket.create_upload(key)
    upload_id = s3.bucket.create_upload("a")
    part = s3.bucket.put_part("a", upload_id, 1, Socket(b"x"), 1)

    s3.bucket.complete("a", upload_id, [part], 1)

    assert [upload["Key"] for upload in s3.uploads()] == ["ab"]


def test_completion_can_be_repeated(s3: RecordedS3) -> None:
    upload_id = s3.bucket.create_upload("a")
    part = s3.bucket.put_part("a", upload_id, 1, Socket(b"x"), 1)
    s3.bucket.complete("a", upload_id, [part], 1)

    s3.bucket.complete("a", upload_id, [part], 1)


def test_delete_can_be_repeated(s3: RecordedS3) -> None:
    s3.bucket.put_json("a", 1)

    s3.bucket.delete("a")
    s3.bucket.delete("a")

    assert s3.bucket.size("a") is None


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_different_object_is_replaced_with_overwrite(s3: RecordedS3, in_parts: bool) -> None:
    bucket = s3.bucket.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    bucket.put_or_verify("a", b"x")

    if in_parts:
        replaces, upload_id = bucket.etag("a"), bucket.create_upload("a")
        bucket.complete("a", upload_id, [bucket.put_part("a", upload_id, 1, Socket(b"yy"), 2)], 2, replaces)
    else:
        bucket.put_or_verify("a", b"yy")

    assert b"".join(bucket.read("a", 0, 1)) == b"yy"
    assert s3.uploads() == []


def test_a_lost_response_after_a_replacement_is_no_error(s3: RecordedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.bucket.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    bucket.put_or_verify("a", b"x")
    real = s3.client.put_object

    def lose_response(**request: Any) -> Any:
        real(**request)
        raise EndpointConnectionError(endpoint_url="https://canary")

    monkeypatch.setattr(s3.client, "put_object", lose_response)

    bucket.put_or_verify("a", b"yy")

    assert s3.body("a") == b"yy"


def test_an_object_is_replaced_only_once_the_new_upload_is_complete(s3: RecordedS3) -> None:
    bucket = s3.bucket.with_retry_policy(RetryPolicy(sleep=lambda _: None), overwrite=True)
    bucket.put_or_verify("a", b"x")

    with suppress(ZeroDivisionError), bucket.writer("a") as writer:
        writer.write(b"y" * SMALL_FILE_BYTES)
        raise ZeroDivisionError

    assert b"".join(bucket.read("a", 0, 0)) == b"x"


def test_an_aborted_upload_is_gone(s3: RecordedS3) -> None:
    bucket, upload_id = s3.bucket, s3.bucket.create_upload("a")
    bucket.abort("a", upload_id)

    bucket.abort("a", upload_id)

    with pytest.raises(UploadGone):
        bucket.parts("a", upload_id)


def test_retryable_errors_are_retried_with_retry_after(s3: RecordedS3) -> None:
    s3.fails("PutObject", (503, "SlowDown"), (500, "InternalError"), (409, "ConditionalRequestConflict"))

    s3.bucket.put_or_verify("a", b"x")

    assert s3.body("a") == b"x"
    assert s3.pauses == [8.0, 1.0, 2.0]


def test_no_retry_without_time_left(s3: RecordedS3) -> None:
    s3.fails("PutObject", (503, "ServiceUnavailable"))
    no_time = RetryPolicy(time_left=lambda: 0.0, sleep=s3.pauses.append)

    with pytest.raises(ServiceError):
        s3.bucket.with_retry_policy(no_time).put_or_verify("a", b"x")

    assert not s3.pauses


def test_the_client_does_not_retry(s3: RecordedS3) -> None:
    s3.fails("PutObject", *[(503, "ServiceUnavailable")] * 20)

    with pytest.raises(ServiceError, match="ServiceUnavailable"):
        s3.bucket.put_or_verify("a", b"x")

    assert s3.pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
def test_a_permanent_error_is_not_retried_and_has_its_code(s3: RecordedS3, status: int, code: str) -> None:
    s3.fails("PutObject", (status, code))

    with pytest.raises(NonRetryableError) as caught:
        s3.bucket.put_or_verify("a", b"x")

    assert str(caught.value) == code
    assert not s3.pauses


def test_a_missing_permission_is_not_a_missing_object(s3: RecordedS3) -> None:
    s3.fails("HeadObject", (403, ""))

    with pytest.raises(NonRetryableError):
        s3.bucket.size("a")


def test_put_part_does_not_retry(s3: RecordedS3) -> None:
    upload_id = s3.bucket.create_upload("a")
    s3.fails("UploadPart", (503, "SlowDown"))

    with pytest.raises(ServiceError, match="SlowDown"):
        s3.bucket.put_part("a", upload_id, 1, Socket(b"x"), 1)

    assert not s3.pauses


def test_a_buffered_part_is_retried(s3: RecordedS3) -> None:
    s3.fails("UploadPart", (503, "SlowDown"), (400, "BadDigest"))
    body = bytes(range(256)) * 4 * 1024 * 9

    with s3.bucket.writer("a") as writer:
        writer.write(body)

    assert s3.body("a") == body
    assert len(s3.pauses) == 2


def test_a_lost_response_after_a_write_is_no_error(s3: RecordedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    real = s3.client.put_object

    def lose_response(**request: Any) -> Any:
        real(**request)
        monkeypatch.setattr(s3.client, "put_object", real)
        raise EndpointConnectionError(endpoint_url="https://canary")

    monkeypatch.setattr(s3.client, "put_object", lose_response)

    s3.bucket.put_or_verify("a", b"x")

    assert s3.body("a") == b"x"


def test_bad_input_34_metadata_of_an_export_is_never_sent_in_headers(s3: RecordedS3) -> None:
    document = {"statusMessage": "größer als \N{SNOWMAN}" * 1_000, "correlationId": "läuft"}

    s3.bucket.put_json_if_absent("manifests/export-1.json", document)

    assert s3.bucket.read_json("manifests/export-1.json") == document
    assert s3.client.head_object(Bucket=BUCKET, Key="manifests/export-1.json")["Metadata"] == {}


@pytest.mark.parametrize(
    "name", ["a\x9b31m.csv", "a\u202efdp.csv", "a\x1b]0;x\x07", "a\u2028b", "a\ud800b", "Zürich.csv"]
)
def test_bad_input_41_document_with_any_name_is_ascii(s3: RecordedS3, name: str) -> None:
    s3.bucket.put_json("manifests/a.json", {"files": [{"name": name}]})
    s3.bucket.put_json_if_absent("manifests/b.json", {"files": [{"name": name}]})

    for key in ("manifests/a.json", "manifests/b.json"):
        assert s3.body(key).decode("ascii").isprintable()
        assert s3.bucket.read_json(key) == {"files": [{"name": name}]}
