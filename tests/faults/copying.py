"""A certificate to serve with, and a copy from a source that misbehaves into a bucket that may."""

import random
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import boto3

from exports.archive import Archive, s3_client
from exports.checksums import to_base64
from exports.connections import tls_context
from exports.links import Download
from exports.model import RawObject
from exports.pace import Pace
from exports.retries import Patience, no_hurry
from exports.transfer import copy
from exports.uploads import Unfinished, Upload
from local.certificate import make_certificate
from tests.loopback.bucket import Bucket
from tests.loopback.content import Bytes
from tests.loopback.source import SECRET_PATH, SECRET_QUERY, Source

MIB = 1024 * 1024


@dataclass(frozen=True)
class Certificate:
    """A certificate for localhost that nobody else has: who serves with it and who trusts it."""

    path: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificate":
        certificate = cls(folder / "certificate.pem")
        make_certificate(certificate.path, certificate.key)
        return certificate

    @property
    def key(self) -> Path:
        return self.path.with_name("key.pem")

    @property
    def serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context

    @property
    def trusting(self) -> ssl.SSLContext:
        return tls_context(str(self.path))


@cache
def session() -> boto3.Session:
    """One for all tests: it keeps the model of S3, which takes longer to read than a copy."""
    return boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")


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

    server: Source
    bucket: Bucket
    certificate: Certificate
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

    def archive(self) -> Archive:
        return Archive(s3_client(session()), bucket="bucket", owner="123456789012", patience=self.patience)

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
                self.archive(),
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

    def assert_stored(self, result: RawObject | Unfinished, wanted: Bytes) -> None:
        """The one visible object is ``wanted``, byte for byte, and the checksum of the whole is true."""
        body = bytes(wanted[: len(wanted)])
        assert isinstance(result, RawObject)
        assert self.bucket.objects == {result.key: body}
        assert (result.bytes, result.crc32) == (len(body), to_base64(zlib.crc32(body)))
        assert not self.bucket.uploads

    def assert_nothing_visible(self) -> None:
        assert not self.bucket.objects
