"""Metrics in CloudWatch's embedded metric format: one log line each, no API call.

The namespace contains the stack's name, so that two stacks in one account do not share metrics.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from exports.aws.error_codes import Meaning, meaning, safe_code
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Row


def measure(row: Row, outcome: Outcome) -> None:
    """Count the export by its outcome; for a stored export, also record its size and the time from its request."""
    metrics = EphemeralMetrics()
    metrics.add_dimension("outcome", outcome)
    metrics.add_metric("Exports", MetricUnit.Count, 1)
    if outcome.has_data:
        metrics.add_metric("BytesStored", MetricUnit.Bytes, row.count("bytes") or 0)
        metrics.add_metric("RowsStored", MetricUnit.Count, row.count("rows") or 0)
        metrics.add_metric("SecondsFromRequestToStored", MetricUnit.Seconds, _seconds_taken(row))
    metrics.flush_metrics()


def record_poll(detection_delays: Sequence[timedelta], ages: Sequence[timedelta]) -> None:
    """Record the findings of one poll: the age of the oldest export that cannot be stored yet, and detection delays.

    The service does not report when an export ended. ``SecondsFromFinishedToNoticed`` is an upper bound: the time since
    the previous poll, which found the export in progress.
    """
    metrics = EphemeralMetrics()
    for delay in detection_delays:  # the library writes a line after 100 values
        metrics.add_metric("SecondsFromFinishedToNoticed", MetricUnit.Seconds, delay.total_seconds())
    oldest = max(ages, default=timedelta())
    metrics.add_metric("OldestUnsettledSeconds", MetricUnit.Seconds, oldest.total_seconds())
    metrics.flush_metrics()


def record_call(parsed_response: Any = None, **_: object) -> None:
    """Count an attempt of a DescribeExportTasks call, throttled or not. Handles botocore's ``response-received``."""
    response = parsed_response or {}
    code = safe_code(response.get("Error", {}).get("Code"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    metrics = EphemeralMetrics()
    metrics.add_metric("DescribeCalls", MetricUnit.Count, 1)
    metrics.add_metric("DescribeThrottles", MetricUnit.Count, int(meaning(code, status) is Meaning.THROTTLED))
    metrics.flush_metrics()


def _seconds_taken(row: Row) -> float:
    requested, settled = row.time("exportRequestTime"), row.time("settledAt")
    return max(0.0, (settled - requested).total_seconds()) if requested and settled else 0.0
