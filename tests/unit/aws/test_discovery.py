"""DescribeExportTasks, with paging, errors and invalid responses."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from exports.aws.discovery import DiscoveryService
from exports.errors import NonRetryableError, ServiceError

REQUESTED = datetime(2026, 11, 23, 10, tzinfo=UTC)


def info(export_id: str, status: str = "IN_PROGRESS", **more: Any) -> dict[str, Any]:
    return {"exportId": export_id, "exportStatus": status, "statusMessage": "", "exportRequestTime": REQUESTED, **more}


@pytest.fixture
def stubbed() -> Any:
    client = boto3.client("discovery", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield DiscoveryService(client), stubber
        stubber.assert_no_pending_responses()


def test_all_pages_and_all_members_are_read(stubbed: Any) -> None:
    service, stubber = stubbed
    stubber.add_response(
        "describe_export_tasks", {"exportsInfo": [info("a")], "nextToken": "2"}, {"exportIds": ["a", "b"]}
    )
    last = info(
        "b",
        "SUCCEEDED",
        configurationsDownloadUrl="https://x/y?sig",
        isTruncated=True,
        requestedStartTime=REQUESTED,
        requestedEndTime=REQUESTED,
    )
    stubber.add_response("describe_export_tasks", {"exportsInfo": [last]}, {"exportIds": ["a", "b"], "nextToken": "2"})

    found = service.describe(["a", "b"])

    assert list(found) == ["a", "b"]
    b = found["b"]
    assert (b.status, b.is_truncated, b.download_url) == ("SUCCEEDED", True, "https://x/y?sig")
    assert b.requested_at == b.requested_start == b.requested_end == REQUESTED


def test_repr_hides_the_download_url(stubbed: Any) -> None:
    service, stubber = stubbed
    answer = {"exportsInfo": [info("a", "SUCCEEDED", configurationsDownloadUrl="https://x/s3cr3t")]}
    stubber.add_response("describe_export_tasks", answer)

    assert "s3cr3t" not in repr(service.describe(["a"]))


def test_filters_are_sent_to_the_service(stubbed: Any) -> None:
    service, stubber = stubbed
    filters = [{"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}]
    stubber.add_response("describe_export_tasks", {"exportsInfo": []}, {"exportIds": ["a"], "filters": filters})

    assert service.describe(["a"], filters) == {}


@pytest.mark.parametrize("answer", [{}, {"exportsInfo": []}])
def test_bad_input_18_response_without_exports_is_empty(stubbed: Any, answer: Any) -> None:
    service, stubber = stubbed
    stubber.add_response("describe_export_tasks", answer)

    assert service.describe() == {}


@pytest.mark.parametrize("order", [("IN_PROGRESS", "SUCCEEDED"), ("SUCCEEDED", "IN_PROGRESS"), ("FAILED", "SUCCEEDED")])
def test_bad_input_18_most_advanced_status_of_a_repeated_id_is_used(stubbed: Any, order: tuple[str, str]) -> None:
    service, stubber = stubbed
    stubber.add_response("describe_export_tasks", {"exportsInfo": [info("a", status) for status in order]})

    assert service.describe()["a"].status == "SUCCEEDED"


def test_fault_19_repeated_token_ends_the_listing(stubbed: Any) -> None:
    service, stubber = stubbed
    for _ in range(2):
        stubber.add_response("describe_export_tasks", {"exportsInfo": [info("a")], "nextToken": "again"})

    with pytest.raises(ServiceError, match=r"^PaginationError$"):
        service.describe()


@pytest.mark.parametrize("code", ["ThrottlingException", "ServerInternalErrorException"])
def test_fault_15_16_retryable_error_has_only_its_code(stubbed: Any, code: str) -> None:
    service, stubber = stubbed
    stubber.add_client_error("describe_export_tasks", code, "see https://x/s3cr3t")

    with pytest.raises(ServiceError) as failed:
        service.describe()

    assert (str(failed.value), isinstance(failed.value, NonRetryableError)) == (code, False)


@pytest.mark.parametrize(
    "code",
    [
        "HomeRegionNotSetException",
        "AuthorizationErrorException",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
    ],
)
def test_fault_17_permanent_error_is_not_retryable(stubbed: Any, code: str) -> None:
    service, stubber = stubbed
    stubber.add_client_error("describe_export_tasks", code)

    with pytest.raises(NonRetryableError, match=f"^{code}$"):
        service.describe()


@pytest.mark.parametrize("code", ["InvalidParameterException", "InvalidParameterValueException"])
def test_an_id_that_the_service_rejects_is_absent_and_the_others_are_described(stubbed: Any, code: str) -> None:
    service, stubber = stubbed
    for ids, rejected in ([*"abcd"], True), ([*"ab"], False), ([*"cd"], True), (["c"], True), (["d"], False):
        if rejected:
            stubber.add_client_error("describe_export_tasks", code, expected_params={"exportIds": ids})
        else:
            answer = {"exportsInfo": [info(each) for each in ids]}
            stubber.add_response("describe_export_tasks", answer, {"exportIds": ids})

    assert [*service.describe([*"abcd"])] == [*"abd"]


def test_a_filter_that_the_service_rejects_is_an_error(stubbed: Any) -> None:
    service, stubber = stubbed
    stubber.add_client_error("describe_export_tasks", "InvalidParameterValueException")

    with pytest.raises(NonRetryableError, match=r"^InvalidParameterValueException$"):
        service.describe(["a", "b"], [{"name": "agentIds", "condition": "EQUALS", "values": ["?"]}])


@pytest.mark.parametrize(
    ("requested_at", "date"),
    [
        (datetime(2026, 11, 23, 23, 30, tzinfo=timezone(timedelta(hours=-3))), "2026-11-24"),
        (datetime(2026, 11, 23, 23, 30), "2026-11-23"),  # noqa: DTZ001 - as a service might return it
        (datetime.fromtimestamp(0, UTC), "1970-01-01"),
        (datetime(2099, 1, 1, tzinfo=UTC), "2099-01-01"),
    ],
)
def test_fault_39_bad_input_32_request_time_becomes_a_date_in_utc(
    stubbed: Any, requested_at: datetime, date: str
) -> None:
    service, stubber = stubbed
    stubber.add_response("describe_export_tasks", {"exportsInfo": [info("a", exportRequestTime=requested_at)]})

    assert service.describe()["a"].requested_date == date


def answering(*pages: dict[str, Any]) -> DiscoveryService:
    """The service with a client whose responses may break the service model."""
    paginator = SimpleNamespace(paginate=lambda: pages)
    return DiscoveryService(cast(Any, SimpleNamespace(get_paginator=lambda name: paginator)))


def test_bad_input_32_export_without_a_request_time_has_the_date_of_the_epoch() -> None:
    assert answering({"exportsInfo": [{"exportId": "a"}]}).describe()["a"].requested_date == "1970-01-01"


def test_bad_input_18_page_whose_exports_are_null_is_skipped() -> None:
    assert list(answering({"exportsInfo": None}, {"exportsInfo": [info("a")]}).describe()) == ["a"]


@given(st.permutations([info("a", status) for status in ("IN_PROGRESS", "FAILED", "PAUSED", "SUCCEEDED")]))
def test_bad_input_18_order_of_responses_has_no_effect(answers: list[dict[str, Any]]) -> None:
    assert answering(*({"exportsInfo": [each]} for each in answers)).describe()["a"].status == "SUCCEEDED"


@pytest.mark.parametrize("url", [{}, {"configurationsDownloadUrl": ""}, {"configurationsDownloadUrl": None}])
def test_bad_input_15_empty_download_url_is_none(url: dict[str, Any]) -> None:
    assert answering({"exportsInfo": [info("a", "SUCCEEDED", **url)]}).describe()["a"].download_url is None


def test_fault_19_endless_listing_stops_at_the_maximum_of_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.aws.discovery.MAX_PAGES", 3)
    pages = [{"exportsInfo": [info(f"export-{number}")]} for number in range(4)]

    assert len(answering(*pages[:3]).describe()) == 3
    with pytest.raises(ServiceError, match=r"^TooManyPages$"):
        answering(*pages).describe()
