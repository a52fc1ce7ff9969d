"""Report run: count the outcomes of a run, write its report, and return the run's output."""

import json
from collections.abc import Mapping
from datetime import timedelta
from tempfile import TemporaryFile
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from exports import dependencies
from exports.collecting.coverage import Coverage, coverage
from exports.errors import ServiceError
from exports.keys import STATUS_PAGE, plan_key, report_key
from exports.outcomes.events import NOT_FOUND_EVENT, EventPublisher, NotFound
from exports.outcomes.outcome import Outcome
from exports.page.status_page import PERIOD, StatusPage, render
from exports.retry import RetryPolicy
from exports.workflow.reporting import Report, batch_failures, batch_results

logger = dependencies.logger

COVERAGE_TIME = timedelta(seconds=20)
"""For the reads of the table of the collector. 10,000 agents are about 20 pages."""
PAGE_TIME = timedelta(minutes=2)
"""More than the status page can take: the reads, the last of which may be retried, and one attempt to write it."""


@dependencies.lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """``event["batches"]`` has the output of each batch; ``failure`` in the result fails the run.

    Raises ServiceError if the report is written and an event could not be published, as long as ``event["mayRetry"]``:
    after the report, nothing would publish the event of an outcome that is not settled. The last attempt fails nothing.
    The status page is written last, because the run needs it least.
    """
    run_id = event["execution"]["Name"]
    logger.append_keys(run_id=run_id)
    plan: Any = dependencies.bucket().read_json(plan_key(run_id))
    failures = batch_failures(event.get("batches"), plan["batches"])
    if failures:
        logger.warning("batches not settled", batches={number: each["error"] for number, each in failures.items()})
    publisher = dependencies.publisher()
    report = _write_report(run_id, plan["batches"], failures, publisher)
    logger.info("run reported", requested=report.requested, counts=report.counts)
    _publish_rest(report, plan["run"].get("correlationId"), publisher, may_retry=event.get("mayRetry", False))
    _write_status_page(context)
    result: dict[str, Any] = {"output": report.output()}
    if plan["run"].get("onFailure", "fail") == "fail" and not report.all_stored:
        result["failure"] = json.dumps({"counts": report.counts, "report": report.uri})
    return result


def _write_report(
    run_id: str, batches: int, failures: Mapping[int, Mapping[str, Any]], publisher: EventPublisher
) -> Report:
    """Write the report of all batches, whose pending events are published. ``failures`` are by number of the batch."""
    bucket = dependencies.settings().bucket
    with TemporaryFile() as file:
        report = Report(run_id, bucket, file)
        for number in range(1, batches + 1):
            batch = dependencies.batch({"runId": run_id, "number": number})
            records = dependencies.recorder(batch, publisher)
            for export in batch_results(batch, records, failure=failures.get(number), bucket=bucket):
                report.add(export)
        report.finish()
        dependencies.bucket().put_json_file(report_key(run_id), file)
    return report


def _publish_rest(report: Report, correlation_id: str | None, publisher: EventPublisher, *, may_retry: bool) -> None:
    """Publish the event of the exports that were not found.

    Raises the error of an event of the run that was not published, if a retry is possible and may help. It is raised
    before the next event, so that the retry does not publish that one twice.
    """
    _raise_failure(publisher, may_retry)
    if report.not_found:
        _publish_not_found(report, correlation_id, publisher)
    _raise_failure(publisher, may_retry)


def _publish_not_found(report: Report, correlation_id: str | None, publisher: EventPublisher) -> None:
    settings = dependencies.settings()
    found = NotFound(
        report.run_id,
        correlation_id,
        account=settings.discovery_account,
        region=settings.discovery_region,
        count=report.counts[Outcome.NOT_FOUND],
        export_ids=report.not_found,
        report=report.uri,
    )
    try:
        publisher.publish_not_found(found)
    except ServiceError as error:
        logger.warning("event not published", detail_type=NOT_FOUND_EVENT, error=error.code)


def _raise_failure(publisher: EventPublisher, may_retry: bool) -> None:
    if publisher.failure and publisher.failure.retryable and may_retry:
        raise publisher.failure


def _write_status_page(context: LambdaContext) -> None:
    """Write the status page over. If that fails, the run does not: the next run writes the page again."""
    if dependencies.time_left(context) < PAGE_TIME:
        logger.warning("status page not written", error="OutOfTime")
        return
    try:
        settings, now = dependencies.settings(), dependencies.utc_now()
        page = StatusPage(
            settings.stack,
            settings.discovery_account,
            settings.discovery_region,
            now,
            settings.late_after,
            dependencies.catalog_index().read(now - PERIOD),
            _coverage(context),
        )
        html = render(page)
        dependencies.bucket().with_retry_policy(RetryPolicy(attempts=1)).put_page(STATUS_PAGE, html)
    except ServiceError as error:
        logger.warning("status page not written", error=error.code)
    except Exception:
        logger.exception("status page not written")
    else:
        logger.info("status page written", bytes=len(html))


def _coverage(context: LambdaContext) -> Coverage | None:
    """What is stored of each agent, if the stack starts exports. Without it, the page has all other sections."""
    if not dependencies.settings().collecting_table:
        return None
    until = dependencies.time_left(context) - COVERAGE_TIME
    try:
        items = dependencies.collecting_table_for_page().items(lambda: dependencies.time_left(context) > until)
        return coverage(items, dependencies.utc_now())
    except ServiceError as error:
        logger.warning("coverage not on the status page", error=error.code)
        return None
