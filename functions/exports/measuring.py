"""Metrics of what became of exports, in CloudWatch's embedded format: a line of log each, no call."""

from datetime import datetime

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from exports.model import Outcome
from exports.rows import Row


def measure(row: Row, outcome: Outcome) -> None:
    """Count the export under its outcome; for one that landed, also its size and how long that took."""
    with single_metric(name="Exports", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension("outcome", outcome)
        if outcome.landed:
            metric.add_metric("BytesStored", MetricUnit.Bytes, int(row.item.get("bytes", 0)))
            metric.add_metric("RowsStored", MetricUnit.Count, int(row.item.get("rows", 0)))
            metric.add_metric("SecondsFromRequestToStored", MetricUnit.Seconds, _seconds_taken(row))


def _seconds_taken(row: Row) -> float:
    try:
        requested, settled = (datetime.fromisoformat(row.item[name]) for name in ("exportRequestTime", "settledAt"))
    except (KeyError, ValueError):
        return 0.0
    return max(0.0, (settled - requested).total_seconds())
