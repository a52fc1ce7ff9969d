"""Tests of another project, with the pytest plugin of ``discovery-exports[testing]``: no AWS account, no sleeping."""

import csv
import io
import time

import pytest
from agent_data import ExportFailed, ExportTruncated, agent_data
from botocore.exceptions import ClientError

from discovery_exports.testing import (
    ApplicationDiscovery,
    expired_link,
    failed,
    finished,
    late,
    odd,
    refused,
    truncated,
)


@pytest.fixture(autouse=True)
def time_passes_at_once(application_discovery: ApplicationDiscovery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", application_discovery.advance)


@pytest.fixture
def agent(application_discovery: ApplicationDiscovery) -> str:
    return application_discovery.agents()[0]


def test_a_finished_export_has_the_rows_of_its_csv_files(
    application_discovery: ApplicationDiscovery, agent: str
) -> None:
    application_discovery.next_exports(finished(after_seconds=90))

    data = agent_data(agent)

    (export,) = application_discovery.exports()
    files = application_discovery.files(export["id"])
    assert export["agent_id"] == agent
    assert data == {name: list(csv.DictReader(io.StringIO(text.decode(), newline=""))) for name, text in files.items()}
    assert len(data["123456789012_systemPerformance.csv"]) == 24
    assert application_discovery.calls("DescribeExportTasks") == 4


def test_a_failed_export_raises_the_message_of_the_service(
    application_discovery: ApplicationDiscovery, agent: str
) -> None:
    application_discovery.next_exports(failed("No data for the agent", after_seconds=60))

    with pytest.raises(ExportFailed, match="No data for the agent"):
        agent_data(agent)


def test_truncated_data_is_not_taken_for_complete(application_discovery: ApplicationDiscovery, agent: str) -> None:
    application_discovery.next_exports(truncated())

    with pytest.raises(ExportTruncated):
        agent_data(agent)


def test_an_export_that_is_listed_late_is_waited_for(application_discovery: ApplicationDiscovery, agent: str) -> None:
    application_discovery.next_exports(late(after_seconds=600))

    assert agent_data(agent)
    assert application_discovery.calls("DescribeExportTasks") == 21


def test_an_export_that_is_too_late_is_an_error(application_discovery: ApplicationDiscovery, agent: str) -> None:
    application_discovery.next_exports(late(after_seconds=3600))

    with pytest.raises(TimeoutError):
        agent_data(agent, polls=10)


def test_throttled_calls_are_repeated(application_discovery: ApplicationDiscovery, agent: str) -> None:
    application_discovery.throttle(calls=2)

    assert agent_data(agent)
    assert application_discovery.calls("StartExportTask") == 3


def test_an_expired_link_is_renewed(application_discovery: ApplicationDiscovery, agent: str) -> None:
    application_discovery.next_exports(expired_link())

    assert agent_data(agent)
    (export,) = application_discovery.exports()
    assert application_discovery.downloads(export["id"]) == 2


def test_an_unknown_status_is_waited_for(application_discovery: ApplicationDiscovery, agent: str) -> None:
    application_discovery.next_exports(odd(outcome="ARCHIVED"))

    with pytest.raises(TimeoutError):
        agent_data(agent, polls=3)


def test_a_finished_export_without_a_link_is_polled_again(
    application_discovery: ApplicationDiscovery, agent: str
) -> None:
    application_discovery.next_exports(odd(without=["configurationsDownloadUrl"]))

    with pytest.raises(TimeoutError):
        agent_data(agent, polls=3)


def test_a_refused_start_is_an_error(application_discovery: ApplicationDiscovery, agent: str) -> None:
    application_discovery.next_exports(refused("OperationNotPermittedException", "Too many exports"))

    with pytest.raises(ClientError, match="Too many exports"):
        agent_data(agent)


def test_a_sixth_export_at_once_is_refused(application_discovery: ApplicationDiscovery, agent: str) -> None:
    for _ in range(5):
        application_discovery.add_export(finished(after_seconds=60), kind="agent")

    with pytest.raises(ClientError, match="maximum allowed concurrent exports"):
        agent_data(agent)
