"""moto, on which the tests of the S3 adapter run here. ``tests/judges`` runs the same tests on SeaweedFS."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from exports.s3.bucket import s3_client
from tests.unit.builders import SESSION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def bucket_client(monkeypatch: pytest.MonkeyPatch) -> "Iterator[S3Client]":
    """The client of the functions, and an empty bucket named ``bucket``."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with mock_aws():
        client = s3_client(SESSION)
        client.create_bucket(Bucket="bucket")
        client.meta.events.register_last("before-send.s3.UploadPart", _join_body)
        yield client


def _join_body(request: Any, **_: Any) -> None:
    """moto, which replaces the network, does not accept a body in pieces."""
    request.body = b"".join(request.body)
