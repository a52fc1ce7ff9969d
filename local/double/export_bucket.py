"""The bucket, of another account, that stores the exports, and the download URLs of its objects."""

import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import boto3
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from local.double.data.archive import EXTENSIONS, export_file
from local.double.data.data_center import DataCenter
from local.double.tasks import Task

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, use_threads=False)
"""One part in memory at a time. Threads would not help: the local S3 is slower than one thread."""

ACCOUNT = "210987654321"
BUCKET = "application-discovery-exports"
REGION = "us-east-1"
SECRET = "test"  # noqa: S105
"""The secret of MiniStack's root keys, unless it is started with another."""


@dataclass(frozen=True, slots=True)
class Location:
    """The S3 endpoint and the owner of the bucket, and the endpoint that download URLs contain instead."""

    s3_url: str
    public_url: str
    account: str = ACCOUNT
    bucket: str = BUCKET
    region: str = REGION
    secret: str = SECRET
    """The secret of the access key ``account``: to MiniStack, a number of 12 digits is the key of that account."""
    ca: str | None = None
    """A file of CA certificates to trust for ``s3_url``. Default: the public ones."""


class ExportBucket:
    """Generates exports, stores them in the bucket, signs download URLs and forwards downloads.

    A download URL is signed for the host of the double, which counts requests. It forwards them with their Host header,
    and S3 verifies the signature. A large export is generated in the background, any other at its first download.
    """

    def __init__(self, location: Location, data_center: DataCenter) -> None:
        self._location = location
        self._data_center = data_center
        self._s3 = _client(location)
        timeout = urllib3.Timeout(60.0)
        self._pool = urllib3.PoolManager(maxsize=128, ca_certs=location.ca, retries=False, timeout=timeout)
        self._bucket_lock = Lock()
        self._has_bucket = False
        self._large: SimpleQueue[tuple[Task, str] | None] = SimpleQueue()
        Thread(target=self._generate_large, name="large exports", daemon=True).start()

    def download_url(self, task: Task, marker: str) -> str:
        """Return a new URL, valid from now on. Its signature covers the marker in the path and in a parameter.

        Same result as ``generate_presigned_url``, in a third of the time: a page has a hundred URLs.
        """
        request = AWSRequest(
            "GET",
            self._location.public_url + quote(f"/{self._location.bucket}/{self._key(task, marker)}"),
            params={"response-content-disposition": f'attachment; filename="{marker}.zip"'},
        )
        signer = S3SigV4QueryAuth(
            Credentials(self._location.account, self._location.secret),
            "s3",
            self._location.region,
            expires=task.scenario.url_lifetime_seconds,
        )
        signer.add_auth(request)
        return str(request.url)

    def generate_async(self, task: Task, marker: str) -> None:
        """Generate a large export in the background. It is in progress until then."""
        self._large.put((task, marker))

    def export_of(self, target: str) -> tuple[str, str] | None:
        """The export id and the key in the path of a request, or None for a path outside the bucket."""
        bucket, _, key = unquote(urlsplit(target).path).lstrip("/").partition("/")
        marker, _, rest = key.partition("/")
        export_id, _, file = rest.rpartition("/")
        return (export_id, key) if bucket == self._location.bucket and marker and export_id and file else None

    def make(self, task: Task, key: str) -> None:
        """Generate and store the export at the key, unless it is there."""
        with task.making:
            if key in task.made_keys:
                return
            self._ensure_bucket()
            with export_file(self._data_center, task.contents) as file:
                self._s3.upload_fileobj(file, self._location.bucket, key, Config=_TRANSFER)
            task.made_keys.add(key)

    def fetch(self, method: str, target: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The response of S3, with an unread body. Redirects and errors are returned like any other response."""
        return self._pool.request(
            method,
            self._location.s3_url.rstrip("/") + target,
            headers=dict(headers),
            preload_content=False,
            decode_content=False,
            redirect=False,
        )

    def close(self) -> None:
        """Stop generating large exports, and close every connection."""
        self._large.put(None)
        self._pool.clear()
        self._s3.close()

    def _key(self, task: Task, marker: str) -> str:
        return f"{marker}/{task.id}/export.{EXTENSIONS.get(task.scenario.container, 'zip')}"

    def _generate_large(self) -> None:
        while request := self._large.get():
            task, marker = request
            try:
                self.make(task, self._key(task, marker))
            except Exception as error:  # the export fails, and the log of the double has the reason
                traceback.print_exc()
                task.broken = f"The double could not make the export: {type(error).__name__}"
            task.made.set()

    def _ensure_bucket(self) -> None:
        with self._bucket_lock:
            if self._has_bucket:
                return
            region = self._location.region
            with suppress(self._s3.exceptions.BucketAlreadyOwnedByYou):
                if region == "us-east-1":
                    self._s3.create_bucket(Bucket=self._location.bucket)
                else:
                    self._s3.create_bucket(
                        Bucket=self._location.bucket,
                        CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
                    )
            self._has_bucket = True


def _client(location: Location) -> "S3Client":
    session = boto3.session.Session(
        aws_access_key_id=location.account,
        aws_secret_access_key=location.secret,
        region_name=location.region,
    )
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=32, proxies={})
    return session.client("s3", endpoint_url=location.s3_url, verify=location.ca, config=config)
