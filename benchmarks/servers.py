"""The two loopback servers of a bench, a process each: told before each run what to be like, gone when it ends."""

import multiprocessing
import signal
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from local.certificate import make_certificate
from tests.loopback.bucket import Bucket, Call
from tests.loopback.content import Content
from tests.loopback.network import UNLIMITED, Line, Network
from tests.loopback.server import How, serving
from tests.loopback.source import Get, Source, Style


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """After byte ``at`` the connection ends. A lasting one happens each time, others once."""

    at: int
    how: How
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """What is to be copied: cuts of the source by the place in the file, those of the bucket by bytes received."""

    size: int
    style: Style = Style.RANGES
    source_cuts: tuple[Cut, ...] = ()
    bucket_cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to copy, by name, and the network on either side."""

    files: Mapping[str, File]
    source: Network = UNLIMITED
    bucket: Network = UNLIMITED


class Moved:
    """The bytes of one file that went over the wire, those that went twice too, and the cuts that are to come."""

    def __init__(self, cuts: Iterable[Cut]) -> None:
        self.bytes = 0
        self._cuts = sorted(cuts)
        self._lock = threading.Lock()

    def add(self, count: int) -> tuple[int, int]:
        """Count so many; where they begin and end among all."""
        with self._lock:
            self.bytes += count
            return self.bytes - count, self.bytes

    def cut_in(self, first: int, end: int) -> Cut | None:
        """The first cut from ``first`` up to ``end``; nobody else gets it, unless it lasts."""
        with self._lock:
            cut = next((cut for cut in self._cuts if first <= cut.at < end), None)
            if cut and not cut.lasting:
                self._cuts.remove(cut)
        return cut


class PlannedSource(Source):
    """Serves the files of a plan, and tells how many bytes of each it sent."""

    def __init__(self, context: ssl.SSLContext, seed: int) -> None:
        super().__init__(context)
        self.always = self._serve
        self._seed = seed

    def take_up(self, plan: Plan) -> None:
        self.line = Line(plan.source)
        self._files = plan.files
        self._moved = {name: Moved(file.source_cuts) for name, file in plan.files.items()}

    def tell(self) -> dict[str, int]:
        return {name: moved.bytes for name, moved in self._moved.items()}

    def sent(self, exchange: Get, count: int) -> None:
        self._moved[_name(exchange)].add(count)

    def _serve(self, exchange: Get) -> None:
        file = self._files[_name(exchange)]
        exchange.body = Content(self._seed, file.size)
        span = exchange.span() if file.style is Style.RANGES else (0, file.size)
        cut = self._moved[_name(exchange)].cut_in(*span)
        exchange.serve(file.style, until=cut.at if cut else None, how=cut.how if cut else How.LOST)


def _name(exchange: Get) -> str:
    return urlsplit(exchange.path).path.removeprefix("/")


class PlannedBucket(Bucket):
    """Takes the files of a plan, and tells what became of each, and how many uploads of it are open."""

    def __init__(self, context: ssl.SSLContext, seed: int) -> None:
        super().__init__(context, keeps=False)
        self._seed = seed

    def take_up(self, plan: Plan) -> None:
        self.line = Line(plan.bucket)
        self.stored.clear()
        self.uploads.clear()
        self._files = plan.files
        self._moved = {name: Moved(file.bucket_cuts) for name, file in plan.files.items()}

    def tell(self) -> dict[str, tuple[str, int]]:
        return {name: (self._state(name, file.size), self._open(name)) for name, file in self._files.items()}

    def took(self, call: Call, count: int) -> None:
        moved = self._moved[call.key]
        if cut := moved.cut_in(*moved.add(count)):
            call.cut(cut.how)

    def _open(self, key: str) -> int:
        return sum(upload.key == key for upload in self.uploads.values())

    def _state(self, key: str, size: int) -> str:
        if key not in self.stored:
            return "absent"
        content, at = Content(self._seed, size), 0
        for part in self.stored[key].parts:
            if content.crc32(at, at + part.size) != part.crc32:
                return "different"
            at += part.size
        return "identical" if at == size else "different"


def _run(kind: type[PlannedSource | PlannedBucket], pipe: Connection, certificate: Path, key: Path, seed: int) -> None:
    """Serve, and answer each plan, or None, which asks what happened, until the other end of ``pipe`` is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted driver ends it in good order
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = kind(context, seed)
    with serving(server), suppress(EOFError):
        pipe.send(server.endpoint)
        while True:
            plan = pipe.recv()
            pipe.send(server.take_up(plan) if plan else server.tell())


class Remote:
    """A server in a process of its own, which ends when we do."""

    def __init__(self, kind: type[PlannedSource | PlannedBucket], certificate: Path, key: Path, seed: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_run, args=(kind, theirs, certificate, key, seed))
        self._process.start()
        theirs.close()
        self.endpoint: str = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join()

    def ask(self, plan: Plan | None = None) -> Any:
        """What it tells, or nothing once it has taken up ``plan``."""
        self._pipe.send(plan)
        return self._pipe.recv()


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one file: bytes ``sent``, what became of it (absent, identical, different), and its uploads left ``open``."""

    sent: int
    state: str
    open: int


@dataclass(frozen=True, slots=True)
class Loopback:
    source: Remote
    bucket: Remote
    certificates: Path

    def plan(self, plan: Plan) -> None:
        """Begin anew, with an empty bucket."""
        self.source.ask(plan)
        self.bucket.ask(plan)

    def seen(self) -> dict[str, Seen]:
        sent, bucket = self.source.ask(), self.bucket.ask()
        return {name: Seen(sent[name], *bucket[name]) for name in sent}


@contextmanager
def loopback(folder: Path, seed: int) -> Iterator[Loopback]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    make_certificate(certificate, key)
    with ExitStack() as stack:
        source, bucket = (
            stack.enter_context(Remote(kind, certificate, key, seed)) for kind in (PlannedSource, PlannedBucket)
        )
        yield Loopback(source, bucket, certificate)
