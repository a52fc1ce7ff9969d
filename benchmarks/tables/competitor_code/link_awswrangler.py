"""requests, zipfile and upload_fileobj; the tables by awswrangler, the AWS SDK for pandas."""

from collections.abc import Callable

import awswrangler
from boto3.session import Session

from benchmarks.jobs import BUCKET
from benchmarks.tables.competitor_code.download import downloaded, upload_files
from benchmarks.tables.competitor_code.job import Job
from benchmarks.tables.competitor_code.pandas_frame import frame


def ready(job: Job) -> Callable[[str], None]:
    awswrangler.config.s3_endpoint_url = job.endpoint
    session = Session()  # without it, awswrangler creates one for each table, which takes 0.3 s
    client = session.client("s3")

    def store(name: str) -> None:
        with downloaded(job, name) as archive:
            upload_files(client, archive)
            for table in job.tables(name):
                with archive.open(table.member) as source:
                    found = frame(source, table)
                url = f"s3://{BUCKET}/{table.key}"
                awswrangler.s3.to_parquet(found, url, compression="zstd", index=False, boto3_session=session)

    return store
