"""The tests of the catalog, on DynamoDB Local."""

from tests.unit.outcomes.test_catalog import *  # noqa: F403
from tests.unit.outcomes.test_catalog_index import test_items_are_read_from_the_index  # noqa: F401
