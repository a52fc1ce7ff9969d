"""Report run publishes what no other invocation would, so it is repeated while EventBridge fails."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import IO, Any

import pytest
from botocore.exceptions import ClientError

import report_run
from exports import dependencies
from exports.errors import ServiceError
from exports.outcomes.catalog_index import STATUSES, StatusItems
from exports.outcomes.events import EventPublisher
from exports.outcomes.recorder import OutcomeRecorder
from exports.outcomes.rows import Row
from exports.retry import RetryPolicy
from exports.runs import Batch
from tests.unit.builders import NOW, batch, row

CONTEXT: Any = SimpleNamespace(
    function_name="x",
    memory_limit_in_mb=512,
    invoked_function_arn="x",
    aws_request_id="x",
    get_remaining_time_in_millis=lambda: 299_000,
)
RUN = {"id": "run-1", "correlationId": "job-7", "onFailure": "report"}


class Account:
    """The bucket, the catalog and the bus of a run: ``codes`` are the errors of the next calls of PutEvents."""

    def __init__(self, *rows: Row) -> None:
        self.items = {each.export_id: each for each in rows}
        self.codes: list[str] = []
        self.reports: list[Any] = []
        self.published: list[str] = []
        self.pages: list[str] = []
        self.page_error: Exception | None = None

    def read_json(self, key: str) -> Any:
        return {"run": RUN, "batches": 1}

    def put_json_file(self, key: str, file: IO[bytes]) -> None:
        file.seek(0)
        self.reports.append(json.load(file))

    def with_retry_policy(self, retry_policy: RetryPolicy) -> "Account":
        return self

    def put_page(self, key: str, page: bytes) -> None:
        assert key == "status/index.html"
        self.pages.append(page.decode())

    def read(self, since: datetime) -> Mapping[str, StatusItems]:
        """What the index has."""
        if self.page_error:
            raise self.page_error
        statuses = {str(status): StatusItems() for status in STATUSES}
        for each in self.items.values():
            status = str(each.item["status"])
            statuses[status] = StatusItems([*statuses[status].newest, each])
        return statuses

    def rows(self, export_ids: Iterable[str]) -> Mapping[str, Row]:
        return {each: self.items[each] for each in export_ids if each in self.items}

    def announced(self, announced: Row) -> None:
        self.items[announced.export_id] = Row({**announced.item, "announcedAt": "2026-11-23T12:00:00.000Z"})

    def put_events(self, **request: Any) -> dict[str, Any]:
        if self.codes:
            raise ClientError({"Error": {"Code": self.codes.pop(0)}}, "PutEvents")
        self.published += [each["DetailType"] for each in request["Entries"]]
        return {"FailedEntryCount": 0, "Entries": [{}]}


def account_with(monkeypatch: pytest.MonkeyPatch, *rows: Row) -> Account:
    account: Any = Account(*rows)

    def publisher() -> EventPublisher:
        retry_policy = RetryPolicy(attempts=4, sleep=lambda _: None)
        return EventPublisher(account, "default", bucket="b", catalog="arn", retry_policy=retry_policy)

    def recorder(batch: Batch, publisher: EventPublisher) -> OutcomeRecorder:
        return OutcomeRecorder(batch, account, publisher.publish, lambda *_: None, lambda: NOW)

    settings = SimpleNamespace(
        bucket="b",
        stack="Exports",
        discovery_account="111122223333",
        discovery_region="us-west-2",
        late_after=timedelta(hours=24),
        collecting_table="",
    )
    monkeypatch.setattr(dependencies, "settings", lambda: settings)
    monkeypatch.setattr(dependencies, "bucket", lambda: account)
    monkeypatch.setattr(dependencies, "publisher", publisher)
    monkeypatch.setattr(dependencies, "recorder", recorder)
    monkeypatch.setattr(dependencies, "catalog_index", lambda: account)
    monkeypatch.setattr(dependencies, "batch", lambda _: batch(*account.items))
    return account  # type: ignore[no-any-return]


def report(*, may_retry: bool = True, context: Any = CONTEXT) -> Any:
    batches = [{"batch": 1, "pending": 0}]
    return report_run.handler({"execution": {"Name": "run-1"}, "batches": batches, "mayRetry": may_retry}, context)


LOST: Mapping[str, Row] = {
    "Exports Not Found": row("export-1", "NOT_FOUND", runId="run-1"),
    "Export Not Stored": row("export-1", "NOT_STORED", runId="run-1", announcedAt=None),
    "Export Timed Out": row("export-1", "TIMED_OUT", runId="run-1", announcedAt=None),
}
"""An export whose event only this report publishes, by the type of the event."""


@pytest.mark.parametrize("detail_type", LOST)
@pytest.mark.parametrize("code", ["InternalException", "ThrottlingException", "ServiceUnavailable"])
def test_fault_47_event_that_nothing_else_would_publish_is_published_by_a_retry(
    monkeypatch: pytest.MonkeyPatch, detail_type: str, code: str
) -> None:
    account = account_with(monkeypatch, LOST[detail_type])
    account.codes = [code]

    with pytest.raises(ServiceError, match=f"^{code}$"):
        report(may_retry=True)
    assert len(account.reports) == 1, "the report is there, whatever the retries do"
    result = report(may_retry=True)

    assert account.published.count(detail_type) == 1
    assert result["output"]["requested"] == 1
    assert account.reports[0] == account.reports[1]


@pytest.mark.parametrize("detail_type", LOST)
@pytest.mark.parametrize(("code", "may_retry"), [("InternalException", False), ("AccessDeniedException", True)])
def test_fault_47_event_that_cannot_be_published_does_not_fail_the_run(
    monkeypatch: pytest.MonkeyPatch, detail_type: str, code: str, may_retry: bool
) -> None:
    """An error that is never retried would fail the run."""
    account = account_with(monkeypatch, LOST[detail_type])
    account.codes = [code] * 20

    result = report(may_retry=may_retry)

    assert result["output"]["requested"] == 1
    assert account.published == []


def test_fault_47_event_that_was_published_is_not_published_by_the_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_with(
        monkeypatch,
        row("export-1", "FAILED", runId="run-1"),
        row("export-2", "FAILED", runId="run-1", announcedAt=None),
        row("export-3", "REJECTED", runId="run-1", announcedAt=None),
        row("export-4", "NOT_FOUND", runId="run-1"),
    )
    account.codes = ["InternalException"]

    with pytest.raises(ServiceError):
        report(may_retry=True)
    assert account.published == ["Export Rejected"]
    report(may_retry=True)

    assert account.published == ["Export Rejected", "Export Failed", "Exports Not Found"]


def test_a_run_with_all_events_published_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_with(monkeypatch, *(row(f"export-{number}", "NOT_FOUND", runId="run-1") for number in range(3)))

    assert report(may_retry=True)["output"]["counts"] == {"NOT_FOUND": 3}
    assert account.published == ["Exports Not Found"]


def test_the_status_page_is_written_after_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_with(monkeypatch, row("export-1", "FAILED", runId="run-1", statusMessage="no agents"))

    report()

    (page,) = account.pages
    assert "export-1" in page
    assert "<dd>Exports</dd>" in page
    assert len(account.reports) == 1


@pytest.mark.parametrize(
    "error",
    [ServiceError("AccessDeniedException"), ServiceError("ReadingTookTooLong"), KeyError("exportId"), RecursionError()],
    ids=repr,
)
def test_fault_48_a_status_page_that_cannot_be_written_does_not_fail_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    account = account_with(monkeypatch, row("export-1", "STORED", runId="run-1"))
    account.page_error = error

    result = report()

    assert result["output"]["counts"] == {"STORED": 1}
    assert "failure" not in result
    assert len(account.reports) == 1
    assert account.pages == []
    assert "status page not written" in caplog.text


@pytest.mark.parametrize("name", ["", "collecting"])
def test_the_status_page_shows_the_coverage_if_exports_are_collected(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    account = account_with(monkeypatch)
    dependencies.settings().__dict__["collecting_table"] = name
    monkeypatch.setattr(dependencies, "collecting_table_for_page", lambda: SimpleNamespace(items=lambda _: []))

    report()

    assert ("Coverage" in account.pages[0]) == bool(name)


def test_fault_48_a_table_that_cannot_be_read_in_time_leaves_out_the_coverage_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def items(_: object) -> Any:
        raise ServiceError("ReadingTookTooLong")

    account = account_with(monkeypatch)
    dependencies.settings().__dict__["collecting_table"] = "collecting"
    monkeypatch.setattr(dependencies, "collecting_table_for_page", lambda: SimpleNamespace(items=items))

    report()

    assert "Newest exports" in account.pages[0]
    assert "Coverage" not in account.pages[0]


def test_fault_48_the_status_page_is_left_out_if_the_invocation_has_no_time_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = account_with(monkeypatch, row("export-1", "STORED", runId="run-1"))

    result = report(context=SimpleNamespace(**{**vars(CONTEXT), "get_remaining_time_in_millis": lambda: 119_000}))

    assert result["output"]["counts"] == {"STORED": 1}
    assert account.pages == []
