"""Plan run: check the input, resolve it to exports, and write them to the bucket in batches."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import wiring
from exports.planning import plan, write_batches
from exports.runs import InvalidInput, read_run

logger = wiring.logger


@wiring.function
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event["execution"]`` is the execution's context object; the answer points to the batches, or is ``invalid``."""
    settings = wiring.settings()
    try:
        run = read_run(event["execution"], settings)
    except InvalidInput as invalid:
        logger.warning("invalid input", run_id=event["execution"]["Name"], faults=str(invalid))
        return {"invalid": str(invalid)}
    logger.append_keys(run_id=run.id, correlation_id=run.correlation_id)
    planned = plan(run, service=wiring.service(), rows=wiring.catalog().rows, max_age=settings.sweep_max_age)
    if planned.invalid_ids or planned.over_limit:
        logger.warning("left out", invalid_ids=planned.invalid_ids, over_limit=planned.over_limit)
    pointers = write_batches(run, planned.export_ids, wiring.bucket().put_json)
    logger.info("planned", requested=len(planned.export_ids), batches=len(pointers), sweep=run.is_sweep)
    return {"batches": pointers}
