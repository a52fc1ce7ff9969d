"""The certificate of the local AWS, as clients verify it."""

import ssl
from pathlib import Path

import pytest

from local.certificate import PUBLIC, certificates, make_certificate, write_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder / "certificate.pem", folder / "key.pem")
    return folder


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "some-bucket.s3.localhost"])
def test_clients_accept_it_for_every_name_of_this_machine(folder: Path, name: str) -> None:
    _shake_hands(folder, name)


def test_clients_refuse_it_for_another_name(folder: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 's3\.amazonaws\.com'"):
        _shake_hands(folder, "s3.amazonaws.com")


def test_only_its_owner_may_read_the_key(folder: Path) -> None:
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0


def test_bundle_trusts_ours_the_public_and_the_callers(folder: Path, tmp_path: Path) -> None:
    make_certificate(tmp_path / "callers.pem", tmp_path / "callers.key")

    sources = [folder / "certificate.pem", PUBLIC, tmp_path / "callers.pem"]
    write_bundle(tmp_path / "bundle.pem", sources)

    assert certificates([tmp_path / "bundle.pem"]) == certificates(sources)
    assert len(ssl.create_default_context(cafile=tmp_path / "bundle.pem").get_ca_certs()) > 50


def test_bundle_grows_where_it_is(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    write_bundle(bundle, [PUBLIC])

    write_bundle(bundle, [bundle, folder / "certificate.pem"])

    assert certificates([bundle]) == certificates([PUBLIC, folder / "certificate.pem"])


def test_certificates_of_a_folder_count_once(folder: Path, tmp_path: Path) -> None:
    pem = (folder / "certificate.pem").read_text()
    (tmp_path / "one.pem").write_text(f"# a comment\n{pem}")
    (tmp_path / "two.crt").write_text(pem.replace("\n", "\r\n"))

    assert certificates([tmp_path, tmp_path / "missing.pem"]) == [pem.strip()]


def _shake_hands(folder: Path, name: str) -> None:
    """In memory, and as strict as Python 3.13 is by default."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    client_side = ssl.create_default_context(cafile=folder / "certificate.pem")
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(up, down, server_side=True)
    client = client_side.wrap_bio(down, up, server_hostname=name)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
