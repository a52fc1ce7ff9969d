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

from discovery_exports.locations import QUERIES

from .athena_views import View, latest
from .table_schemas import APPENDED, EXPORTS_TABLE, PARTITION, exports_table, known_tables


class Tables(Construct):
    """A database with a table for each dataset and one of the exports themselves, and a workgroup to query them.

    ``added`` holds names and types of the columns of custom datasets. Each known dataset also has the view ``latest_…``
    of its newest export. The tables have the exports that were requested in the month ``since`` (yyyy-mm) or later.
    Query results go to ``queries/`` of the bucket; Athena cancels a query that scans ``scan_limit_bytes``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: s3.IBucket,
        since: str,
        scan_limit_bytes: int,
        named_queries: bool = True,
        added: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._bucket = bucket
        self._since = since
        # Glue requires lower case, and a workgroup requires a name; it is unique, so that two stacks can coexist.
        self.name = Names.unique_resource_name(self, max_length=100, separator="_").lower()
        self.database = self._database()
        for dataset, columns in {**known_tables(), **(added or {})}.items():
            self._table(dataset, [*columns, *APPENDED])
        for dataset, columns in known_tables().items():
            self._view(latest(dataset, [*columns, *APPENDED, PARTITION]))
        self._table(EXPORTS_TABLE, exports_table())
        self.work_group = self._work_group(scan_limit_bytes, key)
        if named_queries:
            for query in sorted(QUERIES.glob("*.sql")):
                self._named_query(query)

    def _database(self) -> glue.CfnDatabase:
        database = glue.CfnDatabase.DatabaseInputProperty(
            name=self.name, description="Stored exports of AWS Application Discovery Service"
        )
        return glue.CfnDatabase(self, "Database", catalog_id=Aws.ACCOUNT_ID, database_input=database)

    def _table(self, name: str, columns: Sequence[tuple[str, str]]) -> None:
        """Parquet is read by column name, so columns may be added; a JSON SerDe reads partitions by position.

        https://docs.aws.amazon.com/athena/latest/ug/handling-schema-updates-chapter.html
        """
        location = f"s3://{self._bucket.bucket_name}/tables/{name}/"
        storage = glue.CfnTable.StorageDescriptorProperty(
            columns=_columns(columns),
            location=location,
            input_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            output_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            serde_info=glue.CfnTable.SerdeInfoProperty(
                serialization_library="org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
            ),
        )
        self._catalog(
            name,
            table_type="EXTERNAL_TABLE",
            parameters={"EXTERNAL": "TRUE", "classification": "parquet", **self._projection(location)},
            partition_keys=_columns([PARTITION]),
            storage_descriptor=storage,
        )

    def _projection(self, location: str) -> dict[str, str]:
        """Partition projection: Athena computes the months, so nothing registers partitions in AWS Glue.

        https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
        """
        column, _ = PARTITION
        return {
            "projection.enabled": "true",
            f"projection.{column}.type": "date",
            f"projection.{column}.format": "yyyy-MM",
            f"projection.{column}.range": f"{self._since},NOW",
            f"projection.{column}.interval": "1",
            f"projection.{column}.interval.unit": "MONTHS",
            "storage.location.template": f"{location}{column}=${{{column}}}/",
        }

    def _view(self, view: View) -> None:
        self._catalog(view.name, **view.table_input(self.name))

    def _catalog(self, name: str, **table_input: Any) -> None:
        table = glue.CfnTable(
            self,
            name,
            catalog_id=Aws.ACCOUNT_ID,
            database_name=self.name,
            table_input=glue.CfnTable.TableInputProperty(name=name, **table_input),
        )
        table.add_resource_dependency(self.database)

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
