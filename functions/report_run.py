"""Report run: count what a run came to, write its report, and answer its caller."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import wiring
from exports.reporting import MAX_EXPORTS_IN_OUTPUT, Report, batch_results
from exports.runs import plan_key, report_key

logger = wiring.logger


@wiring.function
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event["batches"]`` tells which batches could not be settled; ``failure`` in the answer fails the run."""
    run_id, bucket = event["execution"]["Name"], wiring.settings().bucket
    logger.append_keys(run_id=run_id)
    plan: Any = wiring.bucket().read_json(plan_key(run_id))
    failures = {ended["batch"]: ended for ended in event["batches"] if ended and "error" in ended}
    exports: list[dict[str, Any]] = []
    bus = wiring.bus()
    for number in range(1, plan["batches"] + 1):
        batch = wiring.batch({"runId": run_id, "number": number})
        exports += batch_results(batch, wiring.ledger(batch, bus), failure=failures.get(number), bucket=bucket)
    report = Report(run_id, exports, bucket)
    wiring.bucket().put_json(report_key(run_id), report.told())
    logger.info("reported", requested=len(exports), counts=report.counts)
    answer: dict[str, Any] = {"output": report.told(MAX_EXPORTS_IN_OUTPUT)}
    if plan["run"]["onFailure"] == "fail" and not report.all_landed:
        answer["failure"] = json.dumps({"counts": report.counts, "report": report.uri})
    return answer
