"""The stack that ``cdk deploy`` creates: the construct, and outputs that name its resources."""

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from .discovery_exports import DiscoveryExports
from .settings.settings import Existing, Settings

RETAINED = "Retained when the stack is destroyed; give its name to a new deployment to reuse it"


class DiscoveryExportsStack(Stack):
    """Deploys to the account and Region of the caller's credentials."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings, existing: Existing | None = None) -> None:
        super().__init__(scope, id, description="Stores exports of AWS Application Discovery Service in S3")
        given = existing or Existing()
        bucket, table, key = given.bucket_name, given.table_name, given.key_arn
        exports = DiscoveryExports(
            self,
            "Exports",
            bucket=s3.Bucket.from_bucket_name(self, "Bucket", bucket) if bucket else None,
            table=dynamodb.Table.from_table_name(self, "Table", table) if table else None,
            key=kms.Key.from_key_arn(self, "Key", key) if key else None,
            bus=events.EventBus.from_event_bus_name(self, "Bus", given.bus_name) if given.bus_name else None,
            topic=sns.Topic.from_topic_arn(self, "Topic", given.topic_arn) if given.topic_arn else None,
            settings=settings,
        )
        CfnOutput(self, "StateMachineArn", value=exports.workflow.state_machine.state_machine_arn)
        CfnOutput(self, "BucketName", value=exports.storage.bucket.bucket_name, description=RETAINED)
        CfnOutput(self, "TableName", value=exports.storage.table.table_name, description=RETAINED)
        if exports.tables:
            CfnOutput(self, "DatabaseName", value=exports.tables.database.ref)
            CfnOutput(self, "WorkGroupName", value=exports.tables.work_group.ref)
        CfnOutput(self, "TopicArn", value=exports.announcements.topic.topic_arn)
        if exports.monitoring:
            CfnOutput(self, "DashboardName", value=exports.monitoring.dashboard.dashboard_name)
