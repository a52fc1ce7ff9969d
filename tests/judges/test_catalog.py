"""The tests of the catalog, on DynamoDB Local."""

from tests.unit.outcomes.test_catalog import *  # noqa: F403
