"""Plan run: validate the input, resolve it to exports, and write them to the bucket in batches."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import dependencies
from exports.workflow.planning import plan, write_batches
from exports.workflow.run_input import InvalidInput, read_run

logger = dependencies.logger


@dependencies.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event["execution"]`` is the execution's context object; the result has batch pointers or ``invalid``."""
    settings = dependencies.settings()
    try:
        run = read_run(event["execution"], settings)
    except InvalidInput as invalid:
        logger.warning("invalid input", run_id=event["execution"]["Name"], faults=str(invalid))
        return {"invalid": str(invalid)}
    logger.append_keys(run_id=run.id, correlation_id=run.correlation_id)
    planned = plan(
        run, service=dependencies.service(), rows=dependencies.catalog().rows, max_age=settings.sweep_max_age
    )
    if planned.invalid_ids or planned.over_limit:
        logger.warning("exports skipped", invalid_ids=planned.invalid_ids, over_limit=planned.over_limit)
    pointers = write_batches(run, planned.export_ids, dependencies.bucket().put_json)
    logger.info("run planned", requested=len(planned.export_ids), batches=len(pointers), sweep=run.is_sweep)
    return {"batches": pointers}
