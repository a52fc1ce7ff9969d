"""The stack that ``cdk deploy`` creates: the construct, and outputs that name its resources."""

from aws_cdk import Annotations, CfnOutput, Fn, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from discovery_exports import __version__

from .discovery_exports import DiscoveryExports
from .settings.settings import Existing, Settings

RETAINED = "Retained when the stack is destroyed; give its name to a new deployment to reuse it"


class DiscoveryExportsStack(Stack):
    """Deploys to the account and Region of the caller's credentials."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, existing: Existing | None = None) -> None:
        super().__init__(
            scope,
            id,
            description="Stores exports of AWS Application Discovery Service in S3",
            tags=dict(settings.tags) or None,
        )
        given = existing or Existing()
        bucket, table, key = given.bucket_name, given.table_name, given.key_arn
        collecting = given.collecting_table_name
        exports = DiscoveryExports(
            self,
            "Exports",
            bucket=s3.Bucket.from_bucket_name(self, "Bucket", bucket) if bucket else None,
            table=dynamodb.Table.from_table_name(self, "Table", table) if table else None,
            collecting_table=dynamodb.Table.from_table_name(self, "CollectingTable", collecting)
            if collecting
            else None,
            key=kms.Key.from_key_arn(self, "Key", key) if key else None,
            bus=events.EventBus.from_event_bus_name(self, "Bus", given.bus_name) if given.bus_name else None,
            topic=sns.Topic.from_topic_arn(self, "Topic", given.topic_arn) if given.topic_arn else None,
            vpc=self._vpc(given),
            vpc_subnets=self._subnets(given),
            security_groups=self._security_groups(given),
            settings=settings,
        )
        CfnOutput(self, "StateMachineArn", value=exports.workflow.state_machine.state_machine_arn)
        CfnOutput(self, "BucketName", value=exports.storage.bucket.bucket_name, description=RETAINED)
        CfnOutput(self, "TableName", value=exports.storage.table.table_name, description=RETAINED)
        if exports.tables:
            CfnOutput(self, "DatabaseName", value=exports.tables.database.ref)
            CfnOutput(self, "WorkGroupName", value=exports.tables.work_group.ref)
        CfnOutput(self, "TopicArn", value=exports.announcements.topic.topic_arn)
        if exports.collector and exports.storage.collecting_table:
            machine = exports.collector.state_machine
            CfnOutput(self, "CollectorStateMachineArn", value=machine.state_machine_arn)
            name = exports.storage.collecting_table.table_name
            CfnOutput(self, "CollectingTableName", value=name, description=RETAINED)
        if settings.own_bus:
            CfnOutput(self, "BusName", value=exports.announcements.bus.event_bus_name)
        if exports.monitoring:
            CfnOutput(self, "DashboardName", value=exports.monitoring.dashboard.dashboard_name)
        CfnOutput(self, "Release", value=__version__)

    def _vpc(self, given: Existing) -> ec2.IVpc | None:
        """The CDK requires an Availability Zone, but does not use it, because the subnets are given."""
        if not given.vpc_id:
            return None
        return ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id=given.vpc_id, availability_zones=[Fn.select(0, Fn.get_azs())]
        )

    def _subnets(self, given: Existing) -> ec2.SubnetSelection | None:
        subnets = [ec2.Subnet.from_subnet_id(self, subnet, subnet) for subnet in given.subnet_ids]
        for subnet in subnets:
            Annotations.of(subnet).acknowledge_warning(
                "@aws-cdk/aws-ec2:noSubnetRouteTableId", "The stack adds no routes, so it needs no route tables."
            )
        return ec2.SubnetSelection(subnets=subnets) if subnets else None

    def _security_groups(self, given: Existing) -> list[ec2.ISecurityGroup]:
        """Not mutable: the stack adds no rules to a given security group."""
        return [
            ec2.SecurityGroup.from_security_group_id(self, group, group, mutable=False)
            for group in given.security_group_ids
        ]
