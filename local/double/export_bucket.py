"""The bucket of another account that exports are handed out from, and the links to it."""

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
"""One part in memory at a time; the local S3 is the slower end anyway."""

ACCOUNT = "210987654321"
BUCKET = "application-discovery-exports"
REGION = "us-east-1"
SECRET = "test"  # noqa: S105
"""On the local AWS, an access key of 12 digits with this secret is that account's."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the bucket is: the S3 that holds it, the account that owns it, and the URL that links name instead."""

    s3_url: str
    public_url: str
    account: str = ACCOUNT
    bucket: str = BUCKET
    region: str = REGION
    ca: str | None = None
    """A file of certificates to trust for ``s3_url``; without it, the public ones."""


class ExportBucket:
    """Makes exports, puts them into the bucket, links to them and fetches what the links ask for.

    A link is signed for the double's own host and opened through it, so that it can count: the request goes on with
    its Host header, and S3 verifies the signature. An export is made at its first download; a large one beforehand.
    """

    def __init__(self, place: Location, data_center: DataCenter) -> None:
        self._place = place
        self._data_center = data_center
        self._s3 = _client(place)
        self._pool = urllib3.PoolManager(maxsize=128, ca_certs=place.ca, retries=False, timeout=urllib3.Timeout(60.0))
        self._bucket_lock = Lock()
        self._has_bucket = False
        self._large: SimpleQueue[tuple[Task, str] | None] = SimpleQueue()
        Thread(target=self._make_large, name="large exports", daemon=True).start()

    def download_url(self, task: Task, marker: str) -> str:
        """A new link at each call, good from now on; its signature covers the marker in the path and in a parameter.

        What a client's ``generate_presigned_url`` gives, in a third of the time: a page has a hundred of them.
        """
        request = AWSRequest(
            "GET",
            self._place.public_url + quote(f"/{self._place.bucket}/{self._key(task, marker)}"),
            params={"response-content-disposition": f'attachment; filename="{marker}.zip"'},
        )
        signer = S3SigV4QueryAuth(
            Credentials(self._place.account, SECRET),
            "s3",
            self._place.region,
            expires=task.scenario.link_lifetime_seconds,
        )
        signer.add_auth(request)
        return str(request.url)

    def generate_async(self, task: Task, marker: str) -> None:
        """Make a large export in the background; it is in progress until it is done."""
        self._large.put((task, marker))

    def export_of(self, target: str) -> tuple[str, str] | None:
        """The export id and the key that a request's path names; nothing for what is not in the bucket."""
        bucket, _, key = unquote(urlsplit(target).path).lstrip("/").partition("/")
        marker, _, rest = key.partition("/")
        export_id, _, file = rest.rpartition("/")
        return (export_id, key) if bucket == self._place.bucket and marker and export_id and file else None

    def make(self, task: Task, key: str) -> None:
        """Put the export under the key, unless it is there."""
        with task.making:
            if key in task.made_keys:
                return
            self._ensure_bucket()
            with export_file(self._data_center, task.contents) as file:
                self._s3.upload_fileobj(file, self._place.bucket, key, Config=_TRANSFER)
            task.made_keys.add(key)

    def fetch(self, method: str, target: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """S3's answer to the request, its body not read yet; redirects and refusals are answers like others."""
        return self._pool.request(
            method,
            self._place.s3_url.rstrip("/") + target,
            headers=dict(headers),
            preload_content=False,
            decode_content=False,
            redirect=False,
        )

    def close(self) -> None:
        """Make no more large exports, and let go of every connection."""
        self._large.put(None)
        self._pool.clear()
        self._s3.close()

    def _key(self, task: Task, marker: str) -> str:
        return f"{marker}/{task.id}/export.{EXTENSIONS.get(task.scenario.container, 'zip')}"

    def _make_large(self) -> None:
        while wanted := self._large.get():
            task, marker = wanted
            try:
                self.make(task, self._key(task, marker))
            except Exception as error:  # the export fails, and whoever runs the double reads why
                traceback.print_exc()
                task.broken = f"The double could not make the export: {type(error).__name__}"
            task.made.set()

    def _ensure_bucket(self) -> None:
        with self._bucket_lock:
            if self._has_bucket:
                return
            region = self._place.region
            with suppress(self._s3.exceptions.BucketAlreadyOwnedByYou):
                if region == "us-east-1":
                    self._s3.create_bucket(Bucket=self._place.bucket)
                else:
                    self._s3.create_bucket(
                        Bucket=self._place.bucket,
                        CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
                    )
            self._has_bucket = True


def _client(place: Location) -> "S3Client":
    session = boto3.session.Session(
        aws_access_key_id=place.account,
        aws_secret_access_key=SECRET,
        region_name=place.region,
    )
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=32, proxies={})
    return session.client("s3", endpoint_url=place.s3_url, verify=place.ca, config=config)
