"""Where contestants meet: the servers, the environment they run in, the file on disk, and one run of one of them."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.contestants.job import Job
from benchmarks.loopback.content import Content
from benchmarks.peers import Contestant
from benchmarks.processes import Taken, run
from benchmarks.results import Scenario
from benchmarks.servers import Loopback, loopback

PIECE = 1024 * 1024


def plan(files: Mapping[str, Mapping[str, Any]], network: Scenario | None = None) -> dict[str, Any]:
    """What both servers are told; without a network nothing is slowed down."""
    return {
        "rate": network.rate if network else 0,
        "cap": network.cap if network else 0,
        "latency_seconds": network.latency_seconds if network else 0,
        "files": files,
    }


def file(size: int, style: str = "ranges", cuts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"size": size, "style": style, "cuts": cuts or {}}


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
        return Job(self.servers.link, self.servers.endpoint, str(self.servers.certificates), names)

    def disk(self, size: int) -> Path:
        """A file of the first ``size`` bytes of the source, fresh from memory."""
        path = self.folder / f"{size}.csv"
        if not path.exists():
            with path.open("wb") as disk:
                disk.writelines(Content(self.seed).pieces(0, size, PIECE))
        return path

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
            "AWS_ENDPOINT_URL_S3": self.servers.endpoint,
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


def with_disk(job: Job, path: Path) -> Job:
    return replace(job, on_disk=str(path))
