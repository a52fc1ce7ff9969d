"""The independent servers, each started once, and the clients that the tests of an adapter ask for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from exports.dependencies import CONFIG
from tests.faults.copying import Certificate, session
from tests.judges import servers
from tests.loopback.server import serving
from tests.loopback.source import SourceServer
from tests.unit.builders import create_catalog

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.made_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[str]:
    with servers.seaweedfs(tmp_path_factory.mktemp("seaweedfs"), certificate) as url:
        yield url


@pytest.fixture(scope="session")
def dynamodb_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.dynamodb_local(tmp_path_factory.mktemp("dynamodb")) as url:
        yield url


@pytest.fixture
def bucket_client(seaweedfs: str, certificate: Certificate) -> "S3Client":
    """A client of SeaweedFS, whose bucket is empty."""
    client = servers.s3_client_of(seaweedfs, certificate)
    for upload in client.list_multipart_uploads(Bucket=servers.BUCKET).get("Uploads", []):
        client.abort_multipart_upload(Bucket=servers.BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for found in client.list_objects_v2(Bucket=servers.BUCKET).get("Contents", []):
        client.delete_object(Bucket=servers.BUCKET, Key=found["Key"])
    return client


@pytest.fixture
def dynamodb(dynamodb_local: str) -> Iterator[Any]:
    """A client of DynamoDB Local, whose table is empty."""
    client = session().client("dynamodb", endpoint_url=dynamodb_local, config=CONFIG)
    create_catalog(client)
    yield client
    client.delete_table(TableName="catalog")


@pytest.fixture
def source(certificate: Certificate) -> Iterator[SourceServer]:
    """Serves what a test gives it."""
    server = SourceServer(certificate.serving)
    with serving(server):
        yield server
