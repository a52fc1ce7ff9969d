"""Where contestants meet: the servers, the environment they run in, and one run of one of them."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.contestants.job import Job
from benchmarks.peers import Contestant
from benchmarks.processes import Taken, run
from benchmarks.servers import Loopback, loopback


@dataclass(frozen=True, slots=True)
class Outcome:
    """One copy as its process tells it, or its exit code where it is a program of somebody else."""

    name: str
    seconds: float
    cpu_seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Field:
    """``seed`` decides everything that is left to chance."""

    servers: Loopback
    folder: Path
    seed: int

    def job(self, *names: str) -> Job:
        return Job(self.servers.source.endpoint, self.servers.bucket.endpoint, str(self.servers.certificates), names)

    def run(self, contestant: Contestant, job: Job, *, limit_seconds: float = 300) -> tuple[Taken, list[Outcome]]:
        """Have the job done in a fresh process; one process for each file if it is a program of somebody else."""
        if contestant.module:
            started = contestant.start(job, "")
            taken = run(started, env=self._env(), sent=job.to_text(), limit_seconds=limit_seconds)
            return taken, [Outcome(**json.loads(line)) for line in taken.output.splitlines()]
        outcomes = []
        for name in job.names:
            taken = run(contestant.start(job, name), env=self._env(), limit_seconds=limit_seconds)
            outcomes.append(Outcome(name, taken.seconds, taken.cpu_seconds, "it failed" if taken.failed else None))
        return taken, outcomes

    def _env(self) -> dict[str, str]:
        """No more of our own environment than is needed: no proxy, no profile, no credentials."""
        trusted = str(self.servers.certificates)
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
            "AWS_ENDPOINT_URL_S3": self.servers.bucket.endpoint,
            "AWS_CA_BUNDLE": trusted,
            "REQUESTS_CA_BUNDLE": trusted,
        }


@contextmanager
def opened(seed: int) -> Iterator[Field]:
    with TemporaryDirectory(prefix="discovery-exports-bench-") as name, loopback(Path(name), seed) as servers:
        yield Field(servers, Path(name), seed)


def say(text: str) -> None:
    """Tell of progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)
