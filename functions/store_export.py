"""Store export: store and verify the data of one export, or as much as this invocation has time for."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import dependencies
from exports.runs import Item
from exports.storing.pipeline import Pipeline
from exports.storing.storing import Storing

logger = dependencies.logger


@dependencies.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event`` holds a ``batch`` pointer and the ``item`` to store; the result holds the ``progress`` made.

    ``retryCount`` in the event is the number of retries so far, which the result passes on as ``retries``.
    """
    batch, item, settings = dependencies.batch(event["batch"]), Item.from_json(event["item"]), dependencies.settings()
    logger.append_keys(export_id=item.export_id)
    records = dependencies.recorder(batch, dependencies.publisher())
    storing = Storing(
        batch,
        account=settings.discovery_account,
        region=settings.discovery_region,
        service=dependencies.service(),
        records=records,
        bucket=dependencies.bucket(),
        pipeline=Pipeline.for_invocation(
            settings, dependencies.service(), dependencies.bucket(), records, dependencies.time_left(context)
        ),
        claim_duration=dependencies.time_left(context),
        denied_grace=settings.not_found_grace,
        clock=dependencies.utc_now,
    )
    progress = storing.store(item)
    logger.info("store export finished", **progress)
    retries = {"retries": event["retryCount"]} if event.get("retryCount") else {}
    return {**{name: value for name, value in progress.items() if name != "detail"}, **retries}
