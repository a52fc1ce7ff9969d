"""The usual code: requests streams the download, and boto3's upload_fileobj uploads it."""

from collections.abc import Callable

import requests
from boto3.session import Session

from benchmarks.copy.competitor_code.job import Job
from benchmarks.jobs import BUCKET


def ready(job: Job) -> Callable[[str], None]:
    client = Session().client("s3")

    def copy(name: str) -> None:
        with requests.get(job.download_url(name), stream=True, timeout=60) as response:
            response.raise_for_status()
            client.upload_fileobj(response.raw, BUCKET, name)

    return copy
