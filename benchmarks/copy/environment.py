"""Where contestants meet: the servers, the environment they run in, and one run of one of them."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.competitors.job import Job
from benchmarks.copy.competitors import MODULES
from benchmarks.copy.servers import File, PlannedBucket, PlannedSource
from local.stack.certificate import make_certificate
from tests.loopback.network import UNLIMITED, Network
from tests.loopback.server import serving

SEED = 1
"""Decides bytes, cuts and kills."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One copy as its process tells it; see ``benchmarks.measuring.Taken``. ``error`` is empty if it went well."""

    name: str
    error: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    source: PlannedSource
    bucket: PlannedBucket
    certificate: Path
    folder: Path

    def plan(self, files: Mapping[str, File], source: Network = UNLIMITED, bucket: Network = UNLIMITED) -> Job:
        """Begin anew, with an empty bucket; the job that copies the files."""
        self.source.plan(files, source)
        self.bucket.plan(files, bucket)
        return Job(self.source.endpoint, self.bucket.endpoint, str(self.certificate), tuple(files))

    def run(self, competitor: str, job: Job, *, limit_seconds: float = 1200) -> list[Outcome]:
        """Have the job done in a fresh process. Raises TimeoutExpired when it had to be killed at the limit."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.copy.competitor_code", MODULES[competitor]],
            input=job.to_text(),
            env=self._env(),
            stdout=subprocess.PIPE,
            text=True,
            check=False,  # a peer may crash when all is done
            timeout=limit_seconds,
        )
        told = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
        return told + [Outcome(name, "it ended without a word", 0, 0, 0) for name in job.names[len(told) :]]

    def _env(self) -> dict[str, str]:
        """No more of our own environment than is needed: no proxy, no profile, no credentials."""
        trusted = str(self.certificate)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(Path.cwd() / "functions")]),
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": self.bucket.endpoint,
            "AWS_CA_BUNDLE": trusted,
            "REQUESTS_CA_BUNDLE": trusted,
        }


@contextmanager
def opened() -> Iterator[BenchEnvironment]:
    with TemporaryDirectory(prefix="discovery-exports-bench-") as name:
        folder = Path(name)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        make_certificate(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        source, bucket = PlannedSource(context, SEED), PlannedBucket(context, SEED)
        with serving(source), serving(bucket):
            yield BenchEnvironment(source, bucket, certificate, folder)


def say(text: str) -> None:
    """Tell of progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)
