"""The usual download: the zip file into memory with requests, and its files to S3 with upload_fileobj."""

import io
import zipfile
from typing import TYPE_CHECKING

import requests

from benchmarks.jobs import BUCKET
from benchmarks.tables.competitor_code.job import Job

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def downloaded(job: Job, name: str) -> zipfile.ZipFile:
    response = requests.get(job.download_url(name), timeout=60)
    response.raise_for_status()
    return zipfile.ZipFile(io.BytesIO(response.content))


def upload_files(client: "S3Client", archive: zipfile.ZipFile) -> None:
    for member in archive.namelist():
        with archive.open(member) as file:
            client.upload_fileobj(file, BUCKET, f"data/{member}")
