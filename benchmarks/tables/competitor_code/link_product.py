"""The code of this project as the store function calls it. Only the service and the catalog are replaced by fakes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from boto3.session import Session

from benchmarks.jobs import BUCKET
from benchmarks.tables.competitor_code.job import Job
from exports.outcomes.outcome import Outcome
from exports.runs import Item
from exports.s3.bucket import Bucket, s3_client
from exports.settings import Settings
from exports.storing.pipeline import Pipeline
from exports.storing.storing import Storing
from exports.unpack.members import Limits
from tests.unit.builders import batch, export
from tests.unit.fakes import FakeRecords, FakeService

OWNER = "111122223333"
INVOCATION = timedelta(minutes=15)
"""The longest time of a Lambda function."""


class NotStored(Exception):
    """The export was rejected, or not stored within an invocation."""


def ready(job: Job) -> Callable[[str], None]:
    bucket = Bucket(s3_client(Session()), bucket=BUCKET, owner=OWNER)
    settings = _settings(job.certificates)

    def store(name: str) -> None:
        service, records = FakeService([export(name, download_url=job.download_url(name))]), FakeRecords()
        storing = Storing(
            batch(name),
            account=OWNER,
            region="us-east-1",
            service=service,
            records=records,
            bucket=bucket,
            pipeline=Pipeline.for_invocation(settings, service, bucket, records, INVOCATION),
            claim_duration=INVOCATION,
            denied_grace=INVOCATION,
            clock=lambda: datetime.now(UTC),
        )
        storing.store(Item(name, polls=1))
        if records.outcomes.get(name) != (Outcome.STORED, None):
            raise NotStored

    return store


def _settings(certificates: str) -> Settings:
    limits = Limits()
    return Settings(
        {
            "TABLES_FROM": "2016-05",
            "STORE_BUDGET_SECONDS": str(INVOCATION.total_seconds()),
            "DOWNLOAD_HOSTS": "localhost:*",
            "MAX_FILES": str(limits.max_files),
            "MAX_FILE_BYTES": str(limits.max_file_bytes),
            "MAX_TOTAL_BYTES": str(limits.max_total_bytes),
            "MAX_RATIO": str(limits.max_ratio),
            "AWS_CA_BUNDLE": certificates,
        }
    )
