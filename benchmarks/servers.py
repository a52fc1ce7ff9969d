"""The two loopback servers of a bench: started once, told before each run what to be like, gone when it ends."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from local.certificate import make_certificate


class Server:
    """A server in a process of its own. It ends when its stdin does, so also when the driver is killed."""

    def __init__(self, kind: str, seed: int, certificate: Path, key: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.loopback", kind, str(seed), certificate, key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # an interrupted driver ends it in good order
        )
        self.port = int(self._heard()["port"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, document: object) -> dict[str, Any]:
        """The server's answer to a plan, or to None, which asks what happened."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(document) + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout
        heard: dict[str, Any] = json.loads(self._process.stdout.readline())
        return heard


@dataclass(frozen=True, slots=True)
class Loopback:
    source: Server
    bucket: Server
    certificates: Path

    @property
    def link(self) -> str:
        return f"https://localhost:{self.source.port}/source"

    @property
    def endpoint(self) -> str:
        return f"https://localhost:{self.bucket.port}"

    @property
    def pids(self) -> list[int]:
        return [self.source.pid, self.bucket.pid]

    def plan(self, plan: Mapping[str, Any]) -> None:
        """Begin anew: an empty bucket, and the files and the network of ``plan``."""
        self.source.say(plan)
        self.bucket.say(plan)

    def told(self) -> dict[str, dict[str, Any]]:
        """Of each file: ``state`` (absent, identical, different), bytes ``sent`` and ``received``, ``open`` uploads."""
        bucket = self.bucket.say(None)
        return {name: sent | bucket[name] for name, sent in self.source.say(None).items()}


@contextmanager
def loopback(folder: Path, seed: int) -> Iterator[Loopback]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make_certificate(certificate, key)
    with ExitStack() as stack:
        source, bucket = (stack.enter_context(Server(kind, seed, certificate, key)) for kind in ("source", "bucket"))
        yield Loopback(source, bucket, certificate)
