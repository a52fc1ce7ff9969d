"""A TLS certificate, and a harness that copies from a loopback source into a loopback bucket, both with faults."""

import random
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from exports.download.connections import tls_context
from exports.download.download import Download
from exports.download.throughput import ThroughputMonitor
from exports.errors import Rejected
from exports.model import RawObject, Reason
from exports.retry import RetryPolicy, no_deadline
from exports.runs import Unfinished
from exports.s3.bucket import Bucket, s3_client
from exports.s3.crc32 import to_base64
from exports.s3.multipart import Upload
from exports.transfer.copying import copy
from local.stack.certificate import make_certificate
from tests.loopback.bucket import BucketServer
from tests.loopback.content import Bytes
from tests.loopback.source import SECRET_PATH, SECRET_QUERY, SourceServer
from tests.unit.fakes import FakeClock

MIB = 1024 * 1024


@dataclass(frozen=True)
class Certificate:
    """A new certificate for localhost, with TLS contexts for its server and for clients that trust it."""

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
    """One session for all tests: it caches the S3 service model, which takes longer to load than a copy takes."""
    return boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")


def csv_bytes(count: int, seed: int = 1) -> bytes:
    """``count`` bytes: a CSV header, then random bytes."""
    return b"agentId,hostName\n" + random.Random(seed).randbytes(count - 17)


def assert_no_secret(text: str) -> None:
    assert SECRET_PATH not in text
    assert SECRET_QUERY not in text


def assert_no_url_in_error(error: BaseException | None) -> None:
    """Checks the error and all its causes and contexts, whether or not a traceback would show them."""
    while error is not None:
        assert_no_secret(f"{error!r} {error} {error.args} {vars(error)}")
        assert_no_url_in_error(error.__cause__)
        error = error.__context__


@dataclass
class Copying:
    """The parts of a copy and their records. Pauses are recorded, not slept, and have their maximum length."""

    server: SourceServer
    bucket: BucketServer
    certificate: Certificate
    saved: list[Upload] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    urls: list[str] = field(default_factory=list)
    """Download URLs that refreshes return, in order; then the URL of the server."""
    refreshes: int = 0
    time_left: Callable[[], float] = no_deadline
    monitor: Callable[[], ThroughputMonitor] | None = None
    attempts: int = 4

    @property
    def retry_policy(self) -> RetryPolicy:
        return self.clock.retry_policy(self.attempts, self.time_left)

    @property
    def pauses(self) -> list[float]:
        return self.clock.pauses

    def bucket_client(self) -> Bucket:
        return Bucket(s3_client(session()), bucket="bucket", owner="123456789012", retry_policy=self.retry_policy)

    def refresh_url(self) -> str:
        self.refreshes += 1
        return self.urls.pop(0) if self.urls else self.server.download_url

    def download(self, download_url: str | None = None, hosts: tuple[str, ...] = ("localhost:*",)) -> Download:
        return Download(
            download_url or self.server.download_url,
            refresh_url=self.refresh_url,
            hosts=hosts,
            context=self.certificate.trusting,
            connections=4,
            retry_policy=self.retry_policy,
            monitor=self.monitor,
        )

    def run(
        self,
        *,
        download_url: str | None = None,
        hosts: tuple[str, ...] = ("localhost:*",),
        known: Upload | None = None,
        workers: int = 4,
        max_bytes: int = 1024**4,
    ) -> RawObject | Unfinished:
        try:
            return copy(
                self.download(download_url, hosts),
                self.bucket_client().with_retry_policy(self.retry_policy, overwrite=True),
                key="raw/export.{}".format,
                known=known,
                save_progress=self.saved.append,
                retry_policy=self.retry_policy,
                workers=workers,
                max_bytes=max_bytes,
            )
        except Exception as error:
            assert_no_url_in_error(error)
            raise

    def rejected(self, **options: Any) -> Reason:
        """The reason of a copy that is rejected. Checks that no object is visible."""
        with pytest.raises(Rejected) as caught:
            self.run(**options)
        self.assert_nothing_visible()
        return caught.value.reason

    def assert_stored(self, result: RawObject | Unfinished, expected: Bytes) -> None:
        """The only visible object is ``expected``, byte for byte, and its size and CRC-32 are correct."""
        body = bytes(expected[: len(expected)])
        assert isinstance(result, RawObject)
        assert self.bucket.objects == {result.key: body}
        assert (result.bytes, result.crc32) == (len(body), to_base64(zlib.crc32(body)))
        assert not self.bucket.uploads

    def assert_nothing_visible(self) -> None:
        assert not self.bucket.objects
