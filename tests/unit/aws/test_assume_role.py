"""Clients with an assumed role, against STS of moto."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.credentials
import pytest
from moto import mock_aws

from exports.aws.assume_role import session_as

ROLE = "arn:aws:iam::111122223333:role/exports-reader"


@pytest.fixture(autouse=True)
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a function: credentials and Region in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield


def assume_role_requests(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Log messages of botocore, one for each AssumeRole request."""
    return [line for line in caplog.messages if line.startswith("Making request for OperationModel(name=AssumeRole)")]


def test_clients_use_the_role_with_the_session_name_of_the_function() -> None:
    session = session_as(ROLE, name="PlanRun-1", external_id="")

    caller = session.client("sts").get_caller_identity()

    assert caller["Account"] == "111122223333"
    assert caller["Arn"] == "arn:aws:sts::111122223333:assumed-role/exports-reader/PlanRun-1"


def test_assume_role_uses_the_own_region_and_the_external_id(caplog: pytest.LogCaptureFixture) -> None:
    session = session_as(ROLE, name="PlanRun-1", external_id="wave-2026")
    caplog.set_level(logging.DEBUG, "botocore.endpoint")

    session.client("sts").get_caller_identity()

    (request,) = assume_role_requests(caplog)
    assert "'ExternalId': 'wave-2026'" in request
    assert "'client_region': 'eu-central-1'" in request


def test_assume_role_is_called_once_at_the_first_use(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "botocore.endpoint")

    client = session_as(ROLE, name="PlanRun-1", external_id="").client("sts")
    before = assume_role_requests(caplog)
    for _ in range(3):
        client.get_caller_identity()

    assert before == []
    assert len(assume_role_requests(caplog)) == 1


def test_credentials_are_refreshed_before_they_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_as(ROLE, name="PlanRun-1", external_id="")
    credentials: Any = session.get_credentials()
    first = credentials.get_frozen_credentials().access_key

    advance_clock(monkeypatch, credentials, ahead=timedelta(minutes=40))
    before = credentials.get_frozen_credentials().access_key
    advance_clock(monkeypatch, credentials, ahead=timedelta(minutes=55))
    after = credentials.get_frozen_credentials().access_key

    assert before == first
    assert after != first


def advance_clock(monkeypatch: pytest.MonkeyPatch, credentials: Any, *, ahead: timedelta) -> None:
    """botocore reads the time in two places: for the refresh, and for its cache of responses."""
    for place, name in ((credentials, "_time_fetcher"), (botocore.credentials, "_local_now")):
        monkeypatch.setattr(place, name, lambda: datetime.now(UTC) + ahead)
