"""A certificate to serve with, and a copy from a source that misbehaves into a bucket in memory."""

import datetime
import ipaddress
import random
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exports.checksums import to_base64
from exports.connections import tls_context
from exports.links import Download
from exports.model import RawObject
from exports.pace import Pace
from exports.retries import Patience, no_hurry
from exports.transfer import copy
from exports.uploads import Unfinished, Upload
from tests.faults.bucket import FakeBucket
from tests.faults.server import SECRET_PATH, SECRET_QUERY, Server

MIB = 1024 * 1024


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for localhost: who serves with it and who trusts it."""

    path: Path

    @property
    def serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path)
        return context

    @property
    def trusting(self) -> ssl.SSLContext:
        return tls_context(str(self.path))


def make_certificate(path: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return Certificate(path)


def csv_bytes(count: int, seed: int = 1) -> bytes:
    """Bytes that begin as a CSV and go on at random."""
    return b"agentId,hostName\n" + random.Random(seed).randbytes(count - 17)


def assert_no_secret(text: str) -> None:
    assert SECRET_PATH not in text
    assert SECRET_QUERY not in text


def assert_quotes_no_link(error: BaseException | None) -> None:
    """Neither the error nor any that it came from or happened during, whether or not a traceback would show it."""
    while error is not None:
        assert_no_secret(f"{error!r} {error} {error.args} {vars(error)}")
        assert_quotes_no_link(error.__cause__)
        error = error.__context__


@dataclass
class Copying:
    """What takes part in a copy and what came of it. Pauses are noted, not slept, and last as long as can be."""

    server: Server
    certificate: Certificate
    bucket: FakeBucket = field(default_factory=FakeBucket)
    remembered: list[Upload] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Links that a renewal finds, in order; the server's own when there is none left."""
    renewals: int = 0
    time_left: Callable[[], float] = no_hurry
    pace: Callable[[], Pace] | None = None
    attempts: int = 4

    @property
    def patience(self) -> Patience:
        return Patience(self.attempts, time_left=self.time_left, sleep=self.pauses.append, draw=lambda low, high: high)

    def renew(self) -> str:
        self.renewals += 1
        return self.links.pop(0) if self.links else self.server.link

    def download(self, link: str | None = None, hosts: tuple[str, ...] = ("localhost:*",)) -> Download:
        return Download(
            link or self.server.link,
            renew=self.renew,
            hosts=hosts,
            context=self.certificate.trusting,
            patience=self.patience,
            pace=self.pace,
        )

    def run(
        self,
        *,
        link: str | None = None,
        hosts: tuple[str, ...] = ("localhost:*",),
        known: Upload | None = None,
        workers: int = 4,
        max_bytes: int = 1024**4,
    ) -> RawObject | Unfinished:
        try:
            return copy(
                self.download(link, hosts),
                self.bucket,
                key="raw/export.{}".format,
                known=known,
                remember=self.remembered.append,
                patience=self.patience,
                workers=workers,
                max_bytes=max_bytes,
            )
        except Exception as error:
            assert_quotes_no_link(error)
            raise

    def assert_stored(self, result: RawObject | Unfinished, body: bytes) -> None:
        """The one visible object is ``body``, byte for byte, and the checksum of the whole is true."""
        assert isinstance(result, RawObject)
        assert self.bucket.objects == {result.key: body}
        assert (result.bytes, result.crc32) == (len(body), to_base64(zlib.crc32(body)))
        assert not self.bucket.uploads

    def assert_nothing_visible(self) -> None:
        assert not self.bucket.objects
