"""moto, on which the tests of the catalog run here. ``tests/judges`` runs the same tests on DynamoDB Local."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from exports.dependencies import CONFIG
from tests.unit.builders import SESSION, create_catalog

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def dynamodb() -> "Iterator[DynamoDBClient]":
    """The client of the functions, and an empty table named ``catalog``."""
    with mock_aws():
        client = SESSION.client("dynamodb", config=CONFIG)
        create_catalog(client)
        yield client
