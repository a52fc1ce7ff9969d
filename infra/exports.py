"""The whole capability as one construct, for a stack of its own or for somebody else's."""

from aws_cdk import Duration
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
from infra.watching import Watching
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
        self.schedules = self._schedules(settings)
        self.cloud_trail = self._cloud_trail(settings)
        self.watching = self._watching(settings)

    def _schedules(self, settings: Settings) -> Schedules | None:
        machine = self.workflow.state_machine
        if not settings.schedules:
            return None
        return Schedules(self, "Schedules", schedules=settings.schedules, state_machine=machine)

    def _cloud_trail(self, settings: Settings) -> CloudTrailTrigger | None:
        machine = self.workflow.state_machine
        if not settings.cloud_trail_trigger:
            return None
        return CloudTrailTrigger(self, "CloudTrail", state_machine=machine, sources=settings.cloud_trail_sources)

    def _watching(self, settings: Settings) -> Watching | None:
        """Whatever has a queue for dead letters is watched by it."""
        if not settings.watching:
            return None
        senders = {"Announcements": self.announcements, "Schedules": self.schedules, "CloudTrail": self.cloud_trail}
        return Watching(
            self,
            "Watching",
            functions=self.functions,
            state_machine=self.workflow.state_machine,
            starter=self.cloud_trail.starter if self.cloud_trail else None,
            queues={name: sender.dead_letters for name, sender in senders.items() if sender},
            announcements=self.announcements,
            late_after=Duration.hours(settings.late_after_hours),
        )

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
