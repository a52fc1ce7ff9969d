"""Collect exports: start the exports that are due within the service's limits, and say which ones need a run."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import dependencies
from exports.collecting.invocation import Invocation
from exports.collecting.metrics import record_tick
from exports.collecting.service import START_CONFIG, AgentService
from exports.collecting.setting import CollectSetting, Kind, read_collect
from exports.collecting.table import CollectingTable
from exports.collecting.tick import Tick
from exports.model import optional_utc_text

logger = dependencies.logger

SHUTDOWN_MARGIN = timedelta(minutes=2)
"""Reserved at the end of an invocation to finish the call in progress, and to record its result.

A call of the service that is never answered takes 104 seconds with its retries.
"""
DUE = {"summary": Kind.SUMMARY, "recommendations": Kind.RECOMMENDATIONS}


def table() -> CollectingTable:
    return CollectingTable(dependencies.dynamodb(), dependencies.settings().collecting_table)


@dependencies.cached_client
def agent_service() -> AgentService:
    region = dependencies.settings().discovery_region
    client = dependencies.discovery_session().client("discovery", region_name=region, config=START_CONFIG)
    return AgentService(client)


@dependencies.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One tick. ``event`` has the setting ``collect``, and the ``input`` of the execution.

    The input may say that a ``summary`` or ``recommendations`` are ``due`` since ``scheduledAt``. The result has the
    ``exportIds`` that a run is to be started for. With ``failure``, the execution fails after that: a call of the
    service was refused, or has failed for an hour.
    """
    now, left = dependencies.utc_now(), dependencies.time_left(context)
    kind, due_at = _due(event.get("input"), now)
    if kind:
        table().mark_due(kind, due_at)
    holder = str(uuid4())
    if not table().lock(holder, now + left, now):
        logger.info("tick skipped, another one runs")
        return {"exportIds": [], "skipped": "LOCKED"}
    try:
        return _tick(read_collect(event["collect"]), context, now)
    finally:
        table().unlock(holder)


def _due(given: Any, now: datetime) -> tuple[Kind | None, datetime]:
    """What is due, and since when: now if the input says no time, because a person may have started the execution."""
    given = given if isinstance(given, dict) else {}
    try:
        time = datetime.fromisoformat(given["scheduledAt"])
    except (KeyError, TypeError, ValueError):
        time = now
    kind = DUE.get(str(given.get("due")))
    return kind, min(time if time.tzinfo else time.replace(tzinfo=UTC), now)


def _tick(setting: CollectSetting, context: LambdaContext, now: datetime) -> dict[str, Any]:
    settings, publisher = dependencies.settings(), dependencies.publisher()
    result = Tick(
        table=table(),
        service=dependencies.service(),
        agent_service=agent_service(),
        catalog=dependencies.catalog(),
        publish=lambda name, data: publisher.publish_coverage(
            name, data, account=settings.discovery_account, region=settings.discovery_region
        ),
        setting=setting,
        grace=settings.not_found_grace,
        invocation=Invocation(
            now, lambda: dependencies.time_left(context) > SHUTDOWN_MARGIN, logger.warning, logger.info
        ),
    ).run()
    found = result.coverage
    record_tick(found, started=result.started, refused=result.refused, since=result.observed_since)
    output: dict[str, Any] = {
        "exportIds": result.export_ids,
        "started": result.started,
        "refused": result.refused,
        "blocked": result.blocked,
        "share": found.share,
    }
    if result.failure and result.failure.is_lasting(now):
        output["failure"] = {"error": result.failure.code, "cause": result.failure.sentence()}
    expected = optional_utc_text(found.expected_at)
    logger.info("tick finished", **output, gaps=found.gaps, stopped=found.stopped, expected_at=expected)
    return output
