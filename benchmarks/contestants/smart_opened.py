"""smart_open on both sides, joined by shutil as its documentation does."""

import shutil
from collections.abc import Callable

import smart_open
from boto3.session import Session

from benchmarks.contestants.job import BUCKET, Job

CHUNK = 1024 * 1024


def ready(job: Job) -> Callable[[str], None]:
    sink = {"client": Session().client("s3")}
    source = {"timeout": 60}

    def copy(name: str) -> None:
        with (
            smart_open.open(job.link(name), "rb", compression="disable", transport_params=source) as reader,
            smart_open.open(f"s3://{BUCKET}/{name}", "wb", compression="disable", transport_params=sink) as writer,
        ):
            shutil.copyfileobj(reader, writer, CHUNK)

    return copy
