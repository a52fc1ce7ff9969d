"""What every test of a fault starts from."""

import io
import logging
from collections.abc import Iterator

import pytest

from exports import secrecy
from tests.faults.copying import Certificate, Copying, assert_no_secret, csv_bytes, make_certificate
from tests.faults.server import Server, serving


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls") / "other.pem")


@pytest.fixture
def server(certificate: Certificate) -> Iterator[Server]:
    """Serves 100 kB that look like a CSV."""
    server = Server(certificate.serving, csv_bytes(100_000))
    with serving(server):
        yield server


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """All that any logger writes at DEBUG during a fault: no part of a link is ever in it (fault 37)."""
    before, level = logging.getLogRecordFactory(), logging.root.level
    secrecy.install()
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield text
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)
    logging.setLogRecordFactory(before)
    assert_no_secret(text.getvalue())


@pytest.fixture
def copying(server: Server, certificate: Certificate) -> Copying:
    return Copying(server, certificate)
