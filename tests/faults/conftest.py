"""Fixtures of the fault tests: certificates, loopback servers and a copy between them."""

import io
from collections.abc import Iterator

import pytest

from tests.faults.copying import Certificate, Copying, assert_no_secret, csv_bytes
from tests.loopback.bucket import BucketServer
from tests.loopback.server import serving
from tests.loopback.source import SourceServer


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.made_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.made_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(certificate: Certificate) -> Iterator[SourceServer]:
    """Serves 100 kB that start like a CSV file."""
    server = SourceServer(certificate.serving, csv_bytes(100_000))
    with serving(server):
        yield server


@pytest.fixture
def bucket(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """The S3 endpoint of clients that are created after this fixture."""
    bucket = BucketServer(certificate.serving)
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.path))
    with serving(bucket):
        yield bucket


@pytest.fixture(autouse=True)
def no_download_url_is_logged(logged: io.StringIO) -> Iterator[None]:
    """No log that a fault causes contains a part of a download URL (fault 37)."""
    yield
    assert_no_secret(logged.getvalue())


@pytest.fixture
def copying(server: SourceServer, bucket: BucketServer, certificate: Certificate) -> Copying:
    return Copying(server, bucket, certificate)
