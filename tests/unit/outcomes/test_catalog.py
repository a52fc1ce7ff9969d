"""Conditional writes of the catalog."""

import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.stub import Stubber
from urllib3 import HTTPResponse

from exports.errors import ClaimLost, NonRetryableError, ServiceError
from exports.model import RawObject
from exports.outcomes.catalog import NOT_FOUND_KEPT, Catalog
from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import Write
from exports.runs import Batch
from exports.s3.multipart import Upload
from tests.unit.builders import NOW, batch, export
from tests.unit.fakes import FakeClock

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def catalog(dynamodb: Any, clock: FakeClock) -> Catalog:
    return Catalog(dynamodb, "catalog", account="111122223333", region="us-west-2", clock=clock)


def of_run(run_id: str = "run-1", requested_at: datetime | None = None, **more: Any) -> Batch:
    """A batch of a run that requests the export by ID at ``requested_at``, or not by ID if that is None."""
    request = {"started_at": requested_at} if requested_at else {"retries_rejected": False}
    return batch("export-1", run_id=run_id, **{**request, **more})


def claim(catalog: Catalog, run_id: str, *, requested_at: datetime | None = None) -> Write:
    return catalog.claim(of_run(run_id, requested_at), export(), timedelta(minutes=15))


def settle(
    catalog: Catalog, outcome: Outcome, *, run_id: str = "run-1", requested_at: datetime | None = None, **details: Any
) -> Write:
    described = export(status="FAILED" if outcome is Outcome.FAILED else "SUCCEEDED")
    request = of_run(run_id, requested_at, correlation_id="c")
    return catalog.settle(request, described, outcome, polls=3, details=details)


def record_unsettled(
    catalog: Catalog,
    outcome: Outcome,
    *,
    run_id: str = "run-1",
    reason: str | None = None,
    requested_at: datetime | None = None,
) -> Write:
    return catalog.record_unsettled(of_run(run_id, requested_at), "export-1", outcome, reason)


def test_a_settled_item_has_all_attributes_but_not_the_download_url(catalog: Catalog) -> None:
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
def test_a_settled_item_stays_settled(catalog: Catalog, clock: FakeClock, settled: Outcome) -> None:
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


@pytest.mark.parametrize("settled", [each for each in Outcome if each.settled and not each.has_data])
def test_a_rejected_or_failed_export_requested_by_id_is_settled_again_once(
    catalog: Catalog, clock: FakeClock, settled: Outcome
) -> None:
    settle(catalog, settled, reason="CORRUPT")

    clock.now = NOW + 2 * HOUR
    second = settle(catalog, Outcome.STORED, run_id="run-2", requested_at=NOW + HOUR)
    clock.now = NOW + 4 * HOUR
    third = settle(catalog, Outcome.REJECTED, run_id="run-3", requested_at=NOW + 3 * HOUR)

    assert (second.applied, third.applied) == (True, False)
    assert second.row.reason is None


def test_a_rejection_after_the_request_is_final_for_it(catalog: Catalog, clock: FakeClock) -> None:
    clock.now += HOUR
    settle(catalog, Outcome.REJECTED)

    assert not claim(catalog, "run-2", requested_at=NOW).applied
    assert catalog.rows(["export-1"])["export-1"].is_final_for(NOW)


def test_fault_26_claim_excludes_other_runs_until_it_expires(catalog: Catalog, clock: FakeClock) -> None:
    assert claim(catalog, "run-1").applied
    clock.now = NOW + timedelta(minutes=14)
    assert not claim(catalog, "run-2").applied
    assert claim(catalog, "run-1").applied, "a retry of the same run may claim it"
    clock.now = NOW + timedelta(minutes=40)
    assert claim(catalog, "run-2").applied


def test_a_released_export_can_be_claimed_at_once(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run("run-2"), "export-1")
    assert not claim(catalog, "run-2").applied

    catalog.release(of_run("run-1"), "export-1")
    assert claim(catalog, "run-2").applied


def test_the_last_error_is_stored_until_the_next_claim(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run(), "export-1", "the source answered 503")
    first = catalog.rows(["export-1"])["export-1"].last_error

    second = claim(catalog, "run-2").row.last_error

    assert (first, second) == ("the source answered 503", None)


def test_the_time_of_the_first_denied_download_is_kept_until_one_makes_progress(
    catalog: Catalog, clock: FakeClock
) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run("run-1"), "export-1", "denied", denied=True)
    clock.now += HOUR
    first = claim(catalog, "run-2").row
    catalog.release(of_run("run-2"), "export-1", "denied", denied=True)
    second = claim(catalog, "run-3").row

    catalog.save_progress(of_run("run-3"), "export-1", raw=RawObject("k", 1, ""))
    third = claim(catalog, "run-3").row

    assert first.denied_since == second.denied_since == NOW
    assert third.denied_since is None


def test_the_time_of_a_denied_download_ends_with_another_error_and_with_the_run(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run("run-1"), "export-1", "denied", denied=True)
    claim(catalog, "run-2")
    catalog.release(of_run("run-2"), "export-1", "busy")
    after_error = claim(catalog, "run-3").row
    catalog.release(of_run("run-3"), "export-1", "denied", denied=True)
    catalog.record_unsettled(of_run("run-3"), "export-1", Outcome.TIMED_OUT)

    assert after_error.denied_since is None
    assert catalog.rows(["export-1"])["export-1"].denied_since is None


def test_the_reason_of_an_outcome_replaces_the_last_error(catalog: Catalog) -> None:
    claim(catalog, "run-1")
    catalog.release(of_run(), "export-1", "the source answered 503")

    recorded = record_unsettled(catalog, Outcome.TIMED_OUT, reason="the source answered 503").row

    assert (recorded.reason, recorded.last_error) == ("the source answered 503", None)


def test_a_claim_keeps_the_outcome_of_an_earlier_run(catalog: Catalog) -> None:
    record_unsettled(catalog, Outcome.TIMED_OUT, run_id="run-1")

    claimed = claim(catalog, "run-2")

    assert (claimed.applied, claimed.row.outcome, claimed.row.run_id) == (True, Outcome.TIMED_OUT, "run-1")


def test_saved_progress_is_read_back(catalog: Catalog) -> None:
    upload = Upload("raw/k.zip", "id", '"etag"', 10**12, 2**27, "AAAAAA==", "AAAAAA==-7", '"replaced"')
    claim(catalog, "run-1")

    catalog.save_progress(of_run("run-1"), "export-1", upload=upload)
    assert claim(catalog, "run-1").row.upload == upload

    raw = RawObject("raw/k.zip", 10**12, "AAAAAA==", '"etag"')
    catalog.save_progress(of_run("run-1"), "export-1", raw=raw)
    row = claim(catalog, "run-1").row
    assert (row.upload, row.raw) == (None, raw)


def test_a_run_without_its_claim_saves_no_progress(catalog: Catalog, clock: FakeClock) -> None:
    claim(catalog, "run-1")
    clock.now += HOUR
    claim(catalog, "run-2")

    with pytest.raises(ClaimLost):
        catalog.save_progress(of_run("run-1"), "export-1", raw=RawObject("k", 1, ""))


def test_fault_25_write_with_a_lost_response_is_recognized(catalog: Catalog, dynamodb: Any) -> None:
    """botocore retries a request that was applied, so the condition fails because of the write itself."""
    claim(catalog, "run-1")
    statuses: list[int] = []

    def lose_first(response: tuple[Any, Any], **_: Any) -> float | None:
        statuses.append(response[0].status_code)
        return 0.0 if len(statuses) == 1 else None

    dynamodb.meta.events.register_first("needs-retry.dynamodb.UpdateItem", lose_first)

    write = settle(catalog, Outcome.STORED, kind="agent")

    assert statuses == [200, 400]
    assert (write.applied, write.row.outcome) == (True, Outcome.STORED)


def test_fault_25_same_outcome_of_another_run_is_not_its_own_write(catalog: Catalog) -> None:
    first = settle(catalog, Outcome.STORED, run_id="run-1", kind="agent")
    other = settle(catalog, Outcome.STORED, run_id="run-2", kind="agent")

    assert (first.applied, other.applied, other.row.run_id) == (True, False, "run-1")


def test_an_unsettled_outcome_is_recorded_once_per_run(catalog: Catalog) -> None:
    first = record_unsettled(catalog, Outcome.NOT_STORED, reason="AccessDenied")
    catalog.announced(first.row)
    repeated = record_unsettled(catalog, Outcome.NOT_STORED, reason="SlowDown")
    other = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", reason="AccessDenied")

    assert (first.applied, repeated.applied, other.applied) == (True, False, True)
    assert (repeated.row.announced, repeated.row.reason) == (True, "AccessDenied")
    assert not other.row.announced, "each run announces its own failure"


def test_a_repeated_unsettled_outcome_is_recorded_and_announced_once(catalog: Catalog) -> None:
    first, second = (record_unsettled(catalog, Outcome.NOT_STORED, reason="AccessDenied") for _ in range(2))
    catalog.announced(first.row)

    assert (first.applied, second.applied) == (True, False), "an invocation may be repeated"
    assert record_unsettled(catalog, Outcome.NOT_STORED, reason="AccessDenied").row.announced


def test_an_event_of_an_earlier_outcome_does_not_mark_the_item_as_announced(catalog: Catalog) -> None:
    recorded = record_unsettled(catalog, Outcome.TIMED_OUT)
    settle(catalog, Outcome.STORED, run_id="run-2")

    catalog.announced(recorded.row)

    assert not catalog.rows(["export-1"])["export-1"].announced


def test_not_stored_replaces_failed_after_a_new_claim(catalog: Catalog, clock: FakeClock) -> None:
    settle(catalog, Outcome.FAILED)
    before = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", requested_at=NOW + HOUR)
    clock.now += HOUR
    claim(catalog, "run-2", requested_at=NOW + HOUR)

    after = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", requested_at=NOW + HOUR)

    assert (before.applied, after.applied) == (False, True)


def test_a_rejected_export_requested_again_without_a_url_keeps_its_outcome(catalog: Catalog, clock: FakeClock) -> None:
    settle(catalog, Outcome.REJECTED, reason="GONE")
    clock.now += HOUR

    seen = catalog.mark_no_url(of_run("run-2", requested_at=NOW + HOUR), export(download_url=None))

    assert (seen.applied, seen.row.outcome, seen.row.reason, seen.row.run_id) == (
        True,
        Outcome.REJECTED,
        "GONE",
        "run-1",
    )
    assert seen.row.no_url_since == NOW + HOUR
    clock.now += HOUR
    assert not catalog.mark_no_url(of_run("run-3"), export(download_url=None)).applied, "not requested by ID"


def test_a_new_export_without_a_url_is_in_progress(catalog: Catalog) -> None:
    assert catalog.mark_no_url(of_run(), export(download_url=None)).row.item["status"] == "IN_PROGRESS"


def test_bad_input_15_a_download_url_in_between_restarts_the_grace_period(catalog: Catalog, clock: FakeClock) -> None:
    catalog.mark_no_url(of_run(), export(download_url=None))
    clock.now += HOUR

    without = catalog.claim(of_run(), export(download_url=None), HOUR)
    by_run = claim(catalog, "run-1")
    catalog.mark_no_url(of_run(), export(download_url=None))
    by_sweep = catalog.claim(of_run(is_sweep=True), export(), HOUR)

    assert without.row.no_url_since == NOW
    assert (by_run.row.no_url_since, by_sweep.row.no_url_since) == (None, None)


def test_an_item_has_the_correlation_id_of_its_own_run_only(catalog: Catalog) -> None:
    settle(catalog, Outcome.REJECTED)
    claimed = claim(catalog, "run-2", requested_at=NOW + HOUR).row.item["correlationId"]

    recorded = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", requested_at=NOW + HOUR).row.item

    assert claimed == "c", "the item still has the rejection of run-1"
    assert (recorded["runId"], recorded.get("correlationId")) == ("run-2", None)


@pytest.mark.parametrize(
    ("settled", "applied"), [(Outcome.REJECTED, True), (Outcome.FAILED, False), (Outcome.STORED, False)]
)
def test_not_stored_replaces_only_a_rejection_that_is_requested_again(
    catalog: Catalog, settled: Outcome, applied: bool
) -> None:
    settle(catalog, settled)

    write = record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", reason="x", requested_at=NOW + HOUR)

    assert write.applied is applied


UNSETTLED = [outcome for outcome in Outcome if not outcome.settled]
SHORT, LONG = timedelta(minutes=1), timedelta(hours=12)


def of_runs() -> tuple[Batch, Batch]:
    """A run of a minute, and one that waits for longer."""
    return of_run("short", requested_at=NOW, deadline=NOW + SHORT), of_run("long", deadline=NOW + LONG)


@pytest.mark.parametrize("outcome", UNSETTLED)
@pytest.mark.parametrize("first", ["short", "long"])
def test_attack_05_outcome_of_a_short_run_does_not_replace_what_a_longer_one_waits_for(
    catalog: Catalog, clock: FakeClock, outcome: Outcome, first: str
) -> None:
    short, long = of_runs()
    for run in sorted(of_runs(), key=lambda run: run.run_id != first):
        catalog.mark_in_progress(run, export(status="IN_PROGRESS"))
    clock.now += SHORT

    write = catalog.record_unsettled(short, "export-1", outcome)

    assert (write.applied, write.row.item["status"], write.row.run_id) == (False, "IN_PROGRESS", "long")
    assert catalog.settle(long, export(), Outcome.STORED, polls=1, details={}).applied


@pytest.mark.parametrize("outcome", UNSETTLED)
@pytest.mark.parametrize("released", [False, True], ids=["storing", "between two attempts"])
def test_attack_05_outcome_of_a_short_run_does_not_replace_what_a_longer_one_stores(
    catalog: Catalog, clock: FakeClock, outcome: Outcome, released: bool
) -> None:
    short, long = of_runs()
    catalog.mark_in_progress(short, export(status="IN_PROGRESS"))
    catalog.claim(long, export(), timedelta(minutes=15))
    if released:
        catalog.release(long, "export-1", "busy")
    clock.now += SHORT

    assert not catalog.record_unsettled(short, "export-1", outcome).applied


def test_attack_05_a_longer_run_keeps_the_export_that_a_short_one_tries_to_store(
    catalog: Catalog, clock: FakeClock
) -> None:
    short, long = of_runs()
    catalog.mark_in_progress(long, export(status="IN_PROGRESS"))
    assert catalog.claim(short, export(), timedelta(minutes=15)).applied
    catalog.release(short, "export-1", "busy")
    clock.now += SHORT

    assert not catalog.record_unsettled(short, "export-1", Outcome.NOT_STORED).applied
    assert catalog.record_unsettled(long, "export-1", Outcome.NOT_STORED).applied


def test_the_run_with_the_latest_deadline_records_its_outcome_and_a_later_run_is_free(
    catalog: Catalog, clock: FakeClock
) -> None:
    short, long = of_runs()
    catalog.mark_in_progress(long, export(status="IN_PROGRESS"))
    clock.now += LONG
    recorded = catalog.record_unsettled(long, "export-1", Outcome.TIMED_OUT)

    assert recorded.applied
    assert {"pendingBy", "pendingUntil"}.isdisjoint(recorded.row.item)
    assert catalog.record_unsettled(short, "export-1", Outcome.NOT_FOUND).applied


def test_a_run_that_stopped_without_an_outcome_blocks_nothing_after_its_deadline(
    catalog: Catalog, clock: FakeClock
) -> None:
    catalog.mark_in_progress(of_runs()[1], export(status="IN_PROGRESS"))
    clock.now += LONG + SHORT
    later = of_run("later", deadline=clock.now)

    assert catalog.mark_in_progress(later, export(status="IN_PROGRESS")).row.run_id == "later"
    assert catalog.record_unsettled(later, "export-1", Outcome.TIMED_OUT).applied


def test_attack_04_item_of_an_export_that_is_not_found_expires(catalog: Catalog) -> None:
    """The time to live of DynamoDB is a number of seconds since 1970."""
    item = record_unsettled(catalog, Outcome.NOT_FOUND).row.item

    assert item["expiresAt"] == int((NOW + NOT_FOUND_KEPT).timestamp())
    assert item["status"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "write",
    [
        lambda catalog: catalog.mark_in_progress(of_run("run-2"), export(status="IN_PROGRESS")),
        lambda catalog: catalog.mark_no_url(of_run("run-2"), export(download_url=None)),
        lambda catalog: claim(catalog, "run-2"),
        lambda catalog: settle(catalog, Outcome.STORED, run_id="run-2"),
        lambda catalog: record_unsettled(catalog, Outcome.TIMED_OUT, run_id="run-2"),
        lambda catalog: record_unsettled(catalog, Outcome.NOT_STORED, run_id="run-2", reason="AccessDenied"),
    ],
    ids=["in progress", "no url", "claimed", "settled", "timed out", "not stored"],
)
def test_attack_04_item_of_an_export_that_is_found_later_does_not_expire(
    catalog: Catalog, write: Callable[[Catalog], Write]
) -> None:
    record_unsettled(catalog, Outcome.NOT_FOUND)

    written = write(catalog)

    assert written.applied
    assert "expiresAt" not in written.row.item


def test_rows_reads_any_number_of_items_and_omits_missing_ones(catalog: Catalog, dynamodb: Any) -> None:
    """One BatchGetItem call reads at most 100 items."""
    for number in range(101):
        dynamodb.put_item(TableName="catalog", Item={"exportId": {"S": f"e{number}"}})

    assert len(catalog.rows([*(f"e{number}" for number in range(101)), "missing", "e1"])) == 101


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_fault_33_throttled_write_is_retried(
    catalog: Catalog, dynamodb: Any, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    errors = [error_response(code) for _ in range(6)]
    fail: Any = lambda **_: errors.pop() if errors else None  # noqa: E731
    dynamodb.meta.events.register_first("before-send.dynamodb.UpdateItem", fail)

    write = settle(catalog, Outcome.STORED)

    assert (errors, write.applied) == ([], True)


def error_response(code: str) -> AWSResponse:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}).encode()
    return AWSResponse("", 400, HTTPHeaders(), HTTPResponse(io.BytesIO(body), preload_content=False))


def test_fault_33_unprocessed_keys_are_read_again(dynamodb: Any) -> None:
    with Stubber(dynamodb) as stubber:
        key = {"exportId": {"S": "a"}}
        unprocessed = {"catalog": {"Keys": [key], "ConsistentRead": True}}
        stubber.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": unprocessed})
        stubber.add_response("batch_get_item", {"Responses": {"catalog": [key]}, "UnprocessedKeys": {}})

        assert list(Catalog(dynamodb, "catalog", account="1", region="r", clock=FakeClock()).rows(["a"])) == ["a"]


def test_bad_input_29_item_that_was_written_manually_is_read(catalog: Catalog, dynamodb: Any) -> None:
    dynamodb.put_item(
        TableName="catalog", Item={"exportId": {"S": "export-1"}, "status": {"S": "DONE"}, "x": {"N": "1"}}
    )

    row = catalog.rows(["export-1"])["export-1"]

    assert (row.outcome, row.reason, row.announced, row.upload, row.raw) == (None, None, False, None, None)
    assert not row.is_final_for(None)
    assert settle(catalog, Outcome.STORED).applied


def test_bad_input_44_item_with_attributes_of_any_type_affects_no_other(catalog: Catalog, dynamodb: Any) -> None:
    odd = {
        "reason": {"BS": [b"a"]},
        "rows": {"NS": ["1", "2.5"]},
        "runId": {"B": b"run-1"},
        "settledAt": {"NULL": True},
        "claimedUntil": {"L": [{"M": {}}]},
        "bytes": {"N": "1.5"},
        "upload": {"S": "none"},
        "raw": {"M": {"key": {"S": "k"}, "other": {"N": "1"}}},
        "linklessSince": {"S": "yesterday"},
    }
    dynamodb.put_item(TableName="catalog", Item={"exportId": {"S": "odd"}, "status": {"S": "FAILED"}, **odd})
    settle(catalog, Outcome.STORED)

    rows = catalog.rows(["odd", "export-1"])

    found = rows["odd"]
    assert (found.outcome, found.reason, found.count("rows"), found.run_id) == (Outcome.FAILED, None, None, None)
    assert (found.upload, found.raw, found.no_url_since) == (None, None, None)
    assert not found.is_final_for(NOW)
    assert rows["export-1"].outcome is Outcome.STORED
    catalog.announced(found)


ASKED = {"kind": "agent", "agentId": "o-1", "from": "2026-11-01T00:00:00.000Z", "to": "2026-11-04T00:00:00.000Z"}


def test_what_an_export_was_asked_for_creates_its_item_and_stays_whatever_a_run_records(catalog: Catalog) -> None:
    catalog.record_purpose("export-1", ASKED)
    created = catalog.rows(["export-1"])["export-1"]

    assert created.item["status"] == "IN_PROGRESS"
    assert created.item.keys() == {"exportId", "status", "accountId", "region", "firstSeenAt", "askedFor"}
    for write in (catalog.mark_in_progress(of_run(), export()), claim(catalog, "run-1")):
        assert write.applied
        assert write.row.asked_for == ASKED
    assert settle(catalog, Outcome.STORED).row.asked_for == ASKED


def test_what_an_export_was_asked_for_changes_nothing_else_and_is_recorded_once(catalog: Catalog) -> None:
    before = settle(catalog, Outcome.STORED).row.item

    catalog.record_purpose("export-1", ASKED)
    catalog.record_purpose("export-1", {"kind": "summary"})

    assert catalog.rows(["export-1"])["export-1"].item == {**before, "askedFor": ASKED}


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AccessDeniedException", NonRetryableError), ("ProvisionedThroughputExceededException", ServiceError)],
)
def test_a_failed_write_is_an_error_with_its_code(dynamodb: Any, code: str, kind: type[Exception]) -> None:
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("update_item", code, "arn:…")

        with pytest.raises(kind, match=f"^{code}$"):
            settle(Catalog(dynamodb, "catalog", account="1", region="r", clock=FakeClock()), Outcome.STORED)
