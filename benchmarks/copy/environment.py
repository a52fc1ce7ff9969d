"""The environment of the copy benchmarks: the servers, and runs of competitors in processes of their own."""

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

from benchmarks.copy.competitor_code.job import Job
from benchmarks.copy.competitors import MODULES
from benchmarks.copy.servers import File, PlannedBucket, PlannedSource
from local.stack.certificate import make_certificate
from tests.loopback.network import UNLIMITED, Network
from tests.loopback.server import serving

SEED = 1
"""The seed of file contents, cuts and kills."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One copy as reported by its process; see ``benchmarks.measuring.Usage``. ``error`` is empty after a success."""

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

    def reset(self, files: Mapping[str, File], source: Network = UNLIMITED, bucket: Network = UNLIMITED) -> Job:
        """Empty the bucket, serve these files, and return the job that copies them."""
        self.source.plan(files, source)
        self.bucket.plan(files, bucket)
        return Job(self.source.endpoint, self.bucket.endpoint, str(self.certificate), tuple(files))

    def run(self, competitor: str, job: Job, *, limit_seconds: float = 1200) -> list[Outcome]:
        """Run the job in a new process. Raises TimeoutExpired if the process was killed at the limit."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.copy.competitor_code", MODULES[competitor]],
            input=job.to_text(),
            env=self._env(),
            stdout=subprocess.PIPE,
            text=True,
            check=False,  # a competitor may crash after its last copy
            timeout=limit_seconds,
        )
        outcomes = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
        return outcomes + [Outcome(name, "no result", 0, 0, 0) for name in job.names[len(outcomes) :]]

    def _env(self) -> dict[str, str]:
        """Only what is needed: no proxy, profile or credentials of the caller."""
        certificates = str(self.certificate)
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
            "AWS_CA_BUNDLE": certificates,
            "REQUESTS_CA_BUNDLE": certificates,
        }


@contextmanager
def bench_environment() -> Iterator[BenchEnvironment]:
    with TemporaryDirectory(prefix="discovery-exports-bench-") as name:
        folder = Path(name)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        make_certificate(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        source, bucket = PlannedSource(context, SEED), PlannedBucket(context, SEED)
        with serving(source), serving(bucket):
            yield BenchEnvironment(source, bucket, certificate, folder)


def log(text: str) -> None:
    """Print progress to stderr, separate from the tables."""
    print(text, file=sys.stderr, flush=True)
