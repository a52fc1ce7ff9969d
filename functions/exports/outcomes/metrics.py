"""Metrics in CloudWatch's embedded format: a line of log each, no call.

Their namespace holds the stack's name, so that two stacks in one account are told apart.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from exports.model import Outcome
from exports.outcomes.rows import Row

THROTTLING = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})


def measure(row: Row, outcome: Outcome) -> None:
    """Count the export under its outcome; for one that landed, also its size and how long that took."""
    metrics = EphemeralMetrics()
    metrics.add_dimension("outcome", outcome)
    metrics.add_metric("Exports", MetricUnit.Count, 1)
    if outcome.landed:
        metrics.add_metric("BytesStored", MetricUnit.Bytes, int(row.item.get("bytes", 0)))
        metrics.add_metric("RowsStored", MetricUnit.Count, int(row.item.get("rows", 0)))
        metrics.add_metric("SecondsFromRequestToStored", MetricUnit.Seconds, _seconds_taken(row))
    metrics.flush_metrics()


def record_poll(detection_delays: Sequence[timedelta], ages: Sequence[timedelta]) -> None:
    """What one look found: the age of the oldest export that cannot be stored yet, and how late others were noticed.

    The service does not say when an export ended. ``SecondsFromFinishedToNoticed`` is the longest that it can have
    been: the time since the look before, which saw it in progress.
    """
    metrics = EphemeralMetrics()
    for late in detection_delays:  # a line is full with 100 of them, and is written then
        metrics.add_metric("SecondsFromFinishedToNoticed", MetricUnit.Seconds, late.total_seconds())
    oldest = max(ages, default=timedelta())
    metrics.add_metric("OldestUnsettledSeconds", MetricUnit.Seconds, oldest.total_seconds())
    metrics.flush_metrics()


def record_call(parsed_response: Any = None, **_: object) -> None:
    """Count a try of a call of the service, throttled or not; for botocore's event ``response-received``."""
    code = ((parsed_response or {}).get("Error") or {}).get("Code")
    metrics = EphemeralMetrics()
    metrics.add_metric("DescribeCalls", MetricUnit.Count, 1)
    metrics.add_metric("DescribeThrottles", MetricUnit.Count, int(code in THROTTLING))
    metrics.flush_metrics()


def _seconds_taken(row: Row) -> float:
    try:
        requested, settled = (datetime.fromisoformat(row.item[name]) for name in ("exportRequestTime", "settledAt"))
    except (KeyError, ValueError):
        return 0.0
    return max(0.0, (settled - requested).total_seconds())
