"""Queries to Athena as a user sends them, in the work group and the database of the stack."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from local.stack.aws import LocalAws
from tests.local.stack import Stack
from tests.local.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef
    from mypy_boto3_glue import GlueClient

Cells = tuple[str | None, ...]


class Athena:
    def __init__(self, aws: LocalAws, *, outputs: Mapping[str, str] | None = None, database: str = "") -> None:
        outputs = outputs or aws.outputs
        self._client: AthenaClient = aws.client("athena")
        self._work_group = outputs["WorkGroupName"]
        self._database = database or outputs["DatabaseName"]

    def rows(self, sql: str) -> list[Cells]:
        """The rows of the result without the header, each cell as text or None."""
        return self._result(sql)[1:]

    def columns(self, sql: str) -> Cells:
        """The column names of the result."""
        return self._result(sql)[0]

    def statements(self) -> list[str]:
        """All statements so far in the work group, of any database."""
        pages = self._client.get_paginator("list_query_executions").paginate(WorkGroup=self._work_group)
        ids = [query for page in pages for query in page["QueryExecutionIds"]]
        return [self._client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Query"] for query in ids]

    def _result(self, sql: str) -> list[Cells]:
        started = self._client.start_query_execution(
            QueryString=sql, WorkGroup=self._work_group, QueryExecutionContext={"Database": self._database}
        )
        query = started["QueryExecutionId"]
        ended = until(lambda: self._ended(query), what="the end of a query")
        assert ended["Status"]["State"] == "SUCCEEDED", ended["Status"].get("StateChangeReason")
        pages = self._client.get_paginator("get_query_results").paginate(QueryExecutionId=query)
        rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
        return [tuple(cell.get("VarCharValue") for cell in row) for row in rows]

    def _ended(self, query: str) -> "QueryExecutionTypeDef | None":
        execution = self._client.get_query_execution(QueryExecutionId=query)["QueryExecution"]
        return None if execution["Status"]["State"] in ("QUEUED", "RUNNING") else execution


class Database:
    """A database with the tables of the stack over a prefix of the bucket that contains only objects of one test.

    Other tests store exports meanwhile, and most queries are about the newest export of a kind.
    """

    def __init__(self, aws: LocalAws, stack: Stack, name: str) -> None:
        self._stack = stack
        self._prefix = f"places/{name}"
        glue: GlueClient = aws.client("glue")
        glue.create_database(DatabaseInput={"Name": name})
        tables: Any = glue.get_tables(DatabaseName=aws.outputs["DatabaseName"])["TableList"]
        for table in (table for table in tables if table["TableType"] == "EXTERNAL_TABLE"):
            glue.create_table(DatabaseName=name, TableInput=self._moved(table))
        self.athena = Athena(aws, database=name)

    def copy_exports(self, export_ids: Iterable[str]) -> None:
        """Copy the objects of stored exports that the tables consist of."""
        for export_id in export_ids:
            manifest = self._stack.manifest(export_id)
            month = manifest["exportRequestTime"][:7]
            rows = [str(file["tableKey"]) for file in manifest["files"] if file["tableKey"]]
            for key in (*rows, f"tables/exports/requested_month={month}/{export_id}.parquet"):
                source: Any = {"Bucket": self._stack.bucket, "Key": key}
                self._stack.s3.copy_object(CopySource=source, Bucket=self._stack.bucket, Key=f"{self._prefix}/{key}")

    def put(self, key: str, body: bytes) -> None:
        self._stack.s3.put_object(Bucket=self._stack.bucket, Key=f"{self._prefix}/{key}", Body=body)

    def _moved(self, table: Mapping[str, Any]) -> Any:
        """The table over the prefix. It has no parameters: those for projection name the folders of the stack."""
        storage = table["StorageDescriptor"]
        moved = storage["Location"].replace(f"s3://{self._stack.bucket}", f"s3://{self._stack.bucket}/{self._prefix}")
        described = {name: table[name] for name in ("Name", "PartitionKeys", "TableType")}
        return {**described, "StorageDescriptor": {**storage, "Location": moved}}


def sql_of(view: Mapping[str, Any]) -> str:
    """The SQL of a view in Glue."""
    encoded = str(view["ViewOriginalText"]).removeprefix("/* Presto View: ").removesuffix(" */")
    return str(json.loads(base64.b64decode(encoded))["originalSql"])
