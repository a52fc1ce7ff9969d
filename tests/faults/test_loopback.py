"""The loopback bucket is as strict as S3: it accepts only complete bodies, in every transfer encoding."""

import http.client
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.faults.copying import MIB, Certificate, csv_bytes, session
from tests.loopback.bucket import BucketServer, base64_crc32

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef

BODY = csv_bytes(300_000)
KEY = "a folder/key"
CRC32 = base64_crc32(zlib.crc32(BODY))
AWS_CHUNKED = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(BODY))}


def s3() -> "S3Client":
    return session().client("s3", config=Config(retries={"total_max_attempts": 1}))


def in_chunks(body: bytes, trailer: str = "") -> bytes:
    chunks = (body[at : at + 70_000] for at in range(0, len(body), 70_000))
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + f"0\r\n{trailer}\r\n".encode()


def put(bucket: BucketServer, certificate: Certificate, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and document of a PUT that sends ``body`` unchanged."""
    connection = http.client.HTTPSConnection("localhost", bucket.server_port, context=certificate.trusting, timeout=10)
    connection.request("PUT", "/bucket/key", body, dict(headers))
    response = connection.getresponse()
    return response.status, response.read().decode()


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        (BODY, {}),
        (BODY, {"x-amz-checksum-crc32": CRC32}),
        (in_chunks(BODY, f"x-amz-checksum-crc32:{CRC32}\r\n"), AWS_CHUNKED),
        (
            in_chunks(in_chunks(BODY, f"x-amz-checksum-crc32:{CRC32}\r\n")),
            {**AWS_CHUNKED, "Transfer-Encoding": "chunked"},
        ),
    ],
)
def test_body_is_decoded_from_its_chunks(
    bucket: BucketServer, certificate: Certificate, sent: bytes, headers: Mapping[str, str]
) -> None:
    assert put(bucket, certificate, sent, headers) == (200, "")
    assert bucket.objects == {"key": BODY}


@pytest.mark.parametrize(
    ("sent", "headers", "code"),
    [
        (BODY, {"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
        (in_chunks(BODY, "x-amz-checksum-crc32:AAAAAA==\r\n"), AWS_CHUNKED, "BadDigest"),
        (in_chunks(BODY[:-1]), AWS_CHUNKED, "IncompleteBody"),
    ],
)
def test_body_that_differs_from_its_declaration_is_rejected(
    bucket: BucketServer, certificate: Certificate, sent: bytes, headers: Mapping[str, str], code: str
) -> None:
    status, document = put(bucket, certificate, sent, headers)

    assert (status, f"<Code>{code}</Code>" in document) == (400, True)
    assert not bucket.objects


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=0-9", BODY[:10]), ("bytes=100000-299999", BODY[100_000:300_000]), ("bytes=10-999999999", BODY[10:])],
)
def test_range_of_an_object_has_the_bytes_that_exist(bucket: BucketServer, asked: str, expected: bytes) -> None:
    client = s3()
    client.put_object(Bucket="bucket", Key=KEY, Body=BODY)

    response = client.get_object(Bucket="bucket", Key=KEY, Range=asked)

    assert response["Body"].read() == expected


@pytest.mark.parametrize(("key", "code"), [(KEY, "InvalidRange"), ("other", "NoSuchKey")])
def test_range_that_does_not_exist_is_an_error(bucket: BucketServer, key: str, code: str) -> None:
    client = s3()
    client.put_object(Bucket="bucket", Key=KEY, Body=BODY)

    with pytest.raises(ClientError, match=code):
        client.get_object(Bucket="bucket", Key=key, Range=f"bytes={len(BODY)}-{len(BODY) + 1}")


def test_only_the_first_completed_upload_is_visible(bucket: BucketServer) -> None:
    client = s3()
    body = csv_bytes(6 * MIB)
    first, second = (client.create_multipart_upload(Bucket="bucket", Key=KEY)["UploadId"] for _ in range(2))
    for upload_id in (first, second):
        client.upload_part(
            Bucket="bucket", Key=KEY, UploadId=upload_id, PartNumber=1, Body=body, ChecksumAlgorithm="CRC32"
        )
    (part,) = client.list_parts(Bucket="bucket", Key=KEY, UploadId=first)["Parts"]
    completed: CompletedMultipartUploadTypeDef = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    assert not bucket.objects

    client.complete_multipart_upload(
        Bucket="bucket", Key=KEY, UploadId=first, MultipartUpload=completed, IfNoneMatch="*"
    )
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.complete_multipart_upload(
            Bucket="bucket", Key=KEY, UploadId=second, MultipartUpload=completed, IfNoneMatch="*"
        )
    client.abort_multipart_upload(Bucket="bucket", Key=KEY, UploadId=second)

    assert bucket.objects == {KEY: body}
    assert client.head_object(Bucket="bucket", Key=KEY)["ContentLength"] == len(body)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="bucket")


@pytest.mark.parametrize(("parts", "code"), [([1], "InvalidPart"), ([0, 0], "EntityTooSmall")])
def test_completion_with_unknown_or_small_parts_is_rejected(bucket: BucketServer, parts: list[int], code: str) -> None:
    client = s3()
    upload_id = client.create_multipart_upload(Bucket="bucket", Key=KEY)["UploadId"]
    etags = [
        client.upload_part(Bucket="bucket", Key=KEY, UploadId=upload_id, PartNumber=1, Body=BODY)["ETag"],
        '"another"',
    ]
    completed: CompletedMultipartUploadTypeDef = {"Parts": [{"PartNumber": 1, "ETag": etags[part]} for part in parts]}

    with pytest.raises(ClientError, match=code):
        client.complete_multipart_upload(Bucket="bucket", Key=KEY, UploadId=upload_id, MultipartUpload=completed)

    assert not bucket.objects
