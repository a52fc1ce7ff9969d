"""The command on a stack in memory: moto's table and bucket, and a state machine that the test moves."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.unit.cli.stack import FakeStack


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    with mock_aws():
        fake = FakeStack()
        monkeypatch.setattr("discovery_exports.cli.context.Context.client", fake.client)
        monkeypatch.setattr("discovery_exports.cli.context.Context.now", fake.clock)
        monkeypatch.setattr("discovery_exports.cli.context.Context.sleep", fake.sleep)
        yield fake


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the developer changes the output."""
    for name in ("DISCOVERY_EXPORTS_STACK", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
