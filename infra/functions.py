"""The functions, each with its permissions, environment, memory and timeout."""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration, Size
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from . import lambda_asset
from .encryption import environment_permissions, key_permissions
from .lambda_environment import reject_too_large
from .logs import log_group
from .network import Network
from .notifications import SOURCE
from .permissions import Permission, acknowledge, make_role
from .settings.dataset import environment_text
from .settings.settings import Architecture, FunctionName, Settings
from .storage import INDEX, Storage

SERVICE = "discovery-exports"
METRICS_NAMESPACE = f"DiscoveryExports/{Aws.STACK_NAME}"
"""Namespace of the functions' own metrics. It contains the stack's name, so that two stacks do not share metrics."""
METRICS_PERIOD = Duration.minutes(5)
ARCHITECTURES: Mapping[Architecture, lambda_.Architecture] = {
    "arm64": lambda_.Architecture.ARM_64,
    "x86_64": lambda_.Architecture.X86_64,
}
POWERTOOLS = {
    "POWERTOOLS_SERVICE_NAME": SERVICE,
    "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
    "POWERTOOLS_LOG_LEVEL": "INFO",
}


class Functions(Construct):
    """One function per task of the workflow and of the collector, each with a role that lists the actions it uses.

    ``collect_exports`` exists only with a table for it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        storage: Storage,
        bus: events.IEventBus,
        settings: Settings,
        key: kms.IKey | None = None,
        network: Network | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._storage = storage
        self._bus = bus
        self._settings = settings
        self._key = key
        self._network = network
        with lambda_asset.code(self, settings.architecture) as self._code:
            self.plan_run = self._plan_run()
            self.check_exports = self._check_exports()
            self.store_export = self._store_export()
            self.report_run = self._report_run()
            self.collect_exports = self._collect_exports(storage.collecting_table) if storage.collecting_table else None

    @property
    def of_workflow(self) -> tuple[lambda_.Function, ...]:
        return (self.plan_run, self.check_exports, self.store_export, self.report_run)

    @property
    def all(self) -> tuple[lambda_.Function, ...]:
        return (*self.of_workflow, *([self.collect_exports] if self.collect_exports else []))

    @property
    def publishers(self) -> list[iam.IRole]:
        """The roles of the functions that publish events."""
        return [function.role for function in self.all if function.role and function is not self.plan_run]

    def _plan_run(self) -> lambda_.Function:
        """The timeout is Lambda's maximum, because the first sweep of an account pages through all its exports."""
        return self._function(
            "PlanRun",
            "Validates the input of a run and splits its exports into batches",
            timeout=Duration.minutes(15),
            environment={
                "DEADLINE_MINUTES": str(self._settings.deadline_minutes),
                "SWEEP_DEADLINE_MINUTES": str(self._settings.sweep_deadline_minutes),
                "SWEEP_MAX_AGE_DAYS": str(self._settings.sweep_max_age_days or ""),
            },
            permissions=[
                self._describe_permission(),
                self._on_table("dynamodb:BatchGetItem"),
                self._on_objects("runs/*", actions=["s3:PutObject"]),
            ],
        )

    def _check_exports(self) -> lambda_.Function:
        return self._function(
            "CheckExports",
            "Polls a batch of exports and finds which are ready and which have ended",
            timeout=Duration.minutes(2),
            environment={
                **self._event_environment(),
                "WAIT_FLOOR_SECONDS": str(self._settings.wait_floor_seconds),
                "WAIT_CEILING_SECONDS": str(self._settings.wait_ceiling_seconds),
                "NOT_FOUND_GRACE_SECONDS": str(self._settings.not_found_grace_seconds),
            },
            permissions=[
                self._describe_permission(),
                self._on_table("dynamodb:BatchGetItem", "dynamodb:UpdateItem"),
                self._on_objects("runs/*", actions=["s3:GetObject"]),
                self._publish_permission(),
            ],
        )

    def _store_export(self) -> lambda_.Function:
        """1,769 MB is one full vCPU: a copy spends its time on TLS on both sides, checksums and decompression.

        The timeout is Lambda's maximum; the function usually ends far earlier, after its store budget.
        """
        return self._function(
            "StoreExport",
            "Stores the data of one export in the bucket and verifies it",
            memory=1769,
            timeout=Duration.minutes(15),
            environment={
                **self._event_environment(),
                "STORE_BUDGET_SECONDS": str(self._settings.store_budget_seconds),
                "NOT_FOUND_GRACE_SECONDS": str(self._settings.not_found_grace_seconds),
                "DOWNLOAD_HOSTS": ",".join(self._settings.download_hosts),
                "MAX_FILES": str(self._settings.max_files),
                "MAX_FILE_BYTES": str(self._settings.max_file_bytes),
                "MAX_TOTAL_BYTES": str(self._settings.max_total_bytes),
                "MAX_RATIO": str(self._settings.max_ratio),
                "TABLES_FROM": self._settings.tables_from if self._settings.tables else "",
                "DATASETS": environment_text(self._settings.datasets),
            },
            permissions=[
                self._describe_permission(),
                self._on_table("dynamodb:UpdateItem"),
                self._list_bucket_permission("s3:ListBucketMultipartUploads"),
                self._on_objects("runs/*", actions=["s3:GetObject"]),
                self._on_objects("raw/*", "data/*", "manifests/*", "work/*", actions=["s3:GetObject", "s3:PutObject"]),
                self._on_objects("raw/*", actions=["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]),
                self._on_objects("data/*", "work/*", actions=["s3:AbortMultipartUpload", "s3:DeleteObject"]),
                *self._table_permissions(),
                self._publish_permission(),
            ],
        )

    def _report_run(self) -> lambda_.Function:
        """The report is a file in the storage, as it may be larger than the memory. The status page reads the index.

        If exports are collected, it reads the table of the collector, too.
        """
        collecting = self._storage.collecting_table
        return self._function(
            "ReportRun",
            "Writes the report of a run and returns its output",
            storage=Size.gibibytes(1),
            timeout=Duration.minutes(5),
            environment={
                **self._event_environment(),
                "STACK_NAME": Aws.STACK_NAME,
                "LATE_AFTER_HOURS": str(self._settings.late_after_hours),
                "COLLECTING_TABLE_NAME": collecting.table_name if collecting else "",
            },
            permissions=[
                self._on_table("dynamodb:BatchGetItem", "dynamodb:UpdateItem"),
                self._query_permission(),
                *([Permission(actions=["dynamodb:Scan"], resources=[collecting.table_arn])] if collecting else []),
                self._on_objects("runs/*", actions=["s3:GetObject", "s3:PutObject"]),
                Permission(
                    actions=["s3:PutObject"], resources=[self._storage.bucket.arn_for_objects("status/index.html")]
                ),
                self._publish_permission(),
            ],
        )

    def _collect_exports(self, table: dynamodb.ITable) -> lambda_.Function:
        """One invocation at a time works: it locks the table for the time that it has left."""
        return self._function(
            "CollectExports",
            "Starts exports within the limits of the service, and keeps account of what is stored of each agent",
            timeout=Duration.minutes(5),
            environment={
                **self._event_environment(),
                "COLLECTING_TABLE_NAME": table.table_name,
                "NOT_FOUND_GRACE_SECONDS": str(self._settings.not_found_grace_seconds),
            },
            permissions=[
                self._discovery_permission(
                    "StartExportTask", "DescribeAgents", "ListConfigurations", "DescribeExportTasks"
                ),
                self._on_table("dynamodb:BatchGetItem", "dynamodb:UpdateItem"),
                Permission(
                    actions=["dynamodb:Scan", "dynamodb:PutItem", "dynamodb:DeleteItem"],
                    resources=[table.table_arn],
                ),
                self._publish_permission(),
            ],
        )

    def _function(
        self,
        id: FunctionName,
        description: str,
        *,
        timeout: Duration,
        environment: Mapping[str, str],
        permissions: Sequence[Permission],
        memory: int = 512,
        storage: Size | None = None,
    ) -> lambda_.Function:
        """A function with the common settings. From 512 MB on, importing boto3 is no longer most of a cold start.

        Arm costs a fifth less, and all packages exist for it.
        """
        log = log_group(self, f"{id}Logs", days=self._settings.log_retention_days, key=self._key)
        variables = {**self._common_environment(), **environment, **POWERTOOLS}
        variables = {name: value for name, value in variables.items() if value}
        reject_too_large(self, id, variables)
        function = lambda_.Function(
            self,
            id,
            description=description,
            code=self._code,
            handler=f"{module(id)}.handler",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=ARCHITECTURES[self._settings.architecture],
            memory_size=memory,
            ephemeral_storage_size=storage,
            timeout=timeout,
            environment=variables,
            role=make_role(
                self,
                f"{id}Role",
                assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
                permissions=[*permissions, log_permission(log), *self._key_permissions(), *self._network_permissions()],
            ),
            log_group=log,
            environment_encryption=self._key,
            reserved_concurrent_executions=self._settings.reserved_concurrency.get(id),
            vpc=self._network.vpc if self._network else None,
            vpc_subnets=self._network.subnets if self._network else None,
            security_groups=self._network.security_groups if self._network else None,
        )
        acknowledge(
            function, "AwsSolutions-L1", "Lambda supports Python 3.13 until 2029; the code needs no newer version."
        )
        return function

    def _common_environment(self) -> dict[str, str]:
        return {
            "TABLE_NAME": self._storage.table.table_name,
            "BUCKET_NAME": self._storage.bucket.bucket_name,
            "ACCOUNT_ID": Aws.ACCOUNT_ID,
            "DISCOVERY_ACCOUNT_ID": self._settings.discovery_account or Aws.ACCOUNT_ID,
            "DISCOVERY_REGION": self._settings.discovery_region or Aws.REGION,
            "DISCOVERY_ROLE_ARN": self._settings.discovery_role_arn or "",
            "DISCOVERY_EXTERNAL_ID": self._settings.discovery_external_id or "",
        }

    def _event_environment(self) -> dict[str, str]:
        """The event bus, and the table ARN that identifies this stack's events."""
        return {"EVENT_BUS_NAME": self._bus.event_bus_name, "TABLE_ARN": self._storage.table.table_arn}

    def _describe_permission(self) -> Permission:
        return self._discovery_permission("DescribeExportTasks")

    def _discovery_permission(self, *actions: str) -> Permission:
        """The actions in the stack's own account, or AssumeRole for a role in another account."""
        if role := self._settings.discovery_role_arn:
            return Permission(actions=["sts:AssumeRole"], resources=[role])
        return Permission(
            actions=[f"discovery:{action}" for action in actions],
            resources=["*"],
            reason=f"The service supports no resource-level permissions for {', '.join(actions)}.",
        )

    def _on_table(self, *actions: str) -> Permission:
        return Permission(actions=actions, resources=[self._storage.table.table_arn])

    def _query_permission(self) -> Permission:
        return Permission(actions=["dynamodb:Query"], resources=[f"{self._storage.table.table_arn}/index/{INDEX}"])

    def _on_objects(self, *patterns: str, actions: Sequence[str]) -> Permission:
        return Permission(
            actions=actions,
            resources=[self._storage.bucket.arn_for_objects(pattern) for pattern in patterns],
            reason="Keys contain the ids of exports and runs; the function is limited to the prefixes that it uses.",
        )

    def _list_bucket_permission(self, *more: str) -> Permission:
        """Without s3:ListBucket, S3 returns 403 instead of 404 for a key that does not exist."""
        return Permission(actions=["s3:ListBucket", *more], resources=[self._storage.bucket.bucket_arn])

    def _table_permissions(self) -> list[Permission]:
        """To write tables. Their objects are never deleted: an upload is completed only if the export is stored."""
        if not self._settings.tables:
            return []
        return [self._on_objects("tables/*", actions=["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"])]

    def _publish_permission(self) -> Permission:
        """Limited to this project's event source; ForAllValues, because one call may put several events."""
        return Permission(
            actions=["events:PutEvents"],
            resources=[self._bus.event_bus_arn],
            conditions={"ForAllValues:StringEquals": {"events:source": SOURCE}},
        )

    def _key_permissions(self) -> list[Permission]:
        """The KMS permissions that S3, DynamoDB and Lambda require of a role that uses encrypted data."""
        actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
        return [
            *key_permissions(self._key, actions, services=["s3", "dynamodb", "lambda"]),
            *environment_permissions(self._key),
        ]

    def _network_permissions(self) -> list[Permission]:
        return self._network.permissions if self._network else []


def log_permission(log: logs.LogGroup) -> Permission:
    return Permission(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log.log_group_arn])


def module(id: str) -> str:
    """The name of the handler's module: ``plan_run`` for ``PlanRun``."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in id).removeprefix("_")


def own_metric(name: str, statistic: str, label: str | None = None, **dimensions: str) -> cloudwatch.Metric:
    """A metric that the functions emit. Alarms need it without a label, else the CDK turns it into metric math."""
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"service": SERVICE, **dimensions},
        statistic=statistic,
        period=METRICS_PERIOD,
        label=dimensions.get("outcome", label),
    )
