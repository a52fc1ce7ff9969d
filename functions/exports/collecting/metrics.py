"""The metrics of a tick."""

from datetime import datetime

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from exports.collecting.coverage import Coverage


def record_tick(found: Coverage, *, started: int, refused: int, since: datetime | None) -> None:
    """``since`` is when collecting began to be observed. ``CoveredShare`` is missing if nothing is wanted."""
    metrics = EphemeralMetrics()
    if found.share is not None:
        metrics.add_metric("CoveredShare", MetricUnit.Percent, 100 * found.share)
    metrics.add_metric("CoverageGaps", MetricUnit.Count, found.gaps)
    metrics.add_metric("AgentsStopped", MetricUnit.Count, found.stopped)
    metrics.add_metric("ExportsStarted", MetricUnit.Count, started)
    metrics.add_metric("StartsRefused", MetricUnit.Count, refused)
    metrics.add_metric("BlockedSeconds", MetricUnit.Seconds, _blocked_seconds(found))
    metrics.add_metric("SecondsWithoutProgress", MetricUnit.Seconds, _idle_seconds(found, since))
    metrics.flush_metrics()


def _blocked_seconds(found: Coverage) -> float:
    return max(
        ((found.now - each.blocked_since).total_seconds() for each in found.blocked if each.blocked_since), default=0.0
    )


def _idle_seconds(found: Coverage, since: datetime | None) -> float:
    """Time since an export last added something; 0 if nothing is missing."""
    last = found.last_progress_at or since
    return (found.now - last).total_seconds() if last and found.uncovered else 0.0
