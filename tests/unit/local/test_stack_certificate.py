"""Verification of the certificate of the local AWS by clients."""

import ssl
from pathlib import Path

import pytest

from local.stack.certificate import PUBLIC, certificates, make_certificate, write_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder / "certificate.pem", folder / "key.pem")
    return folder


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "some-bucket.s3.localhost"])
def test_strict_clients_accept_the_certificate_for_every_local_name(folder: Path, name: str) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    client_side = ssl.create_default_context(cafile=folder / "certificate.pem")
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(up, down, server_side=True)
    client = client_side.wrap_bio(down, up, server_hostname=name)

    for side in (client, server):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    client.do_handshake()

    assert client.getpeercert()


def test_only_the_owner_may_read_the_key(folder: Path) -> None:
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0


def test_bundle_is_extended_in_place_and_has_each_certificate_once(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    write_bundle(bundle, [PUBLIC])

    for _ in range(2):
        write_bundle(bundle, [bundle, folder, folder / "missing.pem"])

    assert certificates([bundle]) == certificates([PUBLIC, folder / "certificate.pem"])
    assert len(ssl.create_default_context(cafile=bundle).get_ca_certs()) > 50
