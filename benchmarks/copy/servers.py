"""The loopback source and bucket of a bench: told before each run which files there are, and where connections end."""

import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.loopback.bucket import BucketServer, Call
from tests.loopback.content import Content
from tests.loopback.network import Line, Network
from tests.loopback.server import How
from tests.loopback.source import Get, SourceServer, Style


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


class PlannedSource(SourceServer):
    """Serves ``files``; ``moved`` has what it sent of each."""

    def __init__(self, context: ssl.SSLContext, seed: int) -> None:
        super().__init__(context)
        self.always = self._serve
        self._seed = seed

    def plan(self, files: Mapping[str, File], network: Network) -> None:
        self.line = Line(network)
        self.requests.clear()
        self._files = files
        self.moved = {name: Moved(file.source_cuts) for name, file in files.items()}

    def sent(self, exchange: Get, count: int) -> None:
        self.moved[_name(exchange)].add(count)

    def _serve(self, exchange: Get) -> None:
        file = self._files[_name(exchange)]
        exchange.body = Content(self._seed, file.size)
        span = exchange.byte_range() if file.style is Style.RANGES else (0, file.size)
        cut = self.moved[_name(exchange)].cut_in(*span)
        exchange.serve(file.style, until=cut.at if cut else None, how=cut.how if cut else How.LOST)


def _name(exchange: Get) -> str:
    return urlsplit(exchange.path).path.removeprefix("/")


class PlannedBucket(BucketServer):
    """Takes ``files``; begins empty with each plan."""

    def __init__(self, context: ssl.SSLContext, seed: int) -> None:
        super().__init__(context, keeps=False)
        self._seed = seed

    def plan(self, files: Mapping[str, File], network: Network) -> None:
        self.line = Line(network)
        for noted in (self.requests, self.stored, self.uploads):
            noted.clear()
        self._files = files
        self._moved = {name: Moved(file.bucket_cuts) for name, file in files.items()}

    def took(self, call: Call, count: int) -> None:
        moved = self._moved[call.key]
        if cut := moved.cut_in(*moved.add(count)):
            call.cut(cut.how)

    def state(self, name: str) -> str:
        """What became of a file: absent, identical or different."""
        if name not in self.stored:
            return "absent"
        stored, at = self.stored[name], 0
        content = Content(self._seed, self._files[name].size)
        for part in stored.parts:
            if content.crc32(at, at + part.size) != part.crc32:
                return "different"
            at += part.size
        return "identical" if at == len(content) else "different"
