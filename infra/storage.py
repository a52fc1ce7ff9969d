"""The bucket for exports, the catalog and the table of the collector; all are retained when the stack is deleted.

So are the policies of the buckets: without them, the retained buckets would accept requests without TLS, and no access
logs.
"""

from typing import Any, cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

RETAINED = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
"""Keeps what holds data, but not what a failed first deployment created and CloudFormation rolls back: otherwise each
attempt leaves empty buckets and a table. In the template, the policy is RetainExceptOnCreate:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
"""


INDEX = "ByStatus"
EXPIRES_AT = "expiresAt"
"""Attribute of items that DynamoDB deletes after a time: those of exports that were not found."""


class Storage(Construct):
    """The bucket and the catalog, created unless given. A given bucket keeps its own lifecycle rules.

    ``collecting_table`` has what is known of each agent; with ``collecting``, it is created unless given.
    Objects expire after ``raw_days`` and ``data_days``; noncurrent versions are kept for ``noncurrent_days`` more.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: s3.IBucket | None = None,
        table: dynamodb.ITable | None = None,
        collecting: bool = False,
        collecting_table: dynamodb.ITable | None = None,
        key: kms.IKey | None = None,
        raw_days: int | None = None,
        data_days: int | None = None,
        noncurrent_days: int = 90,
    ) -> None:
        super().__init__(scope, id)
        self._noncurrent = Duration.days(noncurrent_days)
        self._expiring = {"raw": raw_days, "data": data_days, "tables": data_days}
        # Access logs by bucket policy, whatever the feature flags of the app, because the buckets have no ACLs.
        self.node.set_context("@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy", True)
        self.bucket = bucket or self._bucket(key)
        self.table = table or self._catalog(key)
        self.collecting_table = (collecting_table or self._collecting_table(key)) if collecting else None

    def _bucket(self, key: kms.IKey | None) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=self._access_logs(),
            server_access_logs_prefix="exports/",
            lifecycle_rules=[
                self._cleanup(),
                self._expiring_work(),
                self._expiring_queries(),
                self._expiring_pages(),
                *self._expiring_data(),
            ],
            removal_policy=RETAINED,
        )
        retain_policy(bucket)
        return bucket

    def _cleanup(self) -> s3.LifecycleRule:
        """Removes objects that are hidden but billed: incomplete uploads, old noncurrent versions, delete markers."""
        return s3.LifecycleRule(
            id="Tidying",
            abort_incomplete_multipart_upload_after=Duration.days(7),
            noncurrent_version_expiration=self._noncurrent,
            expired_object_delete_marker=True,
        )

    def _expiring_work(self) -> s3.LifecycleRule:
        """Checkpoints of an unfinished store expire once no run can resume from them."""
        return s3.LifecycleRule(
            id="ExpiringWork",
            prefix="work/",
            expiration=Duration.days(30),
            noncurrent_version_expiration=Duration.days(1),
        )

    def _expiring_queries(self) -> s3.LifecycleRule:
        """Query results expire, because a query can be run again."""
        return s3.LifecycleRule(
            id="ExpiringQueries",
            prefix="queries/",
            expiration=Duration.days(30),
            noncurrent_version_expiration=Duration.days(1),
        )

    def _expiring_pages(self) -> s3.LifecycleRule:
        """Each run writes the status page over. Only the current one is of use."""
        return s3.LifecycleRule(id="ExpiringPages", prefix="status/", noncurrent_version_expiration=Duration.days(1))

    def _expiring_data(self) -> list[s3.LifecycleRule]:
        return [
            s3.LifecycleRule(id=f"Expiring{prefix.capitalize()}", prefix=f"{prefix}/", expiration=Duration.days(days))
            for prefix, days in self._expiring.items()
            if days
        ]

    def _access_logs(self) -> s3.Bucket:
        """Access logs of one year. Encrypted with S3's key: log delivery cannot use a customer managed key."""
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(id="ExpiringLogs", expiration=Duration.days(365))],
            removal_policy=RETAINED,
        )
        retain_policy(bucket)
        return bucket

    def _catalog(self, key: kms.IKey | None) -> dynamodb.TableV2:
        return self._table(
            "Catalog",
            "exportId",
            key,
            time_to_live_attribute=EXPIRES_AT,
            global_secondary_indexes=[self._by_status()],
        )

    def _collecting_table(self, key: kms.IKey | None) -> dynamodb.TableV2:
        """An item for each agent, and a few of the account. Without it, all agents would be exported again."""
        return self._table("Collecting", "agentId", key)

    def _table(self, id: str, partition_key: str, key: kms.IKey | None, **options: Any) -> dynamodb.TableV2:
        """Without deletion protection: CloudFormation could not roll back a first deployment that fails.

        DynamoDB rejects DeleteTable for a protected table, from CloudFormation too, and the stack would end as
        ROLLBACK_FAILED. A table that is deleted by hand can be restored for 35 days, because of point-in-time recovery:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
        """
        table = dynamodb.TableV2(
            self,
            id,
            partition_key=dynamodb.Attribute(name=partition_key, type=dynamodb.AttributeType.STRING),
            billing=dynamodb.Billing.on_demand(),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=RETAINED,
            **options,
        )
        if key:
            encrypt(table, key)
        return table

    def _by_status(self) -> dynamodb.GlobalSecondaryIndexPropsV2:
        """For operators and for the status page: which exports are not settled, and since when."""
        return dynamodb.GlobalSecondaryIndexPropsV2(
            index_name=INDEX,
            partition_key=dynamodb.Attribute(name="status", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="firstSeenAt", type=dynamodb.AttributeType.STRING),
        )


def retain_policy(bucket: s3.Bucket) -> None:
    """The removal policy of a bucket is not that of its bucket policy, which is a resource of its own."""
    assert bucket.policy, "enforce_ssl creates it"
    bucket.policy.apply_removal_policy(RETAINED)


def encrypt(table: dynamodb.TableV2, key: kms.IKey) -> None:
    """Sets the key by override: the ``encryption`` property needs the Region, which is unknown before deployment."""
    template = cast(dynamodb.CfnGlobalTable, table.node.default_child)
    template.sse_specification = dynamodb.CfnGlobalTable.SSESpecificationProperty(sse_enabled=True, sse_type="KMS")
    template.add_property_override("Replicas.0.SSESpecification.KMSMasterKeyId", key.key_arn)
