"""Events on the event bus, and their schema."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from fastjsonschema import JsonSchemaException

from exports.errors import ServiceError
from exports.model import Reason
from exports.outcomes.events import MAX_CONSECUTIVE_FAILURES, PUBLISH_RETRY, SOURCE, EventPublisher, NotFound, detail
from exports.outcomes.metrics import measure
from exports.outcomes.outcome import Outcome
from tests.events import validate_event
from tests.unit.builders import ATTRIBUTES, NOW, ODD_VALUES, row

CATALOG = "arn:aws:dynamodb:us-west-2:111122223333:table/catalog"
RETRY_POLICY = replace(PUBLISH_RETRY, sleep=lambda _: None)
STORED = row(
    runId="run-1",
    correlationId="job-7",
    accountId="111122223333",
    region="us-west-2",
    kind="agent",
    manifestKey="manifests/export-1.json",
    bytes=7,
    rows=2,
    files=1,
    schemaNotes=0,
    statusMessage="",
)


@pytest.fixture
def stubbed() -> Any:
    client = boto3.client("events", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield EventPublisher(client, "default", bucket="b", catalog=CATALOG, retry_policy=RETRY_POLICY), stubber
        stubber.assert_no_pending_responses()


def test_the_event_has_the_detail_of_the_item(stubbed: Any) -> None:
    publisher, stubber = stubbed
    entry = {
        "EventBusName": "default",
        "Source": "discovery.exports",
        "DetailType": "Export Stored",
        "Resources": [CATALOG],
        "Detail": json.dumps(detail(STORED, Outcome.STORED, bucket="b")),
    }
    stubber.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{}]}, {"Entries": [entry]})

    publisher.publish(STORED, Outcome.STORED)


def test_the_detail_has_the_documented_format() -> None:
    assert detail(STORED, Outcome.STORED, bucket="b") == {
        "version": "1",
        "metadata": {"runId": "run-1", "correlationId": "job-7", "account": "111122223333", "region": "us-west-2"},
        "data": {
            "exportId": "export-1",
            "outcome": "STORED",
            "kind": "agent",
            "manifest": "s3://b/manifests/export-1.json",
            "bytes": 7,
            "rows": 2,
            "files": 1,
            "schemaNotes": 0,
        },
    }


DESCRIBED: Any = {
    "runId": "run-1",
    "accountId": "111122223333",
    "region": "us-west-2",
    "statusMessage": "of the service",
}
WITH_DATA: Any = {"kind": "agent", "manifestKey": "manifests/export-1.json", "bytes": 7, "rows": 0, "files": 0}


def event(outcome: Outcome, **attributes: object) -> dict[str, Any]:
    document = detail(row(**{**DESCRIBED, **attributes}), outcome, bucket="b")
    return {"source": SOURCE, "detail-type": outcome.event_type, "detail": json.loads(json.dumps(document))}


@pytest.mark.parametrize(
    ("outcome", "attributes"),
    [
        (Outcome.STORED, WITH_DATA),
        (Outcome.TRUNCATED, {**WITH_DATA, "correlationId": "wave 3", "schemaNotes": 2}),
        (Outcome.FAILED, {}),
        *((Outcome.REJECTED, {"reason": reason, "bytes": 7, "rawKey": "raw/x"}) for reason in Reason),
        (Outcome.NOT_STORED, {"reason": "KMS.DisabledException"}),
        (Outcome.NOT_FOUND, {"statusMessage": ""}),
        (Outcome.NOT_FOUND, {"reason": "InvalidParameterValueException"}),
        (Outcome.TIMED_OUT, {}),
        (Outcome.TIMED_OUT, {"reason": "SlowDown"}),
    ],
)
def test_every_event_matches_the_published_schema(outcome: Outcome, attributes: dict[str, object]) -> None:
    validate_event(event(outcome, **attributes))


NOT_FOUND = event(Outcome.NOT_FOUND)


@pytest.mark.parametrize(
    "broken",
    [
        event(Outcome.STORED),
        event(Outcome.FAILED, **WITH_DATA),
        event(Outcome.FAILED, reason="CORRUPT"),
        event(Outcome.FAILED, schemaNotes=1),
        event(Outcome.REJECTED),
        event(Outcome.REJECTED, reason="AccessDenied"),
        event(Outcome.NOT_STORED),
        {**NOT_FOUND, "detail-type": "Export Failed"},
        {**NOT_FOUND, "source": "another.source"},
        {**NOT_FOUND, "detail": {**NOT_FOUND["detail"], "data": {**NOT_FOUND["detail"]["data"], "more": "https://x"}}},
    ],
)
def test_the_schema_rejects_invalid_events(broken: dict[str, Any]) -> None:
    with pytest.raises(JsonSchemaException):
        validate_event(broken)


def test_the_event_says_what_the_collector_asked_for() -> None:
    asked_for = {
        "kind": "agent",
        "agentId": "o-1",
        "from": "2026-11-01T00:00:00.000Z",
        "to": "2026-11-04T00:00:00.000Z",
    }
    stored = row(**{**STORED.item, "askedFor": {**asked_for, "more": 1}})

    published = detail(stored, Outcome.STORED, bucket="b-1")

    assert published["data"]["askedFor"] == asked_for
    validate_event({"source": SOURCE, "detail-type": "Export Stored", "detail": published})


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: str(value)[:12])
def test_bad_input_44_event_of_an_item_that_was_edited_by_hand_can_be_published(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    """EventBridge rejects an entry of more than 256 KiB."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "x")
    edited = row(**{**DESCRIBED, **WITH_DATA, name: value})

    document = json.dumps(detail(edited, Outcome.STORED, bucket="b"))

    assert len(document) < 10_000
    measure(edited, Outcome.STORED)
    assert edited.claimed_by_other("run-1", NOW) in (True, False)
    assert edited.is_final_for(NOW) in (True, False)
    assert [type(each) for each in (edited.no_url_since, edited.denied_since) if each] in ([], [datetime])


def found(count: int = 1, export_ids: Sequence[str] = ("export-1",), correlation_id: str | None = "c") -> NotFound:
    return NotFound(
        "run-1", correlation_id, "111122223333", "us-west-2", count, export_ids, report="s3://b/runs/run-1.json"
    )


@pytest.mark.parametrize("not_found", [found(), found(5000, ["x" * 200] * 100), found(correlation_id=None)])
def test_attack_04_exports_of_a_run_that_were_not_found_have_one_event_together(
    stubbed: Any, not_found: NotFound
) -> None:
    publisher, stubber = stubbed
    document = not_found.detail()
    entry = {
        "EventBusName": "default",
        "Source": "discovery.exports",
        "DetailType": "Exports Not Found",
        "Resources": [CATALOG],
        "Detail": json.dumps(document),
    }
    stubber.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{}]}, {"Entries": [entry]})

    publisher.publish_not_found(not_found)

    validate_event({"source": SOURCE, "detail-type": entry["DetailType"], "detail": json.loads(str(entry["Detail"]))})
    assert len(str(entry)) < 32 * 1024


def test_fault_34_rejected_entry_is_published_again(stubbed: Any) -> None:
    publisher, stubber = stubbed
    rejected = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
    stubber.add_response("put_events", rejected, {"Entries": ANY})
    stubber.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{}]}, {"Entries": ANY})

    publisher.publish(STORED, Outcome.STORED)


def test_fault_34_entry_that_is_always_rejected_is_an_error_with_its_code(stubbed: Any) -> None:
    publisher, stubber = stubbed
    for _ in range(RETRY_POLICY.attempts):
        rejected = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
        stubber.add_response("put_events", rejected, {"Entries": ANY})

    with pytest.raises(ServiceError, match=r"^ThrottlingException$"):
        publisher.publish(STORED, Outcome.STORED)


def test_fault_34_publishing_stops_after_consecutive_failures(stubbed: Any) -> None:
    publisher, stubber = stubbed
    for _ in range(MAX_CONSECUTIVE_FAILURES):
        stubber.add_client_error("put_events", "InternalException")

    for code in ["InternalException"] * MAX_CONSECUTIVE_FAILURES + ["PublishingStopped"] * 2:
        with pytest.raises(ServiceError, match=f"^{code}$"):
            publisher.publish(STORED, Outcome.STORED)


def test_a_published_event_resets_the_count_of_failures(stubbed: Any) -> None:
    publisher, stubber = stubbed
    for _ in range(MAX_CONSECUTIVE_FAILURES):
        stubber.add_client_error("put_events", "InternalException")
        stubber.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{}]}, {"Entries": ANY})

    for _ in range(MAX_CONSECUTIVE_FAILURES):
        with pytest.raises(ServiceError, match=r"^InternalException$"):
            publisher.publish(STORED, Outcome.STORED)
        publisher.publish(STORED, Outcome.STORED)
