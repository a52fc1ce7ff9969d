"""The catalog's conditional writes, against DynamoDB as moto plays it."""

import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.stub import Stubber
from moto import mock_aws
from urllib3 import HTTPResponse

from exports.dependencies import CONFIG
from exports.errors import ClaimLost, NonRetryableError, ServiceError
from exports.model import Outcome, RawObject
from exports.outcomes.catalog import Catalog
from exports.outcomes.rows import Write
from exports.runs import Batch
from exports.s3.multipart import Upload
from tests.unit.builders import NOW, batch, create_catalog, export
from tests.unit.fakes import FakeClock

HOUR = timedelta(hours=1)


SESSION = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
"""One for all tests: each new one reads the descriptions of the services again."""


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        client = SESSION.client("dynamodb")
        create_catalog(client)
        yield client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def catalog(dynamodb: Any, clock: FakeClock) -> Catalog:
    return Catalog(dynamodb, "catalog", account="111122223333", region="us-west-2", clock=clock)


def of_run(run_id: str = "run-1", requested_at: datetime | None = None, **more: Any) -> Batch:
    """A batch of a run that asks for the export by id at ``requested_at``, or not by id."""
    asked = {"started_at": requested_at} if requested_at else {"retries_rejected": False}
    return batch("export-1", run_id=run_id, **{**asked, **more})


def claim(catalog: Catalog, run_id: str, *, requested_at: datetime | None = None) -> Write:
    return catalog.claim(of_run(run_id, requested_at), export(), timedelta(minutes=15))


def settle(
    catalog: Catalog, outcome: Outcome, *, run_id: str = "run-1", requested_at: datetime | None = None, **details: Any
) -> Write:
    told = export(status="FAILED" if outcome is Outcome.FAILED else "SUCCEEDED")
    asked = of_run(run_id, requested_at, correlation_id="c")
    return catalog.settle(asked, told, outcome, polls=3, details=details)


def record_unsettled(
    catalog: Catalog,
    outcome: Outcome,
    *,
    run_id: str = "run-1",
    reason: str | None = None,
    requested_at: datetime | None = None,
) -> Write:
    return catalog.record_unsettled(of_run(run_id, requested_at), "export-1", outcome, reason)


def test_a_settled_row_says_everything_but_the_link(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    settle(catalog, Outcome.STORED, kind="agent", manifestKey="manifests/export-1.json", bytes=7, rows=2, files=1)

    item = catalog.rows(["export-1"])["export-1"].item

    assert item == {
        "exportId": "export-1",
        "status": "STORED",
        "accountId": "111122223333",
        "region": "us-west-2",
        "runId": "run-1",
        "correlationId": "c",
        "exportStatus": "SUCCEEDED",
        "statusMessage": "",
        "exportRequestTime": "2026-11-23T11:30:00.000Z",
        "isTruncated": False,
        "firstSeenAt": "2026-11-23T12:00:00.000Z",
        "settledAt": "2026-11-23T12:00:00.000Z",
        "polls": 3,
        "kind": "agent",
        "manifestKey": "manifests/export-1.json",
        "bytes": 7,
        "rows": 2,
        "files": 1,
    }


@pytest.mark.parametrize("settled", [outcome for outcome in Outcome if outcome.settled])
def test_a_settled_row_never_goes_back(catalog: Catalog, clock: FakeClock, settled: Outcome) -> None:
    settle(catalog, settled)
    clock.now += HOUR

    later = [
        settle(catalog, Outcome.REJECTED, run_id="run-2"),
        record_unsettled(catalog, Outcome.TIMED_OUT, run_id="run-2"),
        catalog.mark_in_progress(of_run("run-2", requested_at=NOW + HOUR), export(status="IN_PROGRESS")),
        claim(catalog, "run-2"),
    ]

    assert [write.applied for write in later] == [False] * 4
    assert {write.row.outcome for write in later} == {settled}
    assert catalog.rows(["export-1"])["export-1"].run_id == "run-1"


@pytest.mark.parametrize("settled", [each for each in Outcome if each.settled and not each.landed])
def test_a_rejected_or_failed_export_asked_for_by_id_is_settled_anew_once(
    catalog: Catalog, clock: FakeClock, settled: Outcome
) -> None:
    settle(catalog, settled, reason="CORRUPT")

    clock.now = NOW + 2 * HOUR
    anew = settle(catalog, Outcome.STORED, run_id="run-2", requested_at=NOW + HOUR)
    clock.now = NOW + 4 * HOUR
    again = settle(catalog, Outcome.REJECTED, run_id="run-3", requested_at=NOW + 3 * HOUR)

    assert (anew.applied, again.applied) == (True, False)
    assert anew.row.reason is None


def test_a_rejection_later_than_the_asking_binds_the_asker(catalog: Catalog, clock: FakeClock) -> None:
    clock.now += HOUR
    settle(catalog, Outcome.REJECTED)

    assert not claim(catalog, "run-2", requested_at=NOW).applied
    assert catalog.rows(["export-1"])["export-1"].is_final_for(NOW)


def test_fault_26_a_claim_keeps_other_runs_away_until_it_expires(catalog: Catalog, clock: FakeClock) -> None:
    assert claim(catalog, "run-1").applied
    clock.now = NOW + timedelta(minutes=14)
    assert not claim(catalog, "run-2").applied
    assert claim(catalog, "run-1").applied, "a run's own retry goes on"
    clock.now = NOW + timedelta(minutes=40)
    assert claim(catalog, "run-2").applied


def test_a_released_claim_is_free_at_once(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run("run-2"), "export-1")
    assert not claim(catalog, "run-2").applied

    catalog.release(of_run("run-1"), "export-1")
    assert claim(catalog, "run-2").applied


def test_what_ended_a_try_is_kept_until_the_next_one(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run(), "export-1", "the source answered 503")
    kept = catalog.rows(["export-1"])["export-1"].last_error

    again = claim(catalog, "run-2").row.last_error

    assert (kept, again) == ("the source answered 503", None)


def test_what_ended_a_try_becomes_the_reason_of_the_outcome_and_is_let_go_of(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run(), "export-1", "the source answered 503")

    left = record_unsettled(catalog, Outcome.TIMED_OUT, reason="the source answered 503").row

    assert (left.reason, left.last_error) == ("the source answered 503", None)


def test_a_claim_leaves_an_earlier_runs_outcome_where_it_is(catalog: Catalog) -> None:
    record_unsettled(catalog, Outcome.TIMED_OUT, run_id="run-1")

    claimed = claim(catalog, "run-2")

    assert (claimed.applied, claimed.row.outcome, claimed.row.run_id) == (True, Outcome.TIMED_OUT, "run-1")


def test_what_is_remembered_of_an_upload_comes_back(catalog: Catalog) -> None:
    upload = Upload("raw/k.zip", "id", '"etag"', 10**12, 2**27)
    claim(catalog, "run-1")

    catalog.save_progress(of_run("run-1"), "export-1", upload=upload)
    assert claim(catalog, "run-1").row.upload == upload

    raw = RawObject("raw/k.zip", 10**12, "AAAAAA==")
    catalog.save_progress(of_run("run-1"), "export-1", raw=raw)
    row = claim(catalog, "run-1").row
    assert (row.upload, row.raw) == (None, raw)


def test_who_lost_its_claim_remembers_nothing(catalog: Catalog, clock: FakeClock) -> None:
    claim(catalog, "run-1")
    clock.now += HOUR
    claim(catalog, "run-2")

    with pytest.raises(ClaimLost):
        catalog.save_progress(of_run("run-1"), "export-1", raw=RawObject("k", 1, ""))


def test_fault_25_a_write_whose_answer_was_lost_is_known_as_our_own(catalog: Catalog, dynamodb: Any) -> None:
    """botocore sends the request again although the first one was carried out: the condition fails on our own write."""
    claim(catalog, "run-1")
    answers: list[int] = []

    def losing(response: tuple[Any, Any], **_: Any) -> float | None:
        answers.append(response[0].status_code)
        return 0.0 if len(answers) == 1 else None

    dynamodb.meta.events.register_first("needs-retry.dynamodb.UpdateItem", losing)

    write = settle(catalog, Outcome.STORED, kind="agent")

    assert answers == [200, 400]
    assert (write.applied, write.row.outcome) == (True, Outcome.STORED)


def test_fault_25_the_same_outcome_of_another_run_is_not_taken_for_our_own(catalog: Catalog) -> None:
    first = settle(catalog, Outcome.STORED, run_id="run-1", kind="agent")
    other = settle(catalog, Outcome.STORED, run_id="run-2", kind="agent")

    assert (first.applied, other.applied, other.row.run_id) == (True, False, "run-1")


def test_an_unsettled_outcome_is_recorded_once_a_run(catalog: Catalog) -> None:
    first = record_unsettled(catalog, Outcome.NOT_STORED, reason="AccessDenied")
    catalog.announced(first.row)
    repeated = record_unsettled(catalog, Outcome.NOT_STORED, reason="SlowDown")
    other = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", reason="AccessDenied")

    assert (first.applied, repeated.applied, other.applied) == (True, False, True)
    assert (repeated.row.announced, repeated.row.reason) == (True, "AccessDenied")
    assert not other.row.announced, "each run announces what it could not store"


def test_the_same_outcome_left_twice_is_left_and_announced_once(catalog: Catalog) -> None:
    first, second = (record_unsettled(catalog, Outcome.NOT_STORED, reason="AccessDenied") for _ in range(2))
    catalog.announced(first.row)

    assert (first.applied, second.applied) == (True, False), "a call may be repeated"
    assert record_unsettled(catalog, Outcome.NOT_STORED, reason="AccessDenied").row.announced


def test_an_event_of_an_outcome_that_has_changed_since_does_not_count(catalog: Catalog) -> None:
    left = record_unsettled(catalog, Outcome.TIMED_OUT)
    settle(catalog, Outcome.STORED, run_id="run-2")

    catalog.announced(left.row)

    assert not catalog.rows(["export-1"])["export-1"].announced


def test_a_failure_that_the_service_has_taken_back_gives_way_to_our_own(catalog: Catalog, clock: FakeClock) -> None:
    settle(catalog, Outcome.FAILED)
    before = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", requested_at=NOW + HOUR)
    clock.now += HOUR
    claim(catalog, "run-2", requested_at=NOW + HOUR)

    after = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", requested_at=NOW + HOUR)

    assert (before.applied, after.applied) == (False, True)


def test_a_rejected_export_asked_for_again_that_has_no_link_keeps_its_outcome(
    catalog: Catalog, clock: FakeClock
) -> None:
    settle(catalog, Outcome.REJECTED, reason="GONE")
    clock.now += HOUR

    seen = catalog.mark_no_url(of_run("run-2", requested_at=NOW + HOUR), export(download_url=None))

    assert (seen.applied, seen.row.outcome, seen.row.reason, seen.row.run_id) == (
        True,
        Outcome.REJECTED,
        "GONE",
        "run-1",
    )
    assert seen.row.no_url_since == "2026-11-23T13:00:00.000Z"
    clock.now += HOUR
    assert not catalog.mark_no_url(of_run("run-3"), export(download_url=None)).applied, (
        "it is not asked for by id again"
    )


def test_a_new_export_without_a_link_is_in_progress(catalog: Catalog) -> None:
    assert catalog.mark_no_url(of_run(), export(download_url=None)).row.item["status"] == "IN_PROGRESS"


def test_a_row_holds_the_correlation_id_of_its_own_run_or_none(catalog: Catalog) -> None:
    settle(catalog, Outcome.REJECTED)
    claimed = claim(catalog, "run-2", requested_at=NOW + HOUR).row.item["correlationId"]

    left = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", requested_at=NOW + HOUR).row.item

    assert claimed == "c", "the rejection in the row is still that of run-1"
    assert (left["runId"], left.get("correlationId")) == ("run-2", None)


@pytest.mark.parametrize(
    ("settled", "won"), [(Outcome.REJECTED, True), (Outcome.FAILED, False), (Outcome.STORED, False)]
)
def test_only_a_rejection_that_was_asked_about_again_gives_way_to_our_own_failure(
    catalog: Catalog, settled: Outcome, won: bool
) -> None:
    settle(catalog, settled)

    assert (
        record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", reason="x", requested_at=NOW + HOUR).applied
        is won
    )


def test_rows_reads_any_number_and_leaves_out_what_is_not_there(catalog: Catalog) -> None:
    """A call reads a hundred."""
    for number in range(101):
        catalog.record_unsettled(of_run(), f"e{number}", Outcome.NOT_FOUND)

    assert len(catalog.rows([*(f"e{number}" for number in range(101)), "nowhere", "e1"])) == 101


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_fault_33_a_throttled_write_is_tried_again(code: str) -> None:
    with mock_aws():
        throttled = SESSION.client("dynamodb", config=CONFIG)
        create_catalog(throttled)
        refusals = [refusal(code) for _ in range(2)]
        refuse: Any = lambda **_: refusals.pop() if refusals else None  # noqa: E731
        throttled.meta.events.register_first("before-send.dynamodb.UpdateItem", refuse)

        write = settle(Catalog(throttled, "catalog", account="1", region="r", clock=FakeClock()), Outcome.STORED)

    assert (refusals, write.applied) == ([], True)


def refusal(code: str) -> AWSResponse:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}).encode()
    return AWSResponse("", 400, HTTPHeaders(), HTTPResponse(io.BytesIO(body), preload_content=False))


def test_fault_33_unprocessed_keys_are_read_again(dynamodb: Any) -> None:
    with Stubber(dynamodb) as stubber:
        key = {"exportId": {"S": "a"}}
        left = {"catalog": {"Keys": [key], "ConsistentRead": True}}
        stubber.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})
        stubber.add_response("batch_get_item", {"Responses": {"catalog": [key]}, "UnprocessedKeys": {}})

        assert list(Catalog(dynamodb, "catalog", account="1", region="r", clock=FakeClock()).rows(["a"])) == ["a"]


def test_bad_input_29_a_row_that_somebody_wrote_by_hand_is_read_as_it_is(catalog: Catalog, dynamodb: Any) -> None:
    dynamodb.put_item(
        TableName="catalog", Item={"exportId": {"S": "export-1"}, "status": {"S": "DONE"}, "x": {"N": "1"}}
    )

    row = catalog.rows(["export-1"])["export-1"]

    assert (row.outcome, row.reason, row.announced, row.upload, row.raw) == (None, None, False, None, None)
    assert not row.is_final_for(None)
    assert settle(catalog, Outcome.STORED).applied


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AccessDeniedException", NonRetryableError), ("ProvisionedThroughputExceededException", ServiceError)],
)
def test_a_failed_write_carries_its_code(dynamodb: Any, code: str, kind: type[Exception]) -> None:
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("update_item", code, "arn:…")

        with pytest.raises(kind, match=f"^{code}$"):
            settle(Catalog(dynamodb, "catalog", account="1", region="r", clock=FakeClock()), Outcome.STORED)
