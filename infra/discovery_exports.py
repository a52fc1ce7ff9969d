"""Discovery Exports as one construct, for its own stack or for any other."""

from collections.abc import Sequence

from aws_cdk import Aws, CfnRule, CfnRuleAssertion, Duration, Fn, Stack, Tags, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from .cloudtrail_trigger import CloudTrailTrigger
from .collector import Collector
from .encryption import allow_services
from .functions import Functions
from .glue_tables import Tables
from .monitoring import Monitoring
from .network import Network
from .notifications import Announcements
from .schedules import Schedules
from .settings.rules import SettingsError
from .settings.settings import HOME_REGIONS, Settings
from .storage import Storage
from .workflow import Workflow


class DiscoveryExports(Construct):
    """Stores exports of AWS Application Discovery Service in a bucket, catalogs them, and announces their outcomes.

    Creates a bucket, a table and a topic unless they are given. A given table needs the partition key ``exportId`` (a
    string) and the index ``ByStatus``. With the setting ``collect``, it also starts exports, and has a
    ``collecting_table``, whose partition key is ``agentId`` (a string). Events go to the account's default bus unless
    ``bus`` is given, or the setting ``own_bus`` creates one. ``key`` encrypts the created resources, and the functions
    may use it for the given ones. The functions run outside of a VPC unless ``vpc`` is given: in its private subnets or
    ``vpc_subnets``, with ``security_groups`` or one that allows outbound HTTPS only. Raises SettingsError if settings
    contradict the stack's account and Region or the given resources.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: s3.IBucket | None = None,
        table: dynamodb.ITable | None = None,
        collecting_table: dynamodb.ITable | None = None,
        key: kms.IKey | None = None,
        bus: events.IEventBus | None = None,
        topic: sns.ITopic | None = None,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(scope, id)
        settings = settings or Settings()
        self._validate_settings(
            settings, bucket, bus, network_without_vpc=not vpc and bool(vpc_subnets or security_groups)
        )
        self._require_home_region(settings)
        if key:
            allow_services(key)
        self.storage = Storage(
            self,
            "Storage",
            bucket=bucket,
            table=table,
            collecting=settings.collect is not None,
            collecting_table=collecting_table,
            key=key,
            raw_days=settings.raw_retention_days,
            data_days=settings.data_retention_days,
            noncurrent_days=settings.noncurrent_days,
        )
        self.announcements = Announcements(
            self,
            "Announcements",
            catalog=self.storage.table,
            account=settings.discovery_account or Aws.ACCOUNT_ID,
            region=settings.discovery_region or Aws.REGION,
            own_bus=settings.own_bus,
            bus=bus,
            topic=topic,
            key=key,
        )
        self.tables = self._tables(settings, key)
        self.functions = Functions(
            self,
            "Functions",
            storage=self.storage,
            bus=self.announcements.bus,
            settings=settings,
            key=key,
            network=Network(self, "Network", vpc=vpc, subnets=vpc_subnets, security_groups=security_groups)
            if vpc
            else None,
        )
        self.announcements.allow_only(self.functions.publishers)
        self.workflow = Workflow(
            self,
            "Workflow",
            functions=self.functions,
            batch_concurrency=settings.batch_concurrency,
            store_concurrency=settings.store_concurrency,
            log_days=settings.log_retention_days,
            key=key,
        )
        self.schedules = self._schedules(settings, key)
        self.cloud_trail = self._cloud_trail(settings, key)
        self.collector = self._collector(settings, key)
        # The roles of a trigger, too: until they exist, IAM has applied the policy, which is not immediate.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
        for trigger in filter(None, (self.schedules, self.cloud_trail, self.collector)):
            trigger.node.add_dependency(self.workflow.children_policy)
        self.monitoring = self._monitoring(settings)
        for name, value in settings.tags.items():
            Tags.of(self).add(name, value)

    def _schedules(self, settings: Settings, key: kms.IKey | None) -> Schedules | None:
        machine = self.workflow.state_machine
        if not settings.schedules:
            return None
        return Schedules(self, "Schedules", schedules=settings.schedules, state_machine=machine, key=key)

    def _cloud_trail(self, settings: Settings, key: kms.IKey | None) -> CloudTrailTrigger | None:
        machine = self.workflow.state_machine
        if not settings.cloud_trail_trigger:
            return None
        function = self.functions.collect_exports
        role = function.role if function else None
        return CloudTrailTrigger(
            self,
            "CloudTrail",
            state_machine=machine,
            log_days=settings.log_retention_days,
            collector=(settings.discovery_role_arn or role.role_arn) if role else None,
            sources=settings.cloud_trail_sources,
            key=key,
        )

    def _collector(self, settings: Settings, key: kms.IKey | None) -> Collector | None:
        function = self.functions.collect_exports
        if settings.collect is None or function is None:
            return None
        return Collector(
            self,
            "Collector",
            collect=settings.collect,
            function=function,
            state_machine=self.workflow.state_machine,
            log_days=settings.log_retention_days,
            key=key,
        )

    def _monitoring(self, settings: Settings) -> Monitoring | None:
        """Each construct with a dead-letter queue gets an alarm for the queue."""
        if not settings.watching:
            return None
        senders = {
            "Announcements": self.announcements,
            "Schedules": self.schedules,
            "CloudTrail": self.cloud_trail,
            "Collector": self.collector,
        }
        return Monitoring(
            self,
            "Watching",
            functions=self.functions,
            state_machine=self.workflow.state_machine,
            starter=self.cloud_trail.starter if self.cloud_trail else None,
            collector=self.collector.state_machine if self.collector else None,
            queues={name: sender.dead_letter_queue for name, sender in senders.items() if sender},
            announcements=self.announcements,
            late_after=Duration.hours(settings.late_after_hours),
        )

    def _validate_settings(
        self,
        settings: Settings,
        bucket: s3.IBucket | None,
        bus: events.IEventBus | None,
        *,
        network_without_vpc: bool,
    ) -> None:
        """CloudTrail reports calls in the account and Region where they are made, so the trigger must be there."""
        stack, faults = Stack.of(self), {}
        if network_without_vpc:
            faults["vpc"] = "is needed with vpc_subnets and security_groups"
        if not Token.is_unresolved(stack.region) and (settings.discovery_region or stack.region) not in HOME_REGIONS:
            faults["discoveryRegion"] = f"is needed: the service is not in {stack.region}, the Region of the stack"
        elsewhere = {
            "discoveryRoleArn": settings.discovery_account not in (None, stack.account),
            "discoveryRegion": settings.discovery_region not in (None, stack.region),
        }
        if settings.cloud_trail_trigger and any(elsewhere.values()):
            names = " and ".join(name for name, differs in elsewhere.items() if differs)
            faults["cloudTrailTrigger"] = (
                f"starts runs only for exports in the stack's own account and Region, and {names} may name another: "
                "use schedules, or set the stack's account and Region if they are the same"
            )
        if bucket and (settings.raw_retention_days or settings.data_retention_days):
            faults["rawRetentionDays, dataRetentionDays"] = "cannot be set for an existing bucket: its owner decides"
        if bus and settings.own_bus:
            faults["ownBus"] = "cannot be set with an existing bus"
        if faults:
            raise SettingsError(faults)

    def _require_home_region(self, settings: Settings) -> None:
        """A stack without a Region gets one at deployment, so CloudFormation checks it before it creates anything."""
        if settings.discovery_region or not Token.is_unresolved(Stack.of(self).region):
            return
        assertion = CfnRuleAssertion(
            assert_=Fn.condition_contains(list(HOME_REGIONS), Aws.REGION),
            assert_description="discoveryRegion is needed: the service is not in the Region of this stack",
        )
        CfnRule(self, "HomeRegion", assertions=[assertion])

    def _tables(self, settings: Settings, key: kms.IKey | None) -> Tables | None:
        if not settings.tables:
            return None
        return Tables(
            self,
            "Tables",
            bucket=self.storage.bucket,
            since=settings.tables_from,
            scan_limit_bytes=settings.query_scan_limit_bytes,
            named_queries=settings.named_queries,
            added={each.name: list(each.table.values()) for each in settings.datasets},
            key=key,
        )
