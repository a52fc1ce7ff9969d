"""Agents and starts of exports as Application Discovery Service answers them."""

import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from exports.aws.client_errors import aws_message
from exports.collecting.agents import (
    Agent,
    AlreadyPresent,
    LimitReached,
    OutcomeUnknown,
    Request,
    RequestRefused,
    SlotsTaken,
    StartFailed,
)
from exports.collecting.service import START_CONFIG, AgentService
from exports.collecting.setting import Kind
from exports.errors import ExportsError, NonRetryableError, ServiceError
from tests.unit.builders import SESSION
from tests.unit.fakes import FakeClock

NOT_PERMITTED = "OperationNotPermittedException"
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC)
OF_AGENT = Request(Kind.AGENT, "o-00000001", START, END)


@pytest.fixture
def stubbed() -> Iterator[tuple[AgentService, Stubber]]:
    client = SESSION.client("discovery", config=START_CONFIG)
    with Stubber(client) as stubber:
        yield AgentService(client, FakeClock().retry_policy()), stubber
        stubber.assert_no_pending_responses()


def always() -> bool:
    return True


def test_agents_are_read_from_all_pages(stubbed: Any) -> None:
    service, stubber = stubbed
    full = {
        "agentId": "o-00000001",
        "hostName": "web-1",
        "agentType": "EC2",
        "health": "RUNNING",
        "collectionStatus": "STARTED",
        "registeredTime": "2016-12-09T19:05:06Z",
        "lastHealthPingTime": "2016-12-10T19:05:06Z",
    }
    stubber.add_response("describe_agents", {"agentsInfo": [full], "nextToken": "2"}, {"maxResults": 100})
    more = [
        {"agentId": "o-00000002", "registeredTime": "none"},
        {"hostName": "without id"},
        {"agentId": "with space 1"},
        {"agentId": "half a character \ud800"},
        {"agentId": "half-a-character-\ud800"},
        {
            "agentId": "o-00000003",
            "registeredTime": "0001-01-01T00:00:00+14:00",
            "lastHealthPingTime": "9999-12-31T23:59:59-14:00",
        },
    ]
    stubber.add_response("describe_agents", {"agentsInfo": more}, {"maxResults": 100, "nextToken": "2"})

    agents, complete = service.agents(always)

    times = (datetime(2016, 12, 9, 19, 5, 6, tzinfo=UTC), datetime(2016, 12, 10, 19, 5, 6, tzinfo=UTC))
    assert agents == [
        Agent("o-00000001", "EC2", "web-1", "RUNNING", "STARTED", *times),
        Agent("o-00000002"),
        Agent("o-00000003"),
    ]
    assert complete


@pytest.mark.parametrize(
    ("kind", "has_exports"),
    [("EC2", True), ("", True), ("AGENTLESS_CONNECTOR", False), ("ApplicationDiscoveryCollector", False)],
)
def test_connectors_and_collectors_have_no_exports(kind: str, has_exports: bool) -> None:
    assert Agent("o-00000001", kind).has_exports is has_exports


def test_a_listing_that_runs_out_of_time_says_that_it_is_not_complete(stubbed: Any) -> None:
    service, stubber = stubbed
    stubber.add_response("describe_agents", {"agentsInfo": [{"agentId": "o-00000001"}], "nextToken": "2"})

    agents, complete = service.agents(lambda: False)

    assert ([each.id for each in agents], complete) == (["o-00000001"], False)


def test_a_listing_that_returns_a_token_again_is_an_error(stubbed: Any) -> None:
    service, stubber = stubbed
    for _ in range(2):
        stubber.add_response("describe_agents", {"agentsInfo": [], "nextToken": "2"})

    with pytest.raises(ServiceError, match="TooManyPages"):
        service.agents(always)


@pytest.mark.parametrize("response", [{}, {"nextToken": "2"}])
def test_a_response_without_a_list_is_no_account_without_agents(stubbed: Any, response: dict[str, str]) -> None:
    """As the page of a proxy, which botocore reads as a response without members."""
    service, stubber = stubbed
    for operation in ("describe_agents", "list_configurations"):
        stubber.add_response(operation, response)

    for call in (service.agents, service.server_agent_ids):
        with pytest.raises(ServiceError, match="InvalidResponse"):
            call(always)


@pytest.mark.parametrize("token", [{"a": 1}, ["a"], 7, True])
def test_a_token_of_another_type_is_an_error_of_the_response(token: Any) -> None:
    client: Any = SESSION.client("discovery", config=START_CONFIG)
    client.describe_agents = lambda **_: {"agentsInfo": [], "nextToken": token}

    with pytest.raises(ServiceError, match="InvalidResponse"):
        AgentService(client, FakeClock().retry_policy()).agents(always)


def test_the_agents_of_servers_are_listed(stubbed: Any) -> None:
    service, stubber = stubbed
    servers = [{"server.agentId": "o-00000001"}, {"server.hostName": "x"}, {"server.agentId": "o-00000001"}]
    stubber.add_response(
        "list_configurations", {"configurations": servers}, {"configurationType": "SERVER", "maxResults": 100}
    )

    assert service.server_agent_ids(always) == (["o-00000001"], True)


def test_a_throttled_listing_is_repeated(stubbed: Any) -> None:
    service, stubber = stubbed
    stubber.add_client_error("describe_agents", "ThrottlingException")
    stubber.add_response("describe_agents", {"agentsInfo": []})

    assert service.agents(always) == ([], True)


def test_a_refused_listing_is_not_repeated(stubbed: Any) -> None:
    service, stubber = stubbed
    stubber.add_client_error("describe_agents", "AuthorizationErrorException", http_status_code=400)

    with pytest.raises(NonRetryableError):
        service.agents(always)


@pytest.mark.parametrize(
    ("request_", "parameters"),
    [
        (Request(Kind.SUMMARY), {}),
        (
            OF_AGENT,
            {
                "filters": [{"name": "agentIds", "condition": "EQUALS", "values": ["o-00000001"]}],
                "startTime": START,
                "endTime": END,
            },
        ),
        (
            Request(Kind.AGENT, "o-00000001", None, END),
            {"filters": [{"name": "agentIds", "condition": "EQUALS", "values": ["o-00000001"]}], "endTime": END},
        ),
        (
            Request(Kind.RECOMMENDATIONS, preferences={"tenancy": "SHARED"}),
            {"preferences": {"ec2RecommendationsPreferences": {"tenancy": "SHARED", "enabled": True}}},
        ),
    ],
)
def test_each_kind_has_its_own_request(stubbed: Any, request_: Request, parameters: dict[str, Any]) -> None:
    service, stubber = stubbed
    expected = {"exportDataFormat": ["CSV"], **parameters}
    stubber.add_response("start_export_task", {"exportId": "export-1"}, expected)

    assert service.start(request_) == "export-1"


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (
            NOT_PERMITTED,
            "You have reached limit of maximum allowed concurrent exports. Please wait for current export tasks to "
            "finish before starting another.",
            SlotsTaken,
        ),
        (NOT_PERMITTED, "A successful export is already present Export ID: export-7", AlreadyPresent),
        (NOT_PERMITTED, "A successful export is already present Export ID: export-7.", AlreadyPresent),
        (NOT_PERMITTED, "A successful export is already present Export ID: https://x/y?z", LimitReached),
        (NOT_PERMITTED, "Two a day, and no more.", LimitReached),
        (NOT_PERMITTED, "", LimitReached),
        ("InvalidParameterException", "agentIds", RequestRefused),
        ("InvalidParameterValueException", "startTime", RequestRefused),
        ("ThrottlingException", "Rate exceeded", OutcomeUnknown),
        ("ServerInternalErrorException", "", OutcomeUnknown),
        ("SomethingNewException", "", OutcomeUnknown),
        ("403", "<html>", OutcomeUnknown),
        ("ExpiredTokenException", "", OutcomeUnknown),
    ],
)
def test_fault_51_each_refusal_of_a_start_has_its_meaning(
    stubbed: Any, code: str, text: str, error: type[StartFailed]
) -> None:
    service, stubber = stubbed
    stubber.add_client_error("start_export_task", code, text, http_status_code=400)

    with pytest.raises(error) as raised:
        service.start(OF_AGENT)

    assert type(raised.value) is error
    if isinstance(raised.value, AlreadyPresent):
        assert raised.value.export_id == "export-7"


@pytest.mark.parametrize(
    "code",
    ["InvalidParameterValueException", "AuthorizationErrorException", "ServerInternalErrorException"],
)
def test_what_a_function_may_log_of_a_failed_start_is_the_code(stubbed: Any, code: str) -> None:
    service, stubber = stubbed
    stubber.add_client_error("start_export_task", code, "text of the service", http_status_code=400)

    with pytest.raises(ExportsError) as raised:
        service.start(OF_AGENT)

    assert str(raised.value) == code
    assert "text of the service" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("code", ["AuthorizationErrorException", "HomeRegionNotSetException", "AccessDeniedException"])
def test_a_missing_permission_starts_nothing(stubbed: Any, code: str) -> None:
    service, stubber = stubbed
    stubber.add_client_error("start_export_task", code, http_status_code=400)

    with pytest.raises(NonRetryableError):
        service.start(OF_AGENT)


def test_the_text_of_a_limit_is_kept_without_secrets(stubbed: Any) -> None:
    service, stubber = stubbed
    text = "Wait a day. See https://b.s3.amazonaws.com/k?X-Amz-Signature=abc"
    stubber.add_client_error("start_export_task", NOT_PERMITTED, text)

    with pytest.raises(LimitReached) as raised:
        service.start(OF_AGENT)

    assert "Wait a day." in str(raised.value)
    assert "Signature" not in str(raised.value)


def test_fault_50_a_start_is_never_repeated_by_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that timed out may have started an export."""
    client = SESSION.client("discovery", config=START_CONFIG)
    sent: list[object] = []

    def time_out(request: object, **_: object) -> None:
        sent.append(request)
        raise ReadTimeoutError(endpoint_url="https://discovery")

    client.meta.events.register("before-send.discovery.StartExportTask", time_out)

    with pytest.raises(OutcomeUnknown):
        AgentService(client).start(OF_AGENT)

    assert len(sent) == 1


@pytest.mark.parametrize("export_id", ["", "a/b", ".."])
def test_fault_50_a_start_without_a_usable_id_is_looked_for(stubbed: Any, export_id: str) -> None:
    service, stubber = stubbed
    stubber.add_response("start_export_task", {"exportId": export_id})

    with pytest.raises(OutcomeUnknown):
        service.start(OF_AGENT)


def test_what_aws_says_of_a_call_that_failed_is_redacted(stubbed: Any) -> None:
    service, stubber = stubbed
    said = "User: arn:aws:iam::1:role/x may not call discovery:DescribeAgents, see https://bucket/?X-Amz-Signature=1"
    stubber.add_client_error("describe_agents", "AccessDeniedException", said)

    with pytest.raises(NonRetryableError) as raised:
        service.agents(always)

    shown = "User: arn:aws:iam::1:role/x may not call discovery:DescribeAgents, see <hidden>"
    assert aws_message(raised.value) == shown
    assert str(raised.value) == "AccessDeniedException"


def test_what_aws_says_of_a_start_whose_outcome_is_unknown_is_kept(stubbed: Any) -> None:
    service, stubber = stubbed
    stubber.add_client_error("start_export_task", "ThrottlingException", "Rate exceeded")

    with pytest.raises(OutcomeUnknown) as raised:
        service.start(OF_AGENT)

    assert (raised.value.code, aws_message(raised.value)) == ("ThrottlingException", "Rate exceeded")


def test_a_service_that_cannot_be_reached_says_so(stubbed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service, _ = stubbed

    def fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://discovery")

    monkeypatch.setattr(service._client, "describe_agents", fail)

    with pytest.raises(ServiceError) as raised:
        service.agents(always)

    assert aws_message(raised.value) == 'Could not connect to the endpoint URL: "<hidden>'
    assert aws_message(ServiceError("InvalidResponse")) == ""
