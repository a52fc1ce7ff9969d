"""The whole capability as one construct, for a stack of its own or for somebody else's."""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.announcements import Announcements
from infra.cloudtrail import CloudTrailTrigger
from infra.functions import Functions
from infra.schedules import Schedules
from infra.settings import Settings
from infra.storage import Storage
from infra.tables import Tables
from infra.workflow import Workflow


class DiscoveryExports(Construct):
    """Lands exports of AWS Application Discovery Service in a bucket, catalogs them, and tells what became of them.

    Makes a bucket, a table and a topic unless it is given them; a table needs the partition key ``exportId`` (a
    string) and the index ``ByStatus``. Events go to the account's default bus unless ``bus`` is given. ``key``
    encrypts what is made here, and lets the functions use it for what is given.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: s3.IBucket | None = None,
        table: dynamodb.ITable | None = None,
        key: kms.IKey | None = None,
        bus: events.IEventBus | None = None,
        topic: sns.ITopic | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(scope, id)
        settings = settings or Settings()
        self.storage = Storage(self, "Storage", bucket=bucket, table=table, key=key)
        self.announcements = Announcements(self, "Announcements", bus=bus, topic=topic, key=key)
        self.tables = self._tables(settings, key)
        self.functions = Functions(
            self,
            "Functions",
            storage=self.storage,
            tables=self.tables,
            bus=self.announcements.bus,
            settings=settings,
            key=key,
        )
        self.workflow = Workflow(
            self,
            "Workflow",
            functions=self.functions,
            batch_concurrency=settings.batch_concurrency,
            store_concurrency=settings.store_concurrency,
        )
        machine = self.workflow.state_machine
        if settings.schedules:
            Schedules(self, "Schedules", schedules=settings.schedules, state_machine=machine)
        if settings.cloud_trail_trigger:
            CloudTrailTrigger(self, "CloudTrail", state_machine=machine, sources=settings.cloud_trail_sources)

    def _tables(self, settings: Settings, key: kms.IKey | None) -> Tables | None:
        if not settings.tables:
            return None
        return Tables(
            self,
            "Tables",
            bucket=self.storage.bucket,
            scan_limit_bytes=settings.query_scan_limit_bytes,
            named_queries=settings.named_queries,
            added={each.name: list(each.table.values()) for each in settings.datasets},
            key=key,
        )
