"""The deployed stack of this suite: one deployment for all tests that can run at the same time."""

import pytest

from local.stack.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.session import SharedAws
from tests.local.stack import Stack


@pytest.fixture(scope="session", autouse=True)
def aws(shared_aws: SharedAws) -> LocalAws:
    return shared_aws.up()


@pytest.fixture(scope="session")
def stack(aws: LocalAws) -> Stack:
    return Stack(aws)


@pytest.fixture(scope="session")
def marker(shared_aws: SharedAws) -> str:
    return shared_aws.marker


@pytest.fixture(scope="session")
def service(aws: LocalAws, marker: str) -> Service:
    """The test double of the service; all its download URLs contain the session's marker."""
    service = Service(aws, marker)
    service.double.settings(marker=marker)
    return service


@pytest.fixture(scope="session")
def events(aws: LocalAws) -> Inbox:
    """Events on the bus since the first use of this fixture."""
    return Inbox(aws).subscribe_to_bus()


@pytest.fixture(scope="session")
def messages(aws: LocalAws, stack: Stack) -> Inbox:
    """Messages of the topic since the first use of this fixture."""
    return Inbox(aws).subscribe_to_topic(stack.topic, stack.table_arn)


@pytest.fixture
def print_live(capsys: pytest.CaptureFixture[str]) -> PrintLive:
    return PrintLive(capsys)
