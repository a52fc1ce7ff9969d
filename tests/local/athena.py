"""SQL as a reader asks it: a plain query to Athena, in the stack's work group and database."""

import base64
import io
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exports.datasets.json_lines import JsonLinesWriter, known_tables
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
        """The result's rows without the header, every cell as text or None."""
        return self._answer(sql)[1:]

    def columns(self, sql: str) -> Cells:
        """The names of the result's columns."""
        return self._answer(sql)[0]

    def asked(self) -> list[str]:
        """Everything that was ever asked of the work group, whatever the database."""
        pages = self._client.get_paginator("list_query_executions").paginate(WorkGroup=self._work_group)
        ids = [query for page in pages for query in page["QueryExecutionIds"]]
        return [self._client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Query"] for query in ids]

    def _answer(self, sql: str) -> list[Cells]:
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


class Place:
    """A database with the stack's tables over a part of the bucket where nothing lies but what is put there.

    Other tests store exports meanwhile, and the newest of a kind is what most questions are about.
    """

    def __init__(self, aws: LocalAws, stack: Stack, name: str) -> None:
        self._stack = stack
        self._folder = f"places/{name}"
        glue: GlueClient = aws.client("glue")
        glue.create_database(DatabaseInput={"Name": name})
        tables: Any = glue.get_tables(DatabaseName=aws.outputs["DatabaseName"])["TableList"]
        for table in (table for table in tables if table["TableType"] == "EXTERNAL_TABLE"):
            storage = table["StorageDescriptor"]
            moved = storage["Location"].replace(f"s3://{stack.bucket}", f"s3://{stack.bucket}/{self._folder}")
            described = {name: table[name] for name in ("Name", "PartitionKeys", "Parameters", "TableType")}
            wanted: Any = {**described, "StorageDescriptor": {**storage, "Location": moved}}
            glue.create_table(DatabaseName=name, TableInput=wanted)
        self.athena = Athena(aws, database=name)

    def take(self, export_ids: Iterable[str]) -> None:
        """Copy what SQL reads of stored exports."""
        for export_id in export_ids:
            tables = [str(file["tableKey"]) for file in self._stack.manifest(export_id)["files"] if file["tableKey"]]
            for key in (f"manifests/{export_id}.json", *tables):
                self.put(key, self._stack.body(key))

    def put(self, key: str, body: bytes) -> None:
        self._stack.s3.put_object(Bucket=self._stack.bucket, Key=f"{self._folder}/{key}", Body=body)

    def put_rows(self, dataset: str, export_id: str, header: Sequence[str], rows: Iterable[list[str]]) -> None:
        """Rows as they would be written from a CSV with this header."""
        sink = io.BytesIO()
        sheet = JsonLinesWriter(sink.write, known_tables()[dataset])
        take = sheet.begin(header)
        for row in rows:
            take(row)
        sheet.finish()
        folder = f"tables/{dataset}/requested_date=2026-01-01/export_id={export_id}"
        self.put(f"{folder}/{uuid.uuid4().hex}.jsonl.gz", sink.getvalue())


def sql_of(view: Mapping[str, Any]) -> str:
    """What a view in Glue answers, as Athena finds it there."""
    encoded = str(view["ViewOriginalText"]).removeprefix("/* Presto View: ").removesuffix(" */")
    return str(json.loads(base64.b64decode(encoded))["originalSql"])
