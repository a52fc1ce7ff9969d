"""A stack that stores exports with the key, bucket, table, bus and topic that a team already has."""

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from discovery_exports import DiscoveryExports, Settings

STRING = dynamodb.AttributeType.STRING


class MigrationData(Stack):
    """The resources of the team and the construct. The key encrypts the bucket, the table and the topic."""

    def __init__(self, scope: Construct, id: str, *, settings: Settings) -> None:
        super().__init__(scope, id)
        key = kms.Key(self, "Key", enable_key_rotation=True)
        bus = events.EventBus(self, "Bus")
        topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        bucket, table = self._bucket(key), self._table(key)

        exports = DiscoveryExports(
            self, "Exports", bucket=bucket, table=table, key=key, bus=bus, topic=topic, settings=settings
        )

        CfnOutput(self, "StateMachineArn", value=exports.workflow.state_machine.state_machine_arn)
        CfnOutput(self, "BucketName", value=bucket.bucket_name)
        CfnOutput(self, "TableName", value=table.table_name)
        CfnOutput(self, "TopicArn", value=topic.topic_arn)
        CfnOutput(self, "BusName", value=bus.event_bus_name)

    def _bucket(self, key: kms.Key) -> s3.Bucket:
        """The bucket, with the lifecycle rules that the construct does not add to an existing bucket.

        Working files and query results expire after 30 days, earlier versions of the status page after a day, and
        incomplete multipart uploads after 7 days.
        """
        month = Duration.days(30)
        return s3.Bucket(
            self,
            "Bucket",
            encryption_key=key,
            bucket_key_enabled=True,
            versioned=True,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            lifecycle_rules=[
                s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(7)),
                s3.LifecycleRule(prefix="work/", expiration=month, noncurrent_version_expiration=Duration.days(1)),
                s3.LifecycleRule(prefix="queries/", expiration=month, noncurrent_version_expiration=Duration.days(1)),
                s3.LifecycleRule(prefix="status/", noncurrent_version_expiration=Duration.days(1)),
            ],
        )

    def _table(self, key: kms.Key) -> dynamodb.Table:
        """The table, with the partition key, the index and the time to live that the catalog requires."""
        table = dynamodb.Table(
            self,
            "Catalog",
            partition_key=dynamodb.Attribute(name="exportId", type=STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            time_to_live_attribute="expiresAt",
        )
        table.add_global_secondary_index(
            index_name="ByStatus",
            partition_key=dynamodb.Attribute(name="status", type=STRING),
            sort_key=dynamodb.Attribute(name="firstSeenAt", type=STRING),
        )
        return table


app = App()
MigrationData(app, "MigrationData", settings=Settings.from_context(app.node.get_all_context()))
app.synth()
