"""Where the files of exports are, what their download URLs look like, and what a download returns."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .data.archive import EXTENSIONS
from .tasks import Task

ACCOUNT = "210987654321"
BUCKET = "application-discovery-exports"
REGION = "us-east-1"
SECRET = "test"  # noqa: S105
"""The secret of MiniStack's root keys, unless it is started with another."""


class DownloadFailed(Exception):
    """The file cannot be made or read. The message has no URL."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a download. Reading its body may raise `DownloadFailed`."""

    status: int
    headers: Mapping[str, str]
    body: Iterable[bytes]


class Place(Protocol):
    """Keeps the files of exports."""

    def download_url(self, task: Task, marker: str) -> str:
        """A new URL, valid from now on."""

    def export_of(self, target: str) -> tuple[str, str] | None:
        """The export id and the key in the path of a request, or None for any other path."""

    def generate_async(self, task: Task, marker: str) -> None:
        """Generate a large export in the background. It is in progress until then."""

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], *, task: Task, key: str
    ) -> AbstractContextManager[Answer]:
        """The response to a request for the export at the key. Raises `DownloadFailed`."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Signs download URLs of a bucket of the service, for the host of the double, which counts the requests."""

    origin: str
    account: str = ACCOUNT
    bucket: str = BUCKET
    region: str = REGION
    secret: str = SECRET
    """The secret of the access key ``account``: to MiniStack, a number of 12 digits is the key of that account."""

    def download_url(self, task: Task, marker: str) -> str:
        """Return a new URL, valid from now on. Its signature covers the marker in the path and in a parameter.

        Same result as ``generate_presigned_url``, in a third of the time: a page has a hundred URLs.
        """
        request = AWSRequest(
            "GET",
            self.origin + quote(f"/{self.bucket}/{key_of(task, marker)}"),
            params={"response-content-disposition": f'attachment; filename="{marker}.zip"'},
        )
        credentials = Credentials(self.account, self.secret)
        S3SigV4QueryAuth(credentials, "s3", self.region, expires=task.scenario.url_lifetime_seconds).add_auth(request)
        return str(request.url)

    def export_of(self, target: str) -> tuple[str, str] | None:
        """The export id and the key in the path of a request, or None for a path outside the bucket."""
        bucket, _, key = unquote(urlsplit(target).path).lstrip("/").partition("/")
        marker, _, rest = key.partition("/")
        export_id, _, file = rest.rpartition("/")
        return (export_id, key) if bucket == self.bucket and marker and export_id and file else None


def key_of(task: Task, marker: str) -> str:
    return f"{marker}/{task.id}/export.{EXTENSIONS.get(task.scenario.container, 'zip')}"
