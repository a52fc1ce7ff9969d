"""Metrics as lines in the CloudWatch embedded metric format."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from exports.outcomes.metrics import measure, record_call, record_poll
from exports.outcomes.outcome import Outcome
from tests.unit.builders import row

TIMES = {"exportRequestTime": "2026-11-23T10:00:00.000Z", "settledAt": "2026-11-23T10:30:00.000Z"}


@pytest.fixture(autouse=True)
def namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "DiscoveryExports/Test")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "discovery-exports")


def emitted(capsys: pytest.CaptureFixture[str]) -> Mapping[str, Any]:
    """Values of the single line of output by name, including its dimensions."""
    line = json.loads(capsys.readouterr().out)
    (metrics,) = line.pop("_aws")["CloudWatchMetrics"]
    assert metrics["Namespace"] == "DiscoveryExports/Test"
    names = [metric["Name"] for metric in metrics["Metrics"]]
    dimensions = [name for group in metrics["Dimensions"] for name in group]
    assert line["service"] == "discovery-exports"
    return {name: line[name] for name in (*names, *dimensions) if name != "service"}


def test_a_stored_export_has_metrics_of_size_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    measure(row("export-1", bytes=2048, rows=3, **TIMES), Outcome.STORED)

    values = {"Exports": [1.0], "BytesStored": [2048.0], "RowsStored": [3.0], "SecondsFromRequestToStored": [1800.0]}
    assert emitted(capsys) == {**values, "outcome": "STORED"}


def test_an_export_that_is_not_stored_is_only_counted(capsys: pytest.CaptureFixture[str]) -> None:
    measure(row("export-1", "FAILED", **TIMES), Outcome.FAILED)

    assert emitted(capsys) == {"Exports": [1.0], "outcome": "FAILED"}


def test_a_poll_has_metrics_of_the_oldest_age_and_each_delay(capsys: pytest.CaptureFixture[str]) -> None:
    record_poll([timedelta(seconds=15), timedelta(seconds=15)], [timedelta(hours=1), timedelta(minutes=1)])

    assert emitted(capsys) == {"OldestUnsettledSeconds": [3600.0], "SecondsFromFinishedToNoticed": [15.0, 15.0]}


def test_more_than_100_delays_are_all_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    record_poll([timedelta(seconds=15)] * 100, [])

    full, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert full["SecondsFromFinishedToNoticed"] == [15.0] * 100
    assert last["OldestUnsettledSeconds"] == [0.0]


def test_a_poll_without_pending_exports_records_an_age_of_zero(capsys: pytest.CaptureFixture[str]) -> None:
    record_poll([], [])

    assert emitted(capsys) == {"OldestUnsettledSeconds": [0.0]}


@pytest.mark.parametrize(("code", "throttles"), [("ThrottlingException", 1.0), ("ServerInternalErrorException", 0.0)])
def test_each_attempt_of_a_call_and_each_throttle_are_counted(
    capsys: pytest.CaptureFixture[str], code: str, throttles: float
) -> None:
    record_call(parsed_response={"Error": {"Code": code, "Message": "…"}})

    assert emitted(capsys) == {"DescribeCalls": [1.0], "DescribeThrottles": [throttles]}


def test_a_call_without_a_response_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    record_call(parsed_response=None, exception=OSError())

    assert emitted(capsys) == {"DescribeCalls": [1.0], "DescribeThrottles": [0.0]}
