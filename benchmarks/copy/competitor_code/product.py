"""The code of this project, as the store function calls it."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from boto3.session import Session

from benchmarks.copy.competitor_code.job import Job
from benchmarks.jobs import BUCKET
from exports.download.connections import tls_context
from exports.download.download import Download
from exports.model import RawObject
from exports.retry import RetryPolicy
from exports.s3.bucket import Bucket, s3_client
from exports.s3.multipart import WORKERS, Upload
from exports.transfer.copying import copy

OWNER = "111122223333"


class Unfinished(Exception):
    """The copy must be resumed."""


@dataclass(frozen=True, slots=True)
class ProgressStore:
    """Replaces the catalog: stores the progress of an upload, so that the next process can resume it."""

    path: str

    def save_progress(self, upload: Upload) -> None:
        if self.path:
            draft = Path(self.path + ".new")
            draft.write_text(json.dumps(asdict(upload)))
            draft.replace(self.path)

    def known(self) -> Upload | None:
        file = Path(self.path) if self.path else None
        return Upload(**json.loads(file.read_text())) if file and file.exists() else None


def ready(job: Job) -> Callable[[str], None]:
    retry_policy = RetryPolicy(base_seconds=job.pause_seconds)
    context = tls_context(job.certificates)
    bucket = Bucket(s3_client(Session()), bucket=BUCKET, owner=OWNER, retry_policy=retry_policy)
    progress = ProgressStore(job.progress_file)

    def copy_one(name: str) -> None:
        source = Download(
            job.download_url(name),
            refresh_url=lambda: None,
            hosts=["localhost:*"],
            context=context,
            connections=WORKERS,
            retry_policy=retry_policy,
        )
        copied = copy(
            source,
            bucket,
            key=lambda extension: name,
            known=progress.known(),
            save_progress=progress.save_progress,
            retry_policy=retry_policy,
        )
        if not isinstance(copied, RawObject):
            raise Unfinished

    return copy_one
