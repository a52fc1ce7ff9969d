"""Reads byte ranges of one version of the file at a download URL, over TLS, and never quotes the URL.

The exceptions of urllib3 (a dependency of boto3) quote host, path and signature, so none leaves this module, not even
as the context of another one: the error to raise is created and raised after the ``except`` block has ended.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPException
from ssl import SSLCertVerificationError, SSLContext
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from exports.download.connections import Endpoint, connect
from exports.download.throughput import ThroughputMonitor
from exports.download.url_policy import check_url
from exports.errors import (
    ExportsError,
    NonRetryableError,
    Rejected,
    SourceChanged,
    SourceDenied,
    SourceError,
    UrlExpired,
)
from exports.model import Reason
from exports.retry import RetryPolicy

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

CHUNK = 512 * 1024
"""Bytes per read. A smaller value costs more in thread switches than it saves in memory."""
HEAD = 64 * 1024
"""Bytes that the probe reads: enough to detect the format, and the whole file for most small exports."""
MAX_REFRESHES = 2
"""How often an expired or denied URL is replaced by a new one before the download fails."""

DENIED = frozenset({400, 401, 403})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
"""S3's codes for a URL whose signer's session has expired, usually with the status 400."""
SIGNATURE_EXPIRED = ("AccessDenied", "Request has expired")
"""S3's code and message for a URL whose signature has expired, with the status 403."""
MAX_ERROR_BYTES = 8 * 1024
"""Bytes that are read of an error document. It may quote the URL, so only its code is used in messages."""
GONE = frozenset({404, 410})
TEMPORARY_REDIRECTS = frozenset({302, 307})
"""S3 sends 307 until all of its DNS servers know a new bucket.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
"""
RANGE_NOT_SATISFIABLE = 416
MAX_RETRY_AFTER = 1e9
"""Seconds. Limits a huge value so that Python can compute with it."""
_ERROR_MEMBERS = (re.compile(rb"<Code>([A-Za-z.]{1,50})</Code>"), re.compile(rb"<Message>([ -;=-~]{1,200})</Message>"))
# A number of more digits is no size or time, and takes Python long to read or is refused by it.
_NUMBER = "[0-9]{1,15}"
_CONTENT_RANGE = re.compile(rf"bytes (?:({_NUMBER})-({_NUMBER})|\*)/({_NUMBER}|\*)")
_ETAG = re.compile("[!-~]{1,200}")


class SourceBusy(SourceError):
    """The source is busy and asked for a delay of ``retry_after`` seconds, 0 if it named none."""

    def __init__(self, status: int, retry_after: float) -> None:
        super().__init__(f"the source answered {status}")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Probe:
    """What the first request to the source returned. ``etag`` is empty if the source has none that pins a version.

    ``head`` holds the first bytes: the whole file if ``size`` equals its length.
    """

    size: int | None
    etag: str
    ranges: bool
    head: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FullBody:
    """A body that is read from start to end. ``self_delimiting``: it is chunked, so truncation is detected."""

    size: int | None
    self_delimiting: bool
    chunks: Iterator[bytes] = field(repr=False)


class Download:
    """The file at a download URL. Several threads may read at the same time; a new URL is requested once for all.

    ``refresh_url`` describes the export again and returns a new URL, or None if there is none. It is called at most
    twice. ``retry_policy`` limits retries and holds the time left, after which reads raise OutOfTime. Reads raise
    SourceError or a subclass if a retry may succeed, and Rejected if it cannot.
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
        """Size, version and first bytes, from a small ranged GET: a presigned GET rejects HEAD and checksum headers."""
        return self._retry_policy.run(self._probe)

    def read(self, first: int, last: int, etag: str) -> Iterator[bytes]:
        """Bytes ``first`` to ``last`` (inclusive) of the version ``etag``: one attempt, all of them or an error."""
        with self._get({"Range": f"bytes={first}-{last}", "If-Match": etag}) as response:
            if response.status == RANGE_NOT_SATISFIABLE or response.headers.get("ETag") != etag:
                raise SourceChanged("the source has changed")
            if _content_range(response)[:2] != (first, last):
                raise SourceError("the source did not return the requested range")
            yield from _chunks(response, last - first + 1)

    @contextmanager
    def full_body(self) -> Iterator[FullBody]:
        """All bytes in one stream, for a source without ranges. A body shorter than its declared length is an error."""
        with self._get({}) as response:
            if response.status != 200:
                raise SourceError(f"the source answered {response.status}")
            size = _length(response)
            yield FullBody(size, _is_chunked(response), _chunks(response, size))

    def _probe(self) -> Probe:
        with self._get({"Range": f"bytes=0-{HEAD - 1}"}) as response:
            if response.status == RANGE_NOT_SATISFIABLE:
                return Probe(0, "", ranges=True, head=b"")
            ranges = response.status == 206
            first, last, size = _content_range(response) if ranges else (0, None, _length(response))
            if first != 0 or (ranges and size is not None and last != min(size, HEAD) - 1):
                raise SourceError("the source did not return the requested range")
            etag = _strong_etag(response.headers.get("ETag", ""))
            wanted = HEAD if size is None else min(size, HEAD)
            head = b"".join(_chunks(response, wanted, exactly=size is not None))
            return Probe(size, etag, ranges and bool(etag) and size is not None, head)

    @contextmanager
    def _get(self, headers: Mapping[str, str]) -> Iterator["BaseHTTPResponse"]:
        response = self._open(headers)
        try:
            yield response
        finally:
            response.close()

    def _open(self, headers: Mapping[str, str]) -> "BaseHTTPResponse":
        while True:
            endpoint = self._endpoint
            response = _send(endpoint, headers)
            try:
                failure = _failure(response)
            except ExportsError:
                response.close()
                raise
            if failure is None:
                return response
            response.close()
            if not isinstance(failure, UrlExpired | SourceDenied):
                raise failure
            self._refresh_url(endpoint, failure)

    def _refresh_url(self, stale: Endpoint, failure: ExportsError) -> None:
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
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        failure = _translate(error)
    raise failure


def _chunks(response: "BaseHTTPResponse", wanted: int | None, *, exactly: bool = True) -> Iterator[bytes]:
    """``wanted`` bytes of the body, or all of it if None. An earlier end is an error unless ``exactly`` is False."""
    left = wanted
    while left is None or left > 0:
        chunk = _receive(response, CHUNK if left is None else min(CHUNK, left))
        if not chunk:
            if left and exactly:
                raise SourceError("the source ended too early")
            return
        left = None if left is None else left - len(chunk)
        yield chunk


def _receive(response: "BaseHTTPResponse", max_bytes: int) -> bytes:
    try:
        return response.read(max_bytes, decode_content=False)
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        failure = _translate(error)
    raise failure


def _translate(error: Exception) -> ExportsError:
    """The error of this project for ``error``, without its text."""
    causes = [error, *error.args, error.__cause__, error.__context__]
    if any(isinstance(cause, SSLCertVerificationError) for cause in causes):
        return Rejected(Reason.URL_REFUSED, "the host of the download URL has no trusted certificate")
    return SourceError(f"the connection to the source failed ({type(error).__name__})")


def _failure(response: "BaseHTTPResponse") -> ExportsError | None:
    """The error for the status; None for 200 and 206, and for 416, which has no body to read."""
    status = response.status
    if status in (200, 206, RANGE_NOT_SATISFIABLE):
        return None
    if status in DENIED:
        return _denied(response)
    if status in GONE:
        return Rejected(Reason.GONE, f"the source answered {status}")
    if status == 412:
        return SourceChanged("the source has changed")
    if 300 <= status < 400 and status not in TEMPORARY_REDIRECTS:
        return Rejected(Reason.URL_REFUSED, "the download URL redirects, and redirects are not followed")
    return SourceBusy(status, parse_retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC)))


def _denied(response: "BaseHTTPResponse") -> ExportsError:
    """The error for a 400, 401 or 403, by S3's error document.

    The policy of a VPC endpoint that the functions use denies access with the same code, and says so in the message.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    document = _receive(response, MAX_ERROR_BYTES)
    code, message = (found[1].decode() if (found := member.search(document)) else "" for member in _ERROR_MEMBERS)
    if code in EXPIRED or (code, message) == SIGNATURE_EXPIRED:
        return UrlExpired(f"the download URL is no longer valid ({response.status} {code})")
    if code == "AccessDenied" and b"VPC endpoint policy" in document:
        return NonRetryableError(code)
    if code == "AccessDenied":
        return SourceDenied(f"access to the source is denied ({response.status} {code})")
    return SourceError(f"the source answered {response.status} {code}".strip())


def parse_retry_after(value: str, now: datetime) -> float:
    """Seconds of a Retry-After header, which is a number or a date as S3 writes it; 0 for any other value."""
    value = value.strip()
    if re.fullmatch(_NUMBER, value):
        return min(float(value), MAX_RETRY_AFTER)
    try:
        date = datetime.strptime(value, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return min(max(0.0, (date - now).total_seconds()), MAX_RETRY_AFTER)


def _content_range(response: "BaseHTTPResponse") -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and size from the Content-Range header; each None if it is absent."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None:
        return None, None, None
    first, last, size = (int(each) if each and each != "*" else None for each in found.groups())
    return first, last, size


def _length(response: "BaseHTTPResponse") -> int | None:
    """The declared length of the body; None for a chunked body or if no length is declared."""
    value = response.headers.get("Content-Length", "").strip()
    if not value or _is_chunked(response):
        return None
    if not re.fullmatch(_NUMBER, value):
        raise SourceError("the source declared a length that is no number")
    return int(value)


def _is_chunked(response: "BaseHTTPResponse") -> bool:
    """Whether http.client reads the body as chunked: with any other value, it reads until the connection closes."""
    return response.headers.get("Transfer-Encoding", "").lower() == "chunked"


def _strong_etag(etag: str) -> str:
    """The ETag; empty for a weak one, which If-Match never matches, and for text that is none."""
    return etag if _ETAG.fullmatch(etag) and not etag.startswith("W/") else ""
