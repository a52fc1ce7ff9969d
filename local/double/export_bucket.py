"""The bucket of another account, in an S3 such as that of the local AWS, that stores the exports."""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING

import boto3
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .data.archive import export_file
from .data.data_center import DataCenter
from .downloads import Answer, DownloadFailed, UrlSigner, key_of
from .tasks import Task

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRANSFER = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, use_threads=False)
"""One part in memory at a time. Threads would not help: the local S3 is slower than one thread."""
CHUNK_BYTES = 256 << 10


class ExportBucket:
    """Generates exports, stores them in the bucket, signs download URLs and forwards downloads.

    A download URL is signed for the host of the double, which counts requests. It forwards them with their Host header,
    and S3 verifies the signature. A large export is generated in the background, any other at its first download.
    """

    def __init__(self, s3_url: str, signer: UrlSigner, data_center: DataCenter, ca: str | None = None) -> None:
        """``ca`` is a file of CA certificates to trust for ``s3_url``. Default: the public ones."""
        self._s3_url = s3_url.rstrip("/")
        self._signer = signer
        self._data_center = data_center
        self._s3 = _client(s3_url, signer, ca)
        self._pool = urllib3.PoolManager(maxsize=128, ca_certs=ca, retries=False, timeout=urllib3.Timeout(60.0))
        self._bucket_lock = Lock()
        self._has_bucket = False
        self._large: SimpleQueue[tuple[Task, str] | None] = SimpleQueue()
        Thread(target=self._generate_large, name="large exports", daemon=True).start()
        self.download_url = signer.download_url
        self.export_of = signer.export_of

    def generate_async(self, task: Task, marker: str) -> None:
        """Generate a large export in the background. It is in progress until then."""
        self._large.put((task, marker))

    @contextmanager
    def answer(self, method: str, target: str, headers: Mapping[str, str], *, task: Task, key: str) -> Iterator[Answer]:
        """The response of S3. Redirects and errors are returned like any other response."""
        try:
            self._make(task, key)
            response = self._pool.request(
                method,
                self._s3_url + target,
                headers=dict(headers),
                preload_content=False,
                decode_content=False,
                redirect=False,
            )
        except (ClientError, BotoCoreError, urllib3.exceptions.HTTPError) as error:
            raise DownloadFailed(type(error).__name__) from None
        with response:
            yield Answer(response.status, response.headers, _chunks(response))

    def close(self) -> None:
        """Stop generating large exports, and close every connection."""
        self._large.put(None)
        self._pool.clear()
        self._s3.close()

    def _make(self, task: Task, key: str) -> None:
        """Generate and store the export at the key, unless it is there."""
        with task.making:
            if key in task.made_keys:
                return
            self._ensure_bucket()
            with export_file(self._data_center, task.contents) as file:
                self._s3.upload_fileobj(file, self._signer.bucket, key, Config=_TRANSFER)
            task.made_keys.add(key)

    def _generate_large(self) -> None:
        while request := self._large.get():
            task, marker = request
            try:
                self._make(task, key_of(task, marker))
            except Exception as error:  # the export fails, and the log of the double has the reason
                traceback.print_exc()
                task.broken = f"The double could not make the export: {type(error).__name__}"
            task.made.set()

    def _ensure_bucket(self) -> None:
        with self._bucket_lock:
            if self._has_bucket:
                return
            region = self._signer.region
            with suppress(self._s3.exceptions.BucketAlreadyOwnedByYou):
                if region == "us-east-1":
                    self._s3.create_bucket(Bucket=self._signer.bucket)
                else:
                    self._s3.create_bucket(
                        Bucket=self._signer.bucket,
                        CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
                    )
            self._has_bucket = True


def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(CHUNK_BYTES, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise DownloadFailed(type(error).__name__) from None


def _client(s3_url: str, signer: UrlSigner, ca: str | None) -> "S3Client":
    session = boto3.session.Session(
        aws_access_key_id=signer.account, aws_secret_access_key=signer.secret, region_name=signer.region
    )
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=32, proxies={})
    return session.client("s3", endpoint_url=s3_url, verify=ca, config=config)
