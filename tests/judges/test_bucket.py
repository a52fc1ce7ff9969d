"""The tests of the S3 adapter, on SeaweedFS over TLS, and what moto does not verify."""

from dataclasses import replace

import pytest

from exports.errors import ServiceError
from exports.s3.crc32 import to_base64
from tests.unit.s3.test_bucket import *  # noqa: F403
from tests.unit.s3.test_bucket import RecordedS3, Socket


def test_completion_with_the_checksum_of_other_bytes_is_refused(s3: RecordedS3) -> None:
    upload_id = s3.bucket.create_upload("a")
    part = s3.bucket.put_part("a", upload_id, 1, Socket(b"x"), 1)

    with pytest.raises(ServiceError, match="BadDigest"):
        s3.bucket.complete("a", upload_id, [replace(part, crc32=to_base64(1))], 1)

    assert s3.keys() == []


def test_completion_with_a_part_below_the_minimum_size_is_refused(s3: RecordedS3) -> None:
    upload_id = s3.bucket.create_upload("a")
    parts = [s3.bucket.put_part("a", upload_id, number, Socket(b"x"), 1) for number in (1, 2)]

    with pytest.raises(ServiceError, match="EntityTooSmall"):
        s3.bucket.complete("a", upload_id, parts, 2)

    assert s3.keys() == []
