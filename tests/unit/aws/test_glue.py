"""Partitions of the tables in AWS Glue."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from exports.aws.glue import GlueTables
from exports.errors import NonRetryableError

FOLDER = "tables/agent_process/requested_date=2026-11-23/export_id=export-1"
FILE = {"dataset": "agent_process", "tableKey": f"{FOLDER}/a.csv.jsonl.gz"}
NO_TABLE = {"dataset": "agent_results", "tableKey": None}
STORAGE = {"Columns": [{"Name": "name", "Type": "string"}], "Location": "s3://b/tables/agent_process/"}
TABLE = {"Table": {"Name": "agent_process", "StorageDescriptor": STORAGE}}
GET_TABLE = {"DatabaseName": "db", "Name": "agent_process"}
PARTITION = {
    "DatabaseName": "db",
    "TableName": "agent_process",
    "PartitionInput": {
        "Values": ["2026-11-23", "export-1"],
        "StorageDescriptor": {**STORAGE, "Location": f"s3://b/{FOLDER}/"},
    },
}


@pytest.fixture
def stubbed() -> Iterator[tuple[GlueTables, Stubber]]:
    client = boto3.client("glue", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield GlueTables(lambda: client, database="db", bucket="b"), stubber
        stubber.assert_no_pending_responses()


def test_each_dataset_has_one_partition_with_the_columns_of_its_table(stubbed: tuple[GlueTables, Stubber]) -> None:
    tables, stubber = stubbed
    stubber.add_response("get_table", TABLE, GET_TABLE)
    stubber.add_response("create_partition", {}, PARTITION)

    tables.add_partitions({"files": [FILE, {**FILE, "tableKey": f"{FOLDER}/b.csv.jsonl.gz"}, NO_TABLE]})


def test_an_existing_partition_is_no_error(stubbed: tuple[GlueTables, Stubber]) -> None:
    tables, stubber = stubbed
    stubber.add_response("get_table", TABLE, GET_TABLE)
    stubber.add_client_error("create_partition", "AlreadyExistsException")

    tables.add_partitions({"files": [FILE]})


def test_a_missing_permission_is_an_error_with_its_code(stubbed: tuple[GlueTables, Stubber]) -> None:
    tables, stubber = stubbed
    stubber.add_client_error("get_table", "AccessDeniedException")

    with pytest.raises(NonRetryableError, match=r"^AccessDeniedException$"):
        tables.add_partitions({"files": [FILE]})


@pytest.mark.parametrize(
    ("database", "files"),
    [("", [FILE]), ("db", []), ("db", [NO_TABLE]), ("db", [{"dataset": "agent_process"}])],
)
def test_glue_is_not_called_without_a_database_or_a_table(database: str, files: list[Any]) -> None:
    def connect() -> Any:
        raise AssertionError("no client must be created")

    GlueTables(connect, database=database, bucket="b").add_partitions({"files": files})
