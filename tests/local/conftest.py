"""The deployed stack for the tests of this suite: one deployment for all that bear each other."""

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
    """The double; every link that it hands out holds the session's marker."""
    service = Service(aws, marker)
    service.double.settings(marker=marker)
    return service


@pytest.fixture(scope="session")
def events(aws: LocalAws) -> Inbox:
    """What is put on the bus from the first use on."""
    return Inbox(aws).subscribe_to_bus()


@pytest.fixture(scope="session")
def messages(aws: LocalAws, stack: Stack) -> Inbox:
    """What is published to the topic from the first use on."""
    return Inbox(aws).subscribe_to_topic(stack.topic, stack.table_arn)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> PrintLive:
    return PrintLive(capsys)
