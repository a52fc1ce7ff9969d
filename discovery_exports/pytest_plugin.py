"""The pytest plugin of the extra ``testing``. pytest imports it at every start, so it imports nothing but pytest."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import ApplicationDiscovery

EXTRA = 'the fixture application_discovery needs more packages: pip install "discovery-exports[testing]"'


@pytest.fixture
def application_discovery() -> "Iterator[ApplicationDiscovery]":
    """A double of AWS Application Discovery Service that boto3 clients created in the test use. See docs/testing.md."""
    try:
        from .testing import running_for_boto3
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("discovery_exports"):
            raise
        pytest.fail(f"{EXTRA} ({error})", pytrace=False)
    with running_for_boto3() as application_discovery:
        yield application_discovery
