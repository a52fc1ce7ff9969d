"""Metrics are lines of CloudWatch's embedded format."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from exports.model import Outcome
from exports.outcomes.metrics import measure, record_call, record_poll
from tests.unit.builders import row

TAKEN = {"exportRequestTime": "2026-11-23T10:00:00.000Z", "settledAt": "2026-11-23T10:30:00.000Z"}


@pytest.fixture(autouse=True)
def namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "DiscoveryExports/Test")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "discovery-exports")


def emitted(capsys: pytest.CaptureFixture[str]) -> Mapping[str, Any]:
    """Values by name of the one line that was written, its dimensions included."""
    line = json.loads(capsys.readouterr().out)
    (metrics,) = line.pop("_aws")["CloudWatchMetrics"]
    assert metrics["Namespace"] == "DiscoveryExports/Test"
    names = [metric["Name"] for metric in metrics["Metrics"]]
    dimensions = [name for group in metrics["Dimensions"] for name in group]
    assert line["service"] == "discovery-exports"
    return {name: line[name] for name in (*names, *dimensions) if name != "service"}


def test_a_stored_export_counts_with_its_size_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    measure(row("export-1", bytes=2048, rows=3, **TAKEN), Outcome.STORED)

    values = {"Exports": [1.0], "BytesStored": [2048.0], "RowsStored": [3.0], "SecondsFromRequestToStored": [1800.0]}
    assert emitted(capsys) == {**values, "outcome": "STORED"}


def test_an_export_that_did_not_land_is_counted_alone(capsys: pytest.CaptureFixture[str]) -> None:
    measure(row("export-1", "FAILED", **TAKEN), Outcome.FAILED)

    assert emitted(capsys) == {"Exports": [1.0], "outcome": "FAILED"}


def test_a_look_tells_the_oldest_age_and_each_delay(capsys: pytest.CaptureFixture[str]) -> None:
    record_poll([timedelta(seconds=15), timedelta(seconds=15)], [timedelta(hours=1), timedelta(minutes=1)])

    assert emitted(capsys) == {"OldestUnsettledSeconds": [3600.0], "SecondsFromFinishedToNoticed": [15.0, 15.0]}


def test_every_delay_is_told_however_many_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    record_poll([timedelta(seconds=15)] * 100, [])

    full, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert full["SecondsFromFinishedToNoticed"] == [15.0] * 100
    assert last["OldestUnsettledSeconds"] == [0.0]


def test_a_look_that_leaves_nothing_pending_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    record_poll([], [])

    assert emitted(capsys) == {"OldestUnsettledSeconds": [0.0]}


@pytest.mark.parametrize(("code", "throttles"), [("ThrottlingException", 1.0), ("ServerInternalErrorException", 0.0)])
def test_each_try_of_a_call_is_counted_and_whether_it_was_throttled(
    capsys: pytest.CaptureFixture[str], code: str, throttles: float
) -> None:
    record_call(parsed_response={"Error": {"Code": code, "Message": "…"}})

    assert emitted(capsys) == {"DescribeCalls": [1.0], "DescribeThrottles": [throttles]}


def test_a_call_without_an_answer_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    record_call(parsed_response=None, exception=OSError())

    assert emitted(capsys) == {"DescribeCalls": [1.0], "DescribeThrottles": [0.0]}
