"""Store export: land what the service has for one export, whole and verified, as far as this call's time goes."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import wiring
from exports.landing import Landing
from exports.runs import Item
from exports.storing import Storing

logger = wiring.logger


@wiring.function
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event`` holds a pointer to the ``batch`` and the ``item`` to store; the answer says how far it came."""
    batch, item, settings = wiring.batch(event["batch"]), Item.from_json(event["item"]), wiring.settings()
    logger.append_keys(export_id=item.export_id)
    records = wiring.ledger(batch)
    storing = Storing(
        batch,
        account=settings.discovery_account,
        region=settings.discovery_region,
        service=wiring.service(),
        records=records,
        bucket=wiring.bucket(),
        pipeline=Landing.within(settings, wiring.service(), wiring.bucket(), records, wiring.time_left(context)),
        show_tables=wiring.tables().show,
        claim_duration=wiring.time_left(context),
        clock=wiring.utc_now,
    )
    progress = storing.store(item)
    logger.info("stored", **progress)
    return {name: value for name, value in progress.items() if name != "because"}
