"""The certificate of the local AWS, and the bundle of certificates that its clients trust."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAMES = ("localhost", "*.localhost", "*.s3.localhost")
ADDRESS = "127.0.0.1"
PUBLIC = Path(certifi.where())
PEM_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def make_certificate(certificate: Path, key: Path) -> None:
    """Write a self-signed certificate for this machine's loopback names, good for a year, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    key.touch(mode=0o600)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(_signed(private).public_bytes(serialization.Encoding.PEM))


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Local AWS")])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
    )
    for extension, critical in _extensions(key.public_key()):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def _extensions(key: ec.EllipticCurvePublicKey) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """What the strict verification of Python 3.13 asks for, beside the names."""
    names = [*map(x509.DNSName, NAMES), x509.IPAddress(ip_address(ADDRESS))]
    yield x509.SubjectAlternativeName(names), False
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False
    yield x509.SubjectKeyIdentifier.from_public_key(key), False
    yield x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False


def write_bundle(bundle: Path, sources: Iterable[Path]) -> None:
    """Write the certificates of all sources, in one step: clients that start meanwhile see the old or the new."""
    draft = bundle.with_suffix(".new")
    draft.write_text("\n".join(certificates(sources)) + "\n")
    draft.replace(bundle)


def certificates(sources: Iterable[Path]) -> list[str]:
    """Every certificate of files, or of folders of files, once each, in PEM."""
    files = (file for source in sources for file in (sorted(source.iterdir()) if source.is_dir() else [source]))
    blocks = (block for file in files if file.is_file() for block in _blocks(file))
    return list(dict.fromkeys(blocks))


def _blocks(file: Path) -> list[str]:
    return PEM_BLOCK.findall(file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n"))
