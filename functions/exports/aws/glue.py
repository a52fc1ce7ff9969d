"""Adds partitions to the tables in Glue, so that SQL can query their rows."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from exports.aws.client_errors import aws_call

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


class GlueTables:
    """The tables of one database, whose data is in the bucket. The client is created on first use.

    Without a database, no partition is added, even if an earlier deployment has written table objects.
    """

    def __init__(self, connect: Callable[[], "GlueClient"], *, database: str, bucket: str) -> None:
        self._connect = connect
        self._database = database
        self._bucket = bucket

    def add_partitions(self, manifest: Mapping[str, Any]) -> None:
        """Add a partition for every table object in the manifest. Existing partitions are left unchanged."""
        files = manifest["files"] if self._database else ()
        keys = {file["dataset"]: file["tableKey"] for file in files if file.get("tableKey")}
        for dataset, key in keys.items():
            self._add_partition(dataset, key.rpartition("/")[0])

    def _add_partition(self, table: str, folder: str) -> None:
        """Create the partition with the table's own columns, so that Athena reads both the same way."""
        values = [part.partition("=")[2] for part in folder.split("/") if "=" in part]
        client = self._connect()
        with aws_call(), suppress(client.exceptions.AlreadyExistsException):
            description: Any = client.get_table(DatabaseName=self._database, Name=table)["Table"]
            storage = {**description["StorageDescriptor"], "Location": f"s3://{self._bucket}/{folder}/"}
            partition: Any = {"Values": values, "StorageDescriptor": storage}
            client.create_partition(DatabaseName=self._database, TableName=table, PartitionInput=partition)
