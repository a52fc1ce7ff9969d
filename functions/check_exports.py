"""Check exports: find which exports of a batch are ready, which have ended, and when to poll the rest again."""

import random
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import dependencies
from exports.outcomes.metrics import record_poll
from exports.workflow.batch_state import Pending
from exports.workflow.checking import BatchPoll

logger = dependencies.logger


@dependencies.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event`` is a batch pointer, or this function's last result with the ``results`` of storing added.

    The result has the number of a settled batch, so that the report knows which batches are settled.
    """
    batch = dependencies.batch(event["batch"])
    poll = BatchPoll(
        batch,
        service=dependencies.service(),
        records=dependencies.recorder(batch, dependencies.publisher()),
        settings=dependencies.settings(),
        now=dependencies.utc_now(),
        jitter=random.random(),  # noqa: S311 - spreads polls, protects no secret
        measure=record_poll,
    )
    pending = poll.next_state(Pending.from_json(event) if "pending" in event else poll.first_state())
    logger.info("batch polled", pending=len(pending.ids), ready=len(pending.ready), polls=pending.polls)
    return {"batch": event["batch"] if pending.ids else batch.number, **pending.to_json()}
