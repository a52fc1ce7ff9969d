"""Report run: count what a run came to, write its report, and answer its caller."""

import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import wiring
from exports.reporting import MAX_EXPORTS_TOLD, Report, settle_accounts
from exports.runs import read_run, report_key

logger = wiring.logger


@wiring.function
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event["batches"]`` holds what became of each batch, in order; ``failure`` in the answer makes the run fail."""
    settings = wiring.settings()
    run = read_run(event["execution"], settings)
    exports: list[dict[str, Any]] = []
    for number, ended in enumerate(event["batches"], start=1):
        batch = wiring.batch({"runId": run.id, "number": number})
        failure = ended if "error" in ended else None
        exports += settle_accounts(batch, wiring.ledger(batch), failure=failure, bucket=settings.bucket)
    report = Report(run.id, exports, settings.bucket)
    wiring.bucket().put_json(report_key(run.id), report.told())
    logger.info("reported", requested=len(exports), counts=report.counts)
    answer: dict[str, Any] = {"output": report.told(MAX_EXPORTS_TOLD)}
    if run.on_failure == "fail" and not report.all_landed:
        answer["failure"] = json.dumps({"counts": report.counts, "report": report.uri})
    return answer
