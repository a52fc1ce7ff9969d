"""The certificate of the local AWS, and the bundle of certificates that its clients trust."""

import re
from collections.abc import Iterable
from pathlib import Path

import certifi
import trustme

NAMES = ("localhost", "*.localhost", "*.s3.localhost")
ADDRESS = "127.0.0.1"
PUBLIC = Path(certifi.where())
PEM_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def make_certificate(certificate: Path, key: Path) -> None:
    """Write a certificate for the loopback names of this machine, and its private key.

    The file has the certificate and that of its issuer, so that servers can present it and clients can trust it. The
    private key of the issuer is not stored: no other certificate can be issued that those clients trust.
    """
    issuer = trustme.CA(organization_name="Local AWS")
    issued = issuer.issue_cert(*NAMES, ADDRESS)
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(key)
    certificate.write_bytes(issued.cert_chain_pems[0].bytes() + issuer.cert_pem.bytes())


def write_bundle(bundle: Path, sources: Iterable[Path]) -> None:
    """Write the certificates of all sources atomically: a client that starts meanwhile reads the old or new file."""
    draft = bundle.with_suffix(".new")
    draft.write_text("\n".join(certificates(sources)) + "\n")
    draft.replace(bundle)


def certificates(sources: Iterable[Path]) -> list[str]:
    """All certificates in the files, or in the files of the folders, without duplicates, in PEM."""
    files = (file for source in sources for file in (sorted(source.iterdir()) if source.is_dir() else [source]))
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())
    return list(dict.fromkeys(block for text in texts for block in PEM_BLOCK.findall(text)))
