"""The whole capability as one construct, for a stack of its own or for somebody else's."""

from aws_cdk import Aws, CfnRule, CfnRuleAssertion, Duration, Fn, Stack, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from .cloudtrail_trigger import CloudTrailTrigger
from .functions import Functions
from .glue_tables import Tables
from .monitoring import Monitoring
from .notifications import Announcements
from .schedules import Schedules
from .settings.rules import SettingsError
from .settings.settings import HOME_REGIONS, Settings
from .storage import Storage
from .workflow import Workflow


class DiscoveryExports(Construct):
    """Lands exports of AWS Application Discovery Service in a bucket, catalogs them, and tells what became of them.

    Makes a bucket, a table and a topic unless it is given them; a table needs the partition key ``exportId`` (a
    string) and the index ``ByStatus``. Events go to the account's default bus unless ``bus`` is given. ``key``
    encrypts what is made here, and lets the functions use it for what is given. Raises SettingsError for settings that
    this stack's account and region, or what is given, make meaningless.
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
        self._refuse_what_cannot_work(settings, bucket)
        self._refuse_regions_without_the_service(settings)
        self.storage = Storage(
            self,
            "Storage",
            bucket=bucket,
            table=table,
            key=key,
            raw_days=settings.raw_retention_days,
            data_days=settings.data_retention_days,
            noncurrent_days=settings.noncurrent_days,
        )
        self.announcements = Announcements(
            self, "Announcements", catalog=self.storage.table, bus=bus, topic=topic, key=key
        )
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
        if self.tables:
            # A dataset that is added is a table before the first of its files is stored as one.
            self.functions.store_export.node.add_dependency(*self.tables.tables)
        self.workflow = Workflow(
            self,
            "Workflow",
            functions=self.functions,
            batch_concurrency=settings.batch_concurrency,
            store_concurrency=settings.store_concurrency,
            log_days=settings.log_retention_days,
        )
        self.schedules = self._schedules(settings)
        self.cloud_trail = self._cloud_trail(settings)
        self.monitoring = self._monitoring(settings)

    def _schedules(self, settings: Settings) -> Schedules | None:
        machine = self.workflow.state_machine
        if not settings.schedules:
            return None
        return Schedules(self, "Schedules", schedules=settings.schedules, state_machine=machine)

    def _cloud_trail(self, settings: Settings) -> CloudTrailTrigger | None:
        machine = self.workflow.state_machine
        if not settings.cloud_trail_trigger:
            return None
        return CloudTrailTrigger(
            self,
            "CloudTrail",
            state_machine=machine,
            log_days=settings.log_retention_days,
            sources=settings.cloud_trail_sources,
        )

    def _monitoring(self, settings: Settings) -> Monitoring | None:
        """Whatever has a queue for dead letters is watched by it."""
        if not settings.watching:
            return None
        senders = {"Announcements": self.announcements, "Schedules": self.schedules, "CloudTrail": self.cloud_trail}
        return Monitoring(
            self,
            "Watching",
            functions=self.functions,
            state_machine=self.workflow.state_machine,
            starter=self.cloud_trail.starter if self.cloud_trail else None,
            queues={name: sender.dead_letter_queue for name, sender in senders.items() if sender},
            announcements=self.announcements,
            late_after=Duration.hours(settings.late_after_hours),
        )

    def _refuse_what_cannot_work(self, settings: Settings, bucket: s3.IBucket | None) -> None:
        """CloudTrail tells of calls in the account and region where they are made, so a trigger has to stand there."""
        stack, faults = Stack.of(self), {}
        if not Token.is_unresolved(stack.region) and (settings.discovery_region or stack.region) not in HOME_REGIONS:
            faults["discoveryRegion"] = f"is needed: the service is not in {stack.region}, where the stack is"
        elsewhere = {
            "discoveryRoleArn": settings.discovery_account not in (None, stack.account),
            "discoveryRegion": settings.discovery_region not in (None, stack.region),
        }
        if settings.cloud_trail_trigger and any(elsewhere.values()):
            names = " and ".join(name for name, differs in elsewhere.items() if differs)
            faults["cloudTrailTrigger"] = (
                f"hears of exports in the stack's own account and region alone, and {names} may name another: "
                "use schedules, or give the stack its account and region if they are the same"
            )
        if bucket and (settings.raw_retention_days or settings.data_retention_days):
            faults["rawRetentionDays, dataRetentionDays"] = (
                "cannot be kept in a bucket that is given: its owner decides"
            )
        if faults:
            raise SettingsError(faults)

    def _refuse_regions_without_the_service(self, settings: Settings) -> None:
        """A stack that is told no region has one when it is deployed: CloudFormation looks before it makes anything."""
        if settings.discovery_region or not Token.is_unresolved(Stack.of(self).region):
            return
        there = CfnRuleAssertion(
            assert_=Fn.condition_contains(list(HOME_REGIONS), Aws.REGION),
            assert_description="discoveryRegion is needed: the service is not in the region of this stack",
        )
        CfnRule(self, "HomeRegion", assertions=[there])

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
