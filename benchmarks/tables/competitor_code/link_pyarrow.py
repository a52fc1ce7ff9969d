"""requests, zipfile and upload_fileobj; the tables by pyarrow."""

import io
from collections.abc import Callable

from boto3.session import Session

from benchmarks.jobs import BUCKET
from benchmarks.tables.competitor_code.download import downloaded, upload_files
from benchmarks.tables.competitor_code.job import Job
from benchmarks.tables.competitor_code.pyarrow_stream import write_parquet


def ready(job: Job) -> Callable[[str], None]:
    client = Session().client("s3")

    def store(name: str) -> None:
        with downloaded(job, name) as archive:
            upload_files(client, archive)
            for table in job.tables(name):
                target = io.BytesIO()
                with archive.open(table.member) as source:
                    write_parquet(source, table, target)
                target.seek(0)
                client.upload_fileobj(target, BUCKET, table.key)

    return store
