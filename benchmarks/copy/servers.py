"""The loopback source and bucket of a benchmark. Before each run they get the files and the cuts of connections."""

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
    """The connection ends after byte ``at``: each time if ``lasting``, otherwise once."""

    at: int
    how: How
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file to copy. Source cuts are positions in the file, bucket cuts are numbers of bytes received."""

    size: int
    style: Style = Style.RANGES
    source_cuts: tuple[Cut, ...] = ()
    bucket_cuts: tuple[Cut, ...] = ()


class Transferred:
    """The bytes of one file that were transferred, repeated ones included, and the cuts that are left."""

    def __init__(self, cuts: Iterable[Cut]) -> None:
        self.bytes = 0
        self._cuts = sorted(cuts)
        self._lock = threading.Lock()

    def add(self, count: int) -> tuple[int, int]:
        """Count bytes. Returns the total before and after."""
        with self._lock:
            self.bytes += count
            return self.bytes - count, self.bytes

    def cut_in(self, first: int, end: int) -> Cut | None:
        """Return the first cut from ``first`` up to ``end``, and remove it unless it is lasting."""
        with self._lock:
            cut = next((cut for cut in self._cuts if first <= cut.at < end), None)
            if cut and not cut.lasting:
                self._cuts.remove(cut)
        return cut


class PlannedSource(SourceServer):
    """Serves ``files``. ``transferred`` counts the bytes that it sent of each."""

    def __init__(self, context: ssl.SSLContext, seed: int) -> None:
        super().__init__(context)
        self.always = self._serve
        self._seed = seed

    def plan(self, files: Mapping[str, File], network: Network) -> None:
        self.line = Line(network)
        self.requests.clear()
        self._files = files
        self.transferred = {name: Transferred(file.source_cuts) for name, file in files.items()}

    def sent(self, exchange: Get, count: int) -> None:
        self.transferred[_name(exchange)].add(count)

    def _serve(self, exchange: Get) -> None:
        file = self._files[_name(exchange)]
        exchange.body = Content(self._seed, file.size)
        span = exchange.byte_range() if file.style is Style.RANGES else (0, file.size)
        cut = self.transferred[_name(exchange)].cut_in(*span)
        exchange.serve(file.style, until=cut.at if cut else None, how=cut.how if cut else How.LOST)


def _name(exchange: Get) -> str:
    return urlsplit(exchange.path).path.removeprefix("/")


class PlannedBucket(BucketServer):
    """Stores ``files``. ``plan`` empties it."""

    def __init__(self, context: ssl.SSLContext, seed: int) -> None:
        super().__init__(context, keeps=False)
        self._seed = seed

    def plan(self, files: Mapping[str, File], network: Network) -> None:
        self.line = Line(network)
        for record in (self.requests, self.stored, self.uploads):
            record.clear()
        self._files = files
        self._transferred = {name: Transferred(file.bucket_cuts) for name, file in files.items()}

    def took(self, call: Call, count: int) -> None:
        transferred = self._transferred[call.key]
        if cut := transferred.cut_in(*transferred.add(count)):
            call.cut(cut.how)

    def state(self, name: str) -> str:
        """The state of a file: absent, identical or different."""
        if name not in self.stored:
            return "absent"
        stored, at = self.stored[name], 0
        content = Content(self._seed, self._files[name].size)
        for part in stored.parts:
            if content.crc32(at, at + part.size) != part.crc32:
                return "different"
            at += part.size
        return "identical" if at == len(content) else "different"
