"""Parts go out as botocore would frame them, without the copies that it makes of them."""

import base64
import io
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from boto3.session import Session
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum

from exports.archive import s3_client
from exports.framing import FRAME, framed_size, frames, send_in_frames

SIZES = [1, 15, 16, 4095, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 17]


class InPieces(io.BytesIO):
    """Gives no more than 100,000 bytes at once, as a source does."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(100_000, size) if size and size > 0 else 100_000)


def content(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sent_is_what_botocore_would_send(size: int) -> None:
    whole = AwsChunkedWrapper(io.BytesIO(content(size)), Crc32Checksum, "x-amz-checksum-crc32", FRAME).read()

    assert b"".join(frames(InPieces(content(size)), size)) == whole


@pytest.mark.parametrize("size", SIZES)
def test_the_length_is_known_before(size: int) -> None:
    assert framed_size(size) == len(b"".join(frames(InPieces(content(size)), size)))


def test_a_body_that_ends_early_gets_no_checksum() -> None:
    sent = b"".join(frames(InPieces(content(FRAME)), FRAME + 1))

    assert b"x-amz-checksum-crc32" not in sent
    assert len(sent) < framed_size(FRAME + 1)


def prepared(body: Any, **headers: str) -> Any:
    named = HTTPHeaders.from_dict({name.replace("_", "-"): value.encode() for name, value in headers.items()})
    return AWSPreparedRequest("PUT", "https://localhost/", named, body, stream_output=False)


def test_a_part_is_sent_with_its_length() -> None:
    wrapped = AwsChunkedWrapper(io.BytesIO(b"some rows"), Crc32Checksum, "x-amz-checksum-crc32")
    request = prepared(
        wrapped,
        Transfer_Encoding="chunked",
        X_Amz_Decoded_Content_Length="9",
        X_Amz_Trailer="x-amz-checksum-crc32",
    )

    send_in_frames(request)

    sent = b"".join(request.body)
    crc32 = base64.b64encode(zlib.crc32(b"some rows").to_bytes(4, "big"))
    assert sent == b"9\r\nsome rows\r\n0\r\nx-amz-checksum-crc32:" + crc32 + b"\r\n\r\n"
    assert dict(request.headers)["Content-Length"] == str(len(sent))
    assert "Transfer-Encoding" not in request.headers


class Sent(Exception):
    """Stands for the network."""


def test_every_part_of_our_client_is_sent_in_frames() -> None:
    client = s3_client(Session("key", "secret", region_name="us-east-1"))
    requests = []

    def keep(request: Any, **_: object) -> None:
        requests.append(request)
        raise Sent

    client.meta.events.register_last("before-send.s3.UploadPart", keep)

    with pytest.raises(Sent):
        client.upload_part(
            Bucket="bucket",
            Key="key",
            UploadId="id",
            PartNumber=1,
            Body=io.BytesIO(content(2 * FRAME)),
            ChecksumAlgorithm="CRC32",
        )

    (request,) = requests
    assert b"".join(request.body) == b"".join(frames(io.BytesIO(content(2 * FRAME)), 2 * FRAME))
    assert request.headers["Content-Length"] == str(framed_size(2 * FRAME))
    assert "Transfer-Encoding" not in request.headers


@pytest.mark.parametrize(
    ("body", "trailer"),
    [(b"bytes", "x-amz-checksum-crc32"), (SimpleNamespace(_raw=io.BytesIO(b"bytes")), "x-amz-checksum-crc64nvme")],
)
def test_what_is_framed_otherwise_is_left_alone(body: Any, trailer: str) -> None:
    request = prepared(body, Transfer_Encoding="chunked", X_Amz_Decoded_Content_Length="5", X_Amz_Trailer=trailer)

    send_in_frames(request)

    assert request.body is body
    assert request.headers["Transfer-Encoding"] == b"chunked"
