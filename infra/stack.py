"""The stack that ``cdk deploy`` makes: the construct, and where to find what it made."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from infra.exports import DiscoveryExports
from infra.settings import Settings


class DiscoveryExportsStack(Stack):
    """Deploys to whatever account and region the caller's credentials are for."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings) -> None:
        super().__init__(scope, id, description="Lands exports of AWS Application Discovery Service in S3")
        exports = DiscoveryExports(self, "Exports", settings=settings)
        CfnOutput(self, "StateMachineArn", value=exports.workflow.state_machine.state_machine_arn)
        CfnOutput(self, "BucketName", value=exports.storage.bucket.bucket_name)
        CfnOutput(self, "TableName", value=exports.storage.table.table_name)
        if exports.tables:
            CfnOutput(self, "DatabaseName", value=exports.tables.database.ref)
            CfnOutput(self, "WorkGroupName", value=exports.tables.work_group.ref)
        CfnOutput(self, "TopicArn", value=exports.announcements.topic.topic_arn)
        if exports.watching:
            CfnOutput(self, "DashboardName", value=exports.watching.dashboard.dashboard_name)
