"""DescribeExportTasks, with paging, errors and invalid responses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from exports.aws.discovery import MAX_SEARCH_SECONDS, DiscoveryService
from exports.errors import NonRetryableError, ServiceError
from exports.runs import Described
from tests.unit.answers import Answer, AnsweredClient, answers, listing

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


def test_bad_input_18_response_with_an_empty_list_has_no_exports(stubbed: Any) -> None:
    service, stubber = stubbed
    stubber.add_response("describe_export_tasks", {"exportsInfo": []})

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


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ServerInternalErrorException", "ExpiredToken", "ExpiredTokenException", "RequestExpired"],
)
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
        "SubscriptionRequiredException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
    ],
)
def test_fault_17_permanent_error_is_not_retryable(stubbed: Any, code: str) -> None:
    service, stubber = stubbed
    stubber.add_client_error("describe_export_tasks", code)

    with pytest.raises(NonRetryableError, match=f"^{code}$"):
        service.describe()


@pytest.mark.parametrize("member", ["message", "Message"])
@pytest.mark.parametrize("text", ["Signature expired: 20261129T000000Z", "Signature not yet current: 2026"])
@pytest.mark.parametrize("code", ["InvalidSignatureException", "com.amazonaws#SignatureDoesNotMatch"])
@pytest.mark.parametrize("more", [{}, {"message": ""}, {"Message": None}])
def test_fault_41_a_clock_that_differs_is_retried_under_both_names_of_the_message(
    member: str, text: str, code: str, more: dict[str, Any]
) -> None:
    body = json.dumps({"__type": code, **more, member: text}).encode()

    with pytest.raises(ServiceError) as failed:
        DiscoveryService(answers((400, body)).client).describe(["a"])

    assert not isinstance(failed.value, NonRetryableError)


@pytest.mark.parametrize("status", [301, 302, 400, 403, 404, 407, 413, 451])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Blocked</html>", b"Forbidden", b"[]", b"null", b'{"__type": "Acc', b"\xff", b"[" * 200_000],
    ids=range(8),
)
def test_fault_41_a_refusal_that_is_not_of_aws_is_retried(status: int, body: bytes) -> None:
    with pytest.raises(ServiceError, match=r"^InvalidResponse$") as failed:
        DiscoveryService(answers((status, body)).client).describe(["a"])

    assert not isinstance(failed.value, NonRetryableError)


@pytest.mark.parametrize("body", [{"__type": "AccessDeniedException"}, {"message": "Forbidden"}, {}])
def test_fault_41_a_refusal_in_json_is_not_retried(body: dict[str, str]) -> None:
    with pytest.raises(NonRetryableError, match=r"^AccessDenied"):
        DiscoveryService(answers((403, json.dumps(body).encode())).client).describe(["a"])


@dataclass
class Refusing:
    """Answers over HTTP: every call with one of the ids in ``bad`` is refused, the others are described.

    After ``calls_until_error`` calls, the service fails.
    """

    bad: frozenset[str] = frozenset()
    code: str = "InvalidParameterValueException"
    error: tuple[str, int] = ("ThrottlingException", 400)
    calls_until_error: int = 10**6
    now: float = 0.0
    seconds_for_a_call: float = 0.0

    def describe(self, ids: Sequence[str], **more: Any) -> Described:
        self.answered = AnsweredClient(self._answer)
        return DiscoveryService(self.answered.client, clock=lambda: self.now).describe(ids, **more)

    @property
    def calls(self) -> int:
        return len(self.answered.requests)

    def _answer(self, parameters: Mapping[str, Any]) -> Answer:
        self.now += self.seconds_for_a_call
        ids = parameters["exportIds"]
        if self.calls > self.calls_until_error:
            return self.error[1], json.dumps({"__type": self.error[0]}).encode()
        if self.bad.intersection(ids):
            return 400, json.dumps({"__type": self.code, "message": f"{ids[0]} is invalid"}).encode()
        return 200, listing(*({"exportId": each, "exportStatus": "IN_PROGRESS"} for each in ids)).encode()


IDS = [f"export-{number}" for number in range(100)]


@pytest.mark.parametrize(
    "code", ["InvalidParameterException", "InvalidParameterValueException", "InvalidInputException", "ValidationError"]
)
@pytest.mark.parametrize(
    ("bad", "max_calls"),
    [
        ([0], 15),
        ([99], 15),
        ([49, 50], 103),
        ([7, 8], 60),
        ([1, 40, 80], 103),
        (range(50), 103),
        (range(1, 100), 103),
        (range(100), 103),
    ],
    ids=repr,
)
def test_fault_42_refused_ids_are_found_and_the_others_are_described(
    code: str, bad: Sequence[int], max_calls: int
) -> None:
    service = Refusing(frozenset(IDS[number] for number in bad), code)

    found = service.describe(IDS)

    assert found.keys() == set(IDS) - service.bad
    assert found.refused == dict.fromkeys(service.bad, code)
    assert found.unanswered == frozenset()
    assert service.calls <= max_calls


@given(st.sets(st.integers(0, 99)), st.integers(1, 100))
def test_fault_42_a_search_for_any_refused_ids_needs_at_most_three_calls_more_than_ids(
    bad: set[int], number: int
) -> None:
    service = Refusing(frozenset(IDS[each] for each in bad))

    found = service.describe(IDS[:number])

    assert found.keys() | found.refused.keys() == set(IDS[:number])
    assert found.refused.keys() == service.bad & set(IDS[:number])
    assert service.calls <= number + 3


def test_fault_42_one_refused_id_is_refused_with_one_call() -> None:
    service = Refusing(frozenset(IDS))

    assert service.describe(IDS[:1]).refused == {"export-0": "InvalidParameterValueException"}
    assert service.calls == 1


@pytest.mark.parametrize("calls", range(3, 20))
def test_fault_42_a_search_that_an_error_ends_keeps_what_it_has_found(calls: int) -> None:
    service = Refusing(frozenset(IDS[:10]), calls_until_error=calls)

    found = service.describe(IDS)

    assert found.keys() <= set(IDS[10:])
    assert found.refused.keys() <= service.bad
    assert found.unanswered == set(IDS) - found.keys() - found.refused.keys()


def test_an_error_before_a_search_has_found_anything_is_raised() -> None:
    with pytest.raises(ServiceError, match=r"^ThrottlingException$"):
        Refusing(frozenset(IDS), calls_until_error=1).describe(IDS)


def test_a_permission_that_is_lost_during_a_search_is_raised() -> None:
    with pytest.raises(NonRetryableError, match=r"^AccessDeniedException$"):
        Refusing(frozenset(IDS[:9]), error=("AccessDeniedException", 400), calls_until_error=4).describe(IDS)


def test_fault_42_a_search_ends_after_its_time() -> None:
    service = Refusing(frozenset(IDS), seconds_for_a_call=2.0)

    found = service.describe(IDS)

    assert service.calls == MAX_SEARCH_SECONDS / 2
    assert len(found.refused) == 7
    assert len(found.unanswered) == 93


def test_fault_42_the_time_of_a_search_includes_the_call_that_was_refused() -> None:
    with pytest.raises(ServiceError, match=r"^SearchTimedOut$"):
        Refusing(frozenset(IDS), seconds_for_a_call=MAX_SEARCH_SECONDS).describe(IDS)


def test_a_filter_that_the_service_rejects_is_an_error() -> None:
    filters = [{"name": "agentIds", "condition": "EQUALS", "values": ["?"]}]

    for number in (1, 2, 100):
        with pytest.raises(NonRetryableError, match=r"^InvalidParameterValueException$"):
            Refusing(frozenset(IDS)).describe(IDS[:number], filters=filters)


def test_fault_42_a_refused_id_beside_filters_is_found() -> None:
    filters = [{"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}]
    service = Refusing(frozenset(IDS[:1]))

    found = service.describe(IDS, filters=filters)

    assert (len(found), [*found.refused]) == (99, ["export-0"])
    assert all(request["filters"] == filters for request in service.answered.requests)


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
    paginator = SimpleNamespace(paginate=lambda **_: pages)
    return DiscoveryService(cast(Any, SimpleNamespace(get_paginator=lambda name: paginator)))


def test_bad_input_32_export_without_a_request_time_has_the_date_of_the_epoch() -> None:
    assert answering({"exportsInfo": [{"exportId": "a"}]}).describe()["a"].requested_date == "1970-01-01"


def test_bad_input_39_listing_with_a_page_without_exports_is_an_error() -> None:
    with pytest.raises(ServiceError, match=r"^InvalidResponse$"):
        answering({"exportsInfo": [info("a")]}, {"exportsInfo": None}).describe()


@given(st.permutations([info("a", status) for status in ("IN_PROGRESS", "FAILED", "PAUSED", "SUCCEEDED")]))
def test_bad_input_18_order_of_responses_has_no_effect(answers: list[dict[str, Any]]) -> None:
    assert answering(*({"exportsInfo": [each]} for each in answers)).describe()["a"].status == "SUCCEEDED"


@pytest.mark.parametrize("url", [{}, {"configurationsDownloadUrl": ""}, {"configurationsDownloadUrl": None}])
def test_bad_input_15_empty_download_url_is_none(url: dict[str, Any]) -> None:
    assert answering({"exportsInfo": [info("a", "SUCCEEDED", **url)]}).describe(["a"])["a"].download_url is None


def test_a_listing_keeps_neither_messages_nor_download_urls_in_memory() -> None:
    described = info("a", "SUCCEEDED", statusMessage="message", configurationsDownloadUrl="https://x")
    listed, asked = (answering({"exportsInfo": [described]}).describe(ids)["a"] for ids in ([], ["a"]))

    assert (listed.status, listed.status_message, listed.download_url) == ("SUCCEEDED", "", None)
    assert (asked.status, asked.status_message, asked.download_url) == ("SUCCEEDED", "message", "https://x")


def test_fault_19_endless_listing_stops_at_the_maximum_of_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.aws.discovery.MAX_PAGES", 3)
    pages = [{"exportsInfo": [info(f"export-{number}")]} for number in range(4)]

    assert len(answering(*pages[:3]).describe()) == 3
    with pytest.raises(ServiceError, match=r"^TooManyPages$"):
        answering(*pages).describe()


def test_a_listing_without_time_ends_before_its_next_page() -> None:
    pages = [{"exportsInfo": [info(f"export-{number}")], "nextToken": f"{number}"} for number in range(3)]
    left = iter([True, False])

    with pytest.raises(ServiceError, match=r"^ListingTookTooLong$"):
        answering(*pages).describe(has_time=lambda: next(left))
    assert len(answering({"exportsInfo": [info("export-1")]}).describe(has_time=lambda: False)) == 1


def test_fault_19_pages_of_a_poll_are_limited_by_its_ids() -> None:
    pages = [{"exportsInfo": [info("a")]}] * 5

    assert list(answering(*pages[:4]).describe(["a", "b"])) == ["a"]
    with pytest.raises(ServiceError, match=r"^TooManyPages$"):
        answering(*pages).describe(["a", "b"])
