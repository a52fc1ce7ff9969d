"""Report run: count the outcomes of a run, write its report, and return the run's output."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import dependencies
from exports.keys import plan_key, report_key
from exports.workflow.reporting import MAX_EXPORTS_IN_OUTPUT, Report, batch_failures, batch_results

logger = dependencies.logger


@dependencies.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event["batches"]`` has the output of each batch; ``failure`` in the result fails the run."""
    run_id, bucket = event["execution"]["Name"], dependencies.settings().bucket
    logger.append_keys(run_id=run_id)
    plan: Any = dependencies.bucket().read_json(plan_key(run_id))
    failures = batch_failures(event.get("batches"), plan["batches"])
    if failures:
        logger.warning("batches not settled", batches={number: each["error"] for number, each in failures.items()})
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
    result: dict[str, Any] = {"output": report.to_json(MAX_EXPORTS_IN_OUTPUT)}
    if plan["run"].get("onFailure", "fail") == "fail" and not report.all_stored:
        result["failure"] = json.dumps({"counts": report.counts, "report": report.uri})
    return result
