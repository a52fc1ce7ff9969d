"""Check exports: say which exports of a batch are ready, which have ended, and when to look at the rest again."""

import random
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import wiring
from exports.checking import BatchPoll, Pending
from exports.measuring import record_poll

logger = wiring.logger


@wiring.function
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event`` is a pointer to a batch, or what this function last answered with the ``results`` of storing."""
    batch = wiring.batch(event["batch"])
    check = BatchPoll(
        batch,
        service=wiring.service(),
        records=wiring.ledger(batch),
        settings=wiring.settings(),
        now=wiring.utc_now(),
        jitter=random.random(),  # noqa: S311 - spreads polls, keeps no secret
        measure=record_poll,
    )
    pending = check.next(Pending.from_json(event) if "polls" in event else check.start())
    logger.info("checked", pending=len(pending.ids), ready=len(pending.ready), polls=pending.polls)
    return {"batch": event["batch"], **pending.to_json()} if pending.ids else pending.to_json()
