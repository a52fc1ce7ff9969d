"""Airflow's HttpToS3Operator, without Airflow: the whole answer in memory, then S3Hook.load_bytes.

Its steps: HttpHook.run keeps `response.content`; load_bytes looks whether the key is there (replace=False), wraps the
bytes in BytesIO and hands them to upload_fileobj.
"""

import io
from collections.abc import Callable

import requests
from boto3.session import Session
from botocore.exceptions import ClientError

from benchmarks.contestants.job import BUCKET, Job


def ready(job: Job) -> Callable[[str], None]:
    client = Session().client("s3")

    def is_there(name: str) -> bool:
        try:
            client.head_object(Bucket=BUCKET, Key=name)
        except ClientError:
            return False
        return True

    def copy(name: str) -> None:
        answer = requests.get(job.link(name), timeout=60)
        answer.raise_for_status()
        content = answer.content
        if is_there(name):
            raise FileExistsError
        client.upload_fileobj(io.BytesIO(content), BUCKET, name)

    return copy
