"""Exports in memory, for tests without an S3.

The answers are those of S3. The URLs expire by the clock of the double.
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from urllib.parse import parse_qsl, unquote, urlsplit

from .data.archive import write_export
from .data.data_center import DataCenter
from .downloads import Answer, UrlSigner
from .tasks import Clock, Task

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_XML = {"Content-Type": "application/xml"}


class ExportMemory:
    """Generates each export at its first download, and keeps it."""

    def __init__(self, signer: UrlSigner, data_center: DataCenter, clock: Clock) -> None:
        self._signer = signer
        self._data_center = data_center
        self._clock = clock
        self._expires_at: dict[object, float] = {}
        self._files: dict[str, bytes] = {}
        self.export_of = signer.export_of

    def download_url(self, task: Task, marker: str) -> str:
        url = self._signer.download_url(task, marker)
        self._expires_at[_identity(url)] = self._clock() + task.scenario.url_lifetime_seconds
        return url

    def generate_async(self, task: Task, marker: str) -> None:
        """Large exports are generated at their download, too."""
        task.made.set()

    @contextmanager
    def answer(self, method: str, target: str, headers: Mapping[str, str], *, task: Task, key: str) -> Iterator[Answer]:
        expires_at = self._expires_at.get(_identity(target))
        if method != "GET" or expires_at is None:
            yield _refusal(403, "SignatureDoesNotMatch", "The signature does not match")
        elif self._clock() >= expires_at:
            yield _refusal(403, "AccessDenied", "Request has expired")
        else:
            yield _found(self._file(task, key), headers)

    def close(self) -> None:
        self._files.clear()
        self._expires_at.clear()

    def _file(self, task: Task, key: str) -> bytes:
        with task.making:
            if key not in task.made_keys:
                target = io.BytesIO()
                write_export(self._data_center, task.contents, target)
                self._files[key] = target.getvalue()
                task.made_keys.add(key)
            return self._files[key]


def _identity(url: str) -> object:
    """What two forms of the same URL have in common: some clients encode it once more in their own way."""
    parts = urlsplit(url)
    return unquote(parts.path), tuple(sorted(parse_qsl(parts.query)))


def _found(data: bytes, headers: Mapping[str, str]) -> Answer:
    etag = f'"{sha256(data).hexdigest()[:32]}"'
    lower = {name.lower(): value for name, value in headers.items()}
    if lower.get("if-match", etag) not in (etag, "*"):
        return _refusal(412, "PreconditionFailed", "At least one of the preconditions did not hold")
    about = {"Content-Type": "application/zip", "ETag": etag, "Accept-Ranges": "bytes"}
    requested = _RANGE.fullmatch(lower.get("range", ""))
    if not requested or not any(requested.groups()):
        return Answer(200, about | {"Content-Length": str(len(data))}, [data])
    first, last = _bounds(requested[1], requested[2], len(data))
    if first > last:
        return _refusal(416, "InvalidRange", "The requested range is not satisfiable")
    part = data[first : last + 1]
    about |= {"Content-Length": str(len(part)), "Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return Answer(206, about, [part])


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last byte of a range: ``3-5``, ``3-`` or ``-5``, which means the last five."""
    if not first:
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _refusal(status: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, _XML | {"Content-Length": str(len(body))}, [body.encode()])
