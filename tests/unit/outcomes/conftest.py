"""moto, on which the tests of the catalog run here. ``tests/judges`` runs the same tests on DynamoDB Local."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from exports.dependencies import CONFIG
from tests.unit.builders import create_catalog

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SESSION = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
"""One session for all tests: each new session loads the service model again."""


@pytest.fixture
def dynamodb() -> "Iterator[DynamoDBClient]":
    """The client of the functions, and an empty table named ``catalog``."""
    with mock_aws():
        client = SESSION.client("dynamodb", config=CONFIG)
        create_catalog(client)
        yield client
