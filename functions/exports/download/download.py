"""A download link as a source of bytes: ranges pinned to one version, over TLS to a checked address, never quoted.

urllib3 (which boto3 brings) quotes host, path and signature in its exceptions, so none of them leaves this module, not
even as the context of another: what is raised here is made after the ``except`` block has ended.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPException
from ssl import SSLCertVerificationError, SSLContext
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from exports.download.connections import Endpoint, connect
from exports.download.throughput import ThroughputMonitor
from exports.download.url_policy import check_url
from exports.errors import ExportsError, Rejected, SourceChanged, SourceError, UrlExpired
from exports.model import Reason
from exports.retry import RetryPolicy

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

CHUNK = 512 * 1024
"""Bytes read at once: less costs more changes between threads than it saves memory."""
HEAD = 64 * 1024
"""Bytes that the first look reads: enough to tell what they are, and the whole of most small exports."""
MAX_REFRESHES = 2
"""How often a link that has expired is asked for anew before the call gives up."""

EXPIRED = frozenset({400, 401, 403})
"""S3 answers 403 to a signature that has expired, and 400 (ExpiredToken) when its signer's session has."""
GONE = frozenset({404, 410})
NO_SUCH_RANGE = 416
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class SourceBusy(SourceError):
    """The source asked to be left alone for ``retry_after`` seconds, 0 when it did not say."""

    def __init__(self, status: int, retry_after: float) -> None:
        super().__init__(f"the source answered {status}")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Probe:
    """What a first look at the source told. ``etag`` is empty when there is none that can pin a version.

    ``head`` holds its first bytes, all of them when ``size`` says so.
    """

    size: int | None
    etag: str
    ranges: bool
    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FullBody:
    """The body of a source that is read from end to end. ``self_delimiting``: chunked, so that a cut cannot pass for the end."""

    size: int | None
    self_delimiting: bool
    chunks: Iterator[bytes] = field(repr=False)


class Download:
    """The bytes behind a link. Threads may read from it at once; all go on with the new link once one has renewed it.

    ``refresh_url`` describes the export again and returns a fresh link, or None when there is none; it is called at most
    twice. ``retry_policy`` bounds retries and holds the time left, after which reads raise OutOfTime. Reads raise
    SourceError or one of its kinds for what may pass, Rejected for what will not.
    """

    def __init__(
        self,
        download_url: str,
        *,
        refresh_url: Callable[[], str | None],
        hosts: Iterable[str],
        context: SSLContext,
        retry_policy: RetryPolicy | None = None,
        connections: int,
        monitor: Callable[[], ThroughputMonitor] | None = None,
    ) -> None:
        self._fetch_url = refresh_url
        self._hosts = tuple(hosts)
        self._retry_policy = retry_policy or RetryPolicy()
        self._open_pool = partial(
            connect,
            context=context,
            connections=connections,
            monitor=monitor or partial(ThroughputMonitor, self._retry_policy.time_left),
        )
        self._lock = threading.Lock()
        self._refreshes = 0
        self._endpoint = self._endpoint_for(download_url)

    def probe(self) -> Probe:
        """Size, version and first bytes, by a small ranged GET: a presigned GET refuses HEAD and checksum headers."""
        return self._retry_policy.run(self._probe)

    def read(self, first: int, last: int, etag: str) -> Iterator[bytes]:
        """Bytes ``first`` to ``last`` (inclusive) of the version ``etag``, once; ends early only by an error."""
        with self._get({"Range": f"bytes={first}-{last}", "If-Match": etag}) as answer:
            if answer.status == NO_SUCH_RANGE or answer.headers.get("ETag") != etag:
                raise SourceChanged("the source is another one now")
            if _content_range(answer)[:2] != (first, last):
                raise SourceError("the source did not answer with the range that was asked for")
            yield from _chunks(answer, last - first + 1)

    @contextmanager
    def whole(self) -> Iterator[FullBody]:
        """All bytes in one stream, for a source that cannot do ranges; a length that it gave is held to."""
        with self._get({}) as answer:
            if answer.status != 200:
                raise SourceError(f"the source answered {answer.status}")
            size = _length(answer)
            self_delimiting = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
            yield FullBody(size, self_delimiting, _chunks(answer, size))

    def _probe(self) -> Probe:
        with self._get({"Range": f"bytes=0-{HEAD - 1}"}) as answer:
            if answer.status == NO_SUCH_RANGE:
                return Probe(0, "", ranges=True, head=b"")
            ranges = answer.status == 206
            first, last, size = _content_range(answer) if ranges else (0, None, _length(answer))
            if first != 0 or (ranges and size is not None and last != min(size, HEAD) - 1):
                raise SourceError("the source did not answer with the range that was asked for")
            etag = _strong(answer.headers.get("ETag", ""))
            wanted = HEAD if size is None else min(size, HEAD)
            head = b"".join(_chunks(answer, wanted, exactly=size is not None))
            return Probe(size, etag, ranges and bool(etag) and size is not None, head)

    @contextmanager
    def _get(self, headers: Mapping[str, str]) -> Iterator["BaseHTTPResponse"]:
        answer = self._open(headers)
        try:
            yield answer
        finally:
            answer.close()

    def _open(self, headers: Mapping[str, str]) -> "BaseHTTPResponse":
        while True:
            endpoint = self._endpoint
            answer = _send(endpoint, headers)
            failure = _failure(answer)
            if failure is None:
                return answer
            answer.close()
            if not isinstance(failure, UrlExpired):
                raise failure
            self._refresh_url(endpoint, failure)

    def _refresh_url(self, stale: Endpoint, failure: UrlExpired) -> None:
        with self._lock:
            if self._endpoint is not stale:
                return
            if self._refreshes >= MAX_REFRESHES:
                raise failure
            self._refreshes += 1
            url = self._fetch_url()
            if not url:
                raise failure
            self._endpoint = self._endpoint_for(url)

    def _endpoint_for(self, url: str) -> Endpoint:
        return self._open_pool(check_url(url, self._hosts))


def _send(endpoint: Endpoint, headers: Mapping[str, str]) -> "BaseHTTPResponse":
    try:
        return endpoint.get(headers)
    except (HTTPError, HTTPException, OSError) as error:
        failure = _translate(error)
    raise failure


def _chunks(answer: "BaseHTTPResponse", wanted: int | None, *, exactly: bool = True) -> Iterator[bytes]:
    """``wanted`` bytes of the body, or all of it; an end before that is an error unless ``exactly`` is False."""
    left = wanted
    while left is None or left > 0:
        chunk = _receive(answer, CHUNK if left is None else min(CHUNK, left))
        if not chunk:
            if left and exactly:
                raise SourceError("the source ended too early")
            return
        left = None if left is None else left - len(chunk)
        yield chunk


def _receive(answer: "BaseHTTPResponse", most: int) -> bytes:
    try:
        return answer.read(most, decode_content=False)
    except (HTTPError, HTTPException, OSError) as error:
        failure = _translate(error)
    raise failure


def _translate(error: Exception) -> ExportsError:
    """What ``error`` amounts to, without its text."""
    causes = [error, *error.args, error.__cause__, error.__context__]
    if any(isinstance(cause, SSLCertVerificationError) for cause in causes):
        return Rejected(Reason.URL_REFUSED, "the host of the link has no certificate that is trusted")
    return SourceError(f"the connection to the source failed ({type(error).__name__})")


def _failure(answer: "BaseHTTPResponse") -> ExportsError | None:
    """The error that the status stands for; None when there is a body to read, or none to be had (416)."""
    status = answer.status
    if status in (200, 206, NO_SUCH_RANGE):
        return None
    if status in EXPIRED:
        return UrlExpired(f"the link no longer opens ({status})")
    if status in GONE:
        return Rejected(Reason.GONE, f"the source answered {status}")
    if status == 412:
        return SourceChanged("the source is another one now")
    if 300 <= status < 400:
        return Rejected(Reason.URL_REFUSED, "the link redirects, which is never followed")
    return SourceBusy(status, parse_retry_after(answer.headers.get("Retry-After", ""), datetime.now(UTC)))


def parse_retry_after(value: str, now: datetime) -> float:
    """Seconds that a Retry-After header asks for, a number or a date; 0 for anything else."""
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def _content_range(answer: "BaseHTTPResponse") -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and size that the Content-Range header names, each None where it does not."""
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if found is None:
        return None, None, None
    first, last, size = (int(each) if each and each != "*" else None for each in found.groups())
    return first, last, size


def _length(answer: "BaseHTTPResponse") -> int | None:
    """The length of the body as declared; None for a chunked one or when nothing is said."""
    if "chunked" in answer.headers.get("Transfer-Encoding", "").lower():
        return None
    value = answer.headers.get("Content-Length", "").strip()
    return int(value) if value.isascii() and value.isdecimal() else None


def _strong(etag: str) -> str:
    """The ETag, or nothing for a weak one: If-Match never matches those."""
    return "" if etag.startswith("W/") else etag
