"""Calls of the service in another account, with STS played by moto."""

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
    """As in a function: credentials and region in its environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield


def asked_of_sts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What botocore says of each request for a role."""
    return [line for line in caplog.messages if line.startswith("Making request for OperationModel(name=AssumeRole)")]


def test_clients_act_as_the_role_under_the_functions_name() -> None:
    session = session_as(ROLE, name="PlanRun-1", external_id="")

    caller = session.client("sts").get_caller_identity()

    assert caller["Account"] == "111122223333"
    assert caller["Arn"] == "arn:aws:sts::111122223333:assumed-role/exports-reader/PlanRun-1"


def test_role_is_asked_for_in_the_own_region_with_its_external_id(caplog: pytest.LogCaptureFixture) -> None:
    session = session_as(ROLE, name="PlanRun-1", external_id="wave-2026")
    caplog.set_level(logging.DEBUG, "botocore.endpoint")

    session.client("sts").get_caller_identity()

    (asked,) = asked_of_sts(caplog)
    assert "'ExternalId': 'wave-2026'" in asked
    assert "'client_region': 'eu-central-1'" in asked


def test_nothing_is_asked_for_before_it_is_needed_and_then_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "botocore.endpoint")

    client = session_as(ROLE, name="PlanRun-1", external_id="").client("sts")
    before = asked_of_sts(caplog)
    for _ in range(3):
        client.get_caller_identity()

    assert before == []
    assert len(asked_of_sts(caplog)) == 1


def test_role_is_taken_anew_before_its_credentials_end(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_as(ROLE, name="PlanRun-1", external_id="")
    credentials: Any = session.get_credentials()
    first = credentials.get_frozen_credentials().access_key

    its_clock(monkeypatch, credentials, ahead=timedelta(minutes=40))
    before = credentials.get_frozen_credentials().access_key
    its_clock(monkeypatch, credentials, ahead=timedelta(minutes=55))
    then = credentials.get_frozen_credentials().access_key

    assert before == first
    assert then != first


def its_clock(monkeypatch: pytest.MonkeyPatch, credentials: Any, *, ahead: timedelta) -> None:
    """botocore holds its clock in two places: what renews, and what keeps the last answer."""
    for place, name in ((credentials, "_time_fetcher"), (botocore.credentials, "_local_now")):
        monkeypatch.setattr(place, name, lambda: datetime.now(UTC) + ahead)
