"""Stored exports as AWS Glue tables, and an Athena workgroup to query them; there is no crawler to run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import Aws, Names
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from .athena_views import View, latest
from .permissions import Permission
from .table_schemas import EXPORTS_TABLE, OTHER, PARTITIONS, known_tables

QUERIES = Path(__file__).parents[1] / "docs" / "queries"
"""Each file starts with a comment, which becomes the description of the named query."""
FILES = (
    "array<struct<name:string,dataset:string,key:string,tablekey:string,bytes:bigint,sha256:string,rows:bigint,"
    "columns:array<string>>>"
)
EXPORTS = {
    "exportId": "string",
    "kind": "string",
    "account": "string",
    "region": "string",
    "statusMessage": "string",
    "exportRequestTime": "string",
    "isTruncated": "boolean",
    "requestedStartTime": "string",
    "requestedEndTime": "string",
    "actualStartTime": "string",
    "actualEndTime": "string",
    "files": FILES,
    "runId": "string",
    "correlationId": "string",
}
"""Columns of the table ``exports``, one row for each manifest."""


class Tables(Construct):
    """A database with a table for each dataset and one of the exports themselves, and a workgroup to query them.

    ``added`` holds names and types of the columns of custom datasets. Each known dataset also has the view ``latest_…``
    of its newest export.
    Query results go to ``queries/`` of the bucket; Athena cancels a query that scans ``scan_limit_bytes``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: s3.IBucket,
        scan_limit_bytes: int,
        named_queries: bool = True,
        added: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._bucket = bucket
        self.tables: list[glue.CfnTable] = []
        # Glue requires lower case, and a workgroup requires a name; it is unique, so that two stacks can coexist.
        self.name = Names.unique_resource_name(self, max_length=100, separator="_").lower()
        self.database = self._database()
        for dataset, columns in {**known_tables(), **(added or {})}.items():
            self._table(dataset, [*columns, OTHER], folder=f"tables/{dataset}/", partitions=PARTITIONS)
        for dataset, columns in known_tables().items():
            self._view(latest(dataset, [*columns, OTHER, *PARTITIONS]))
        self._table(EXPORTS_TABLE, list(EXPORTS.items()), folder="manifests/")
        self.work_group = self._work_group(scan_limit_bytes, key)
        if named_queries:
            for query in sorted(QUERIES.glob("*.sql")):
                self._named_query(query)

    @property
    def partition_permission(self) -> Permission:
        """The permission to add a partition."""
        arn = f"arn:{Aws.PARTITION}:glue:{Aws.REGION}:{Aws.ACCOUNT_ID}"
        return Permission(
            actions=["glue:GetTable", "glue:CreatePartition"],
            resources=[f"{arn}:catalog", f"{arn}:database/{self.name}", f"{arn}:table/{self.name}/*"],
            reason="The database has one table for each dataset.",
        )

    def _database(self) -> glue.CfnDatabase:
        database = glue.CfnDatabase.DatabaseInputProperty(
            name=self.name, description="Stored exports of AWS Application Discovery Service"
        )
        return glue.CfnDatabase(self, "Database", catalog_id=Aws.ACCOUNT_ID, database_input=database)

    def _table(
        self,
        name: str,
        columns: Sequence[tuple[str, str]],
        *,
        folder: str,
        partitions: Sequence[tuple[str, str]] = (),
    ) -> None:
        storage = glue.CfnTable.StorageDescriptorProperty(
            columns=_columns(columns),
            location=f"s3://{self._bucket.bucket_name}/{folder}",
            input_format="org.apache.hadoop.mapred.TextInputFormat",
            output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            serde_info=glue.CfnTable.SerdeInfoProperty(serialization_library="org.openx.data.jsonserde.JsonSerDe"),
        )
        table = self._catalog(
            name,
            table_type="EXTERNAL_TABLE",
            parameters={"EXTERNAL": "TRUE", "classification": "json"},
            partition_keys=_columns(partitions),
            storage_descriptor=storage,
        )
        self.tables.append(table)

    def _view(self, view: View) -> None:
        self._catalog(view.name, **view.table_input(self.name))

    def _catalog(self, name: str, **table_input: Any) -> glue.CfnTable:
        table = glue.CfnTable(
            self,
            name,
            catalog_id=Aws.ACCOUNT_ID,
            database_name=self.name,
            table_input=glue.CfnTable.TableInputProperty(name=name, **table_input),
        )
        table.add_resource_dependency(self.database)
        return table

    def _work_group(self, scan_limit_bytes: int, key: kms.IKey | None) -> athena.CfnWorkGroup:
        encryption = athena.CfnWorkGroup.EncryptionConfigurationProperty(
            encryption_option="SSE_KMS" if key else "SSE_S3", kms_key=key.key_arn if key else None
        )
        results = athena.CfnWorkGroup.ResultConfigurationProperty(
            output_location=f"s3://{self._bucket.bucket_name}/queries/",
            encryption_configuration=encryption,
            expected_bucket_owner=Aws.ACCOUNT_ID,
        )
        configuration = athena.CfnWorkGroup.WorkGroupConfigurationProperty(
            enforce_work_group_configuration=True,
            publish_cloud_watch_metrics_enabled=True,
            bytes_scanned_cutoff_per_query=scan_limit_bytes,
            result_configuration=results,
        )
        return athena.CfnWorkGroup(
            self,
            "WorkGroup",
            name=self.name,
            description="Queries of stored exports",
            recursive_delete_option=True,
            work_group_configuration=configuration,
        )

    def _named_query(self, query: Path) -> None:
        sql = query.read_text("utf-8")
        named = athena.CfnNamedQuery(
            self,
            "".join(word.capitalize() for word in query.stem.split("-")),
            name=query.stem,
            description=sql.partition("\n")[0].removeprefix("-- "),
            database=self.name,
            query_string=sql,
            work_group=self.work_group.ref,
        )
        named.add_resource_dependency(self.database)


def _columns(columns: Sequence[tuple[str, str]]) -> list[glue.CfnTable.ColumnProperty]:
    """Glue accepts lower-case names only."""
    return [glue.CfnTable.ColumnProperty(name=name.lower(), type=kind) for name, kind in columns]
