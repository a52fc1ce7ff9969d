"""Report run: count what a run came to, write its report, and answer its caller."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import dependencies
from exports.keys import plan_key, report_key
from exports.workflow.reporting import MAX_EXPORTS_IN_OUTPUT, Report, batch_results

logger = dependencies.logger


@dependencies.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event["batches"]`` tells which batches could not be settled; ``failure`` in the answer fails the run."""
    run_id, bucket = event["execution"]["Name"], dependencies.settings().bucket
    logger.append_keys(run_id=run_id)
    plan: Any = dependencies.bucket().read_json(plan_key(run_id))
    failures = {ended["batch"]: ended for ended in event["batches"] if ended and "error" in ended}
    exports: list[dict[str, Any]] = []
    publisher = dependencies.publisher()
    for number in range(1, plan["batches"] + 1):
        batch = dependencies.batch({"runId": run_id, "number": number})
        exports += batch_results(
            batch, dependencies.recorder(batch, publisher), failure=failures.get(number), bucket=bucket
        )
    report = Report(run_id, exports, bucket)
    dependencies.bucket().put_json(report_key(run_id), report.to_json())
    logger.info("run reported", requested=len(exports), counts=report.counts)
    answer: dict[str, Any] = {"output": report.to_json(MAX_EXPORTS_IN_OUTPUT)}
    if plan["run"]["onFailure"] == "fail" and not report.all_landed:
        answer["failure"] = json.dumps({"counts": report.counts, "report": report.uri})
    return answer
