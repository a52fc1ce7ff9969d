"""boto3's upload_file, from a disk whose file is in memory: how fast writing alone can be."""

from collections.abc import Callable

from boto3.session import Session

from benchmarks.contestants.job import BUCKET, Job


def ready(job: Job) -> Callable[[str], None]:
    client = Session().client("s3")
    return lambda name: client.upload_file(job.on_disk, BUCKET, name)
