"""The environment of the copy benchmarks: the servers, and runs of competitors in processes of their own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.copy.competitor_code.job import Job
from benchmarks.copy.competitors import MODULES
from benchmarks.copy.servers import File, PlannedBucket, PlannedSource
from benchmarks.loopback import Loopback, loopback
from benchmarks.processes import Outcome, run_job
from tests.loopback.network import UNLIMITED, Network
from tests.loopback.server import serving

SEED = 1
"""The seed of file contents, cuts and kills."""


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    source: PlannedSource
    bucket: PlannedBucket
    loopback: Loopback

    @property
    def folder(self) -> Path:
        return self.loopback.folder

    def reset(self, files: Mapping[str, File], source: Network = UNLIMITED, bucket: Network = UNLIMITED) -> Job:
        """Empty the bucket, serve these files, and return the job that copies them."""
        self.source.plan(files, source)
        self.bucket.plan(files, bucket)
        return Job(tuple(files), self.source.endpoint, self.bucket.endpoint, str(self.loopback.certificate))

    def run(self, competitor: str, job: Job, *, limit_seconds: float = 1200) -> list[Outcome]:
        """Run the job in a new process. Raises TimeoutExpired if the process was killed at the limit."""
        env = self.loopback.env(self.bucket.endpoint)
        package = "benchmarks.copy.competitor_code"
        return run_job(package, MODULES[competitor], job, env, limit_seconds=limit_seconds)


@contextmanager
def bench_environment() -> Iterator[BenchEnvironment]:
    with loopback() as shared:
        source, bucket = PlannedSource(shared.context, SEED), PlannedBucket(shared.context, SEED)
        with serving(source), serving(bucket):
            yield BenchEnvironment(source, bucket, shared)
