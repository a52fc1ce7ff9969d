"""StartExportTask and DescribeExportTasks of the double, called by a boto3 client, behave as those of the service."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.double.protocol import Protocol, WrongAnswer
from tests.unit.doubles import START, Running

STARTED = datetime.fromtimestamp(START, UTC)
RECOMMEND = {"ec2RecommendationsPreferences": {"enabled": True}}


def of_agent(*agent_ids: str) -> dict[str, Any]:
    return {"filters": [{"name": "agentIds", "condition": "EQUALS", "values": list(agent_ids)}]}


def error_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# Exports


def test_a_summary_is_in_progress_and_then_succeeds(running: Running) -> None:
    running.double.set_scenarios({"in_progress_seconds": 60})
    export_id = running.start()

    (first,) = running.describe(export_id)
    running.clock.now += 60
    (second,) = running.describe(export_id)

    assert first == {
        "exportId": export_id,
        "exportStatus": "IN_PROGRESS",
        "statusMessage": "IN_PROGRESS",
        "exportRequestTime": STARTED,
        "isTruncated": False,
    }
    assert second["exportStatus"] == "SUCCEEDED"
    assert second["configurationsDownloadUrl"].startswith(running.server.origin)


def test_an_agent_export_has_its_requested_time_range(running: Running) -> None:
    agent = running.double.agents()[2]
    start, end = STARTED - timedelta(days=2), STARTED - timedelta(days=1)

    (info,) = running.describe(running.start(startTime=start, endTime=end, **of_agent(agent)))

    assert (info["requestedStartTime"], info["requestedEndTime"]) == (start, end)


@pytest.mark.parametrize("parameters", [{}, {"preferences": RECOMMEND}], ids=["summary", "ec2"])
def test_only_agent_exports_have_a_time_range(running: Running, parameters: dict[str, Any]) -> None:
    (info,) = running.describe(running.start(startTime=STARTED - timedelta(days=2), **parameters))

    assert "requestedStartTime" not in info


def test_a_failed_export_has_a_message_and_no_download_url(running: Running) -> None:
    running.double.set_scenarios(
        {"outcome": "FAILED", "status_message": "No data for the agent"}, {"outcome": "FAILED"}
    )

    (custom,) = running.describe(running.start())
    (default,) = running.describe(running.start())

    assert (custom["exportStatus"], custom["statusMessage"]) == ("FAILED", "No data for the agent")
    assert default["statusMessage"]
    assert "configurationsDownloadUrl" not in custom


def test_is_truncated_is_true_once_the_export_is_finished(running: Running) -> None:
    running.double.set_scenarios({"is_truncated": True, "in_progress_seconds": 5})
    export_id = running.start(**of_agent(running.double.agents()[0]))

    assert running.describe(export_id)[0]["isTruncated"] is False
    running.clock.now += 5
    assert running.describe(export_id)[0]["isTruncated"] is True


def test_an_unknown_status_is_returned(running: Running) -> None:
    running.double.set_scenarios({"outcome": "ARCHIVED"})

    (info,) = running.describe(running.start())

    assert info["exportStatus"] == "ARCHIVED"
    assert "configurationsDownloadUrl" not in info


@pytest.mark.parametrize(
    ("scenario", "url"),
    [({"no_download_url": True}, None), ({"download_url": ""}, ""), ({"download_url": "http://x"}, "http://x")],
)
def test_a_download_url_can_be_missing_or_replaced(running: Running, scenario: dict[str, Any], url: str | None) -> None:
    running.double.set_scenarios(scenario)

    (info,) = running.describe(running.start())

    assert info.get("configurationsDownloadUrl") == url


def raw_answer(running: Running, export_ids: Sequence[str] = ()) -> Any:
    """The body of a response to DescribeExportTasks, which botocore might not parse."""
    bodies: list[bytes] = []
    client = running.client()
    client.meta.events.register(
        "before-parse.discovery.DescribeExportTasks", lambda response_dict, **_: bodies.append(response_dict["body"])
    )
    with suppress(ValueError, AttributeError):
        client.describe_export_tasks(exportIds=export_ids)
    return bodies[0].decode()


def test_an_export_can_have_members_and_an_entry_that_the_model_does_not_allow(running: Running) -> None:
    odd, plain, null = running.double.add(
        {"info": {"exportRequestTime": "soon", "exportStatus": None}, "info_without": ["statusMessage"]},
        {},
        {"entry": "null"},
    )

    entries = json.loads(raw_answer(running))["exportsInfo"]

    by_id = {entry["exportId"]: entry for entry in entries if entry}
    assert len(entries) == 3
    assert null not in by_id
    assert (by_id[odd]["exportRequestTime"], by_id[odd]["exportStatus"]) == ("soon", None)
    assert by_id[plain].keys() - by_id[odd].keys() == {"statusMessage"}


def test_calls_with_a_refused_id_are_refused_and_listings_have_it(running: Running) -> None:
    refused, other = running.double.add({"refused_id": True}, {})

    code, message = error_of(lambda: running.describe(other, refused))

    assert code == "InvalidParameterValueException"
    assert refused in message
    assert running.status(other) == "SUCCEEDED"
    assert {info["exportId"] for info in running.service.describe_export_tasks()["exportsInfo"]} == {refused, other}


def test_every_call_can_return_a_page(running: Running) -> None:
    running.double.settings(body="<html></html>")

    assert raw_answer(running) == "<html></html>"


def test_download_urls_have_the_lifetime_of_the_scenario(running: Running) -> None:
    running.double.set_scenarios({"url_lifetime_seconds": 10}, {"url_lifetime_seconds": 20})
    first, second = running.start(), running.start()

    assert "X-Amz-Expires=10&" in running.download_url(first)
    assert "X-Amz-Expires=20&" in running.download_url(second)


# Listing


def test_a_late_id_is_absent_until_it_appears(running: Running) -> None:
    running.double.set_scenarios({"appears_after_seconds": 30})
    export_id = running.start()

    assert running.describe(export_id) == []
    assert running.service.describe_export_tasks()["exportsInfo"] == []
    running.clock.now += 30
    assert running.status(export_id) == "SUCCEEDED"


def test_unknown_ids_are_absent_and_a_repeated_id_is_listed_once(running: Running) -> None:
    export_id = running.start()

    assert [info["exportId"] for info in running.describe("export-unknown", export_id, export_id)] == [export_id]


def test_filters_select_by_agent_and_combine_with_ids(running: Running) -> None:
    one, other = running.double.agents()[:2]
    of_one, of_other = running.start(**of_agent(one)), running.start(**of_agent(other))
    running.start()

    def listed(**parameters: Any) -> set[str]:
        return {info["exportId"] for info in running.service.describe_export_tasks(**parameters)["exportsInfo"]}

    assert listed(**of_agent(one)) == {of_one}
    assert listed(**of_agent(one, other)) == {of_one, of_other}
    assert listed(exportIds=[of_other], **of_agent(one)) == set()
    assert listed(exportIds=[of_one, of_other], **of_agent(one)) == {of_one}


@pytest.mark.parametrize("query", ["everything", "ids", "filters"])
def test_all_pages_are_listed(running: Running, query: str) -> None:
    agent = running.double.agents()[0]
    ids = running.double.add_many(25, {"kind": "agent", "agent_id": agent})
    parameters = {"everything": {}, "ids": {"exportIds": ids}, "filters": of_agent(agent)}[query]
    running.double.settings(page_size=10)

    pages = list(running.service.get_paginator("describe_export_tasks").paginate(**parameters))

    assert [len(page["exportsInfo"]) for page in pages] == [10, 10, 5]
    assert sorted(info["exportId"] for page in pages for info in page["exportsInfo"]) == sorted(ids)
    assert "nextToken" not in pages[-1]


def test_a_token_alone_continues_its_query(running: Running) -> None:
    agent = running.double.agents()[0]
    ids = running.double.add_many(3, {"kind": "agent", "agent_id": agent})
    running.double.add_many(10)
    first = running.service.describe_export_tasks(maxResults=2, **of_agent(agent))

    rest = running.service.describe_export_tasks(nextToken=first["nextToken"])

    assert sorted(info["exportId"] for page in (first, rest) for info in page["exportsInfo"]) == sorted(ids)


def test_max_results_limits_a_page_to_at_most_100(running: Running) -> None:
    running.double.add_many(120)

    def size(**parameters: Any) -> int:
        return len(running.service.describe_export_tasks(**parameters)["exportsInfo"])

    assert (size(maxResults=7), size(), size(maxResults=1000)) == (7, 100, 100)


def test_a_page_that_ends_with_the_last_export_has_no_token(running: Running) -> None:
    running.double.add_many(4)

    assert "nextToken" not in running.service.describe_export_tasks(maxResults=4)


def test_exports_are_listed_in_another_order_than_requested(running: Running) -> None:
    ids = running.double.add_many(20)

    assert [info["exportId"] for info in running.describe(*ids)] != ids


# Errors


def test_a_sixth_concurrent_agent_export_is_rejected(running: Running) -> None:
    running.double.set_scenarios(default={"in_progress_seconds": 60})
    agents = running.double.agents()
    for agent in agents[:5]:
        running.start(**of_agent(agent))
    running.start()

    code, message = error_of(lambda: running.start(**of_agent(agents[5])))
    running.clock.now += 60

    assert code == "OperationNotPermittedException"
    assert message.startswith("You have reached limit of maximum allowed concurrent exports.")
    assert message.endswith("before starting another.")
    assert running.start(**of_agent(agents[5]))


def test_the_error_for_an_existing_export_ends_with_its_id(running: Running) -> None:
    export_id = running.start()
    running.double.set_scenarios({"existing_id": export_id})

    code, message = error_of(running.start)

    assert (code, message) == (
        "OperationNotPermittedException",
        f"A successful export is already present Export ID: {export_id}",
    )
    assert running.double.counts()["exports"][export_id]["starts"] == 2


def test_calls_from_another_region_have_no_home_region(running: Running) -> None:
    code, _ = error_of(running.client("eu-west-1").describe_export_tasks)

    assert code == "HomeRegionNotSetException"
    running.double.settings(home_region="eu-west-1")
    assert running.client("eu-west-1").describe_export_tasks()["exportsInfo"] == []
    running.double.settings(home_region="us-east-1")


@pytest.mark.parametrize("code", ["HomeRegionNotSetException", "AuthorizationErrorException", "InvalidInputException"])
def test_every_call_can_be_rejected(running: Running, code: str) -> None:
    running.double.settings(refuse_with=code)

    assert error_of(running.start)[0] == error_of(running.service.describe_export_tasks)[0] == code


def test_one_start_can_be_rejected(running: Running) -> None:
    running.double.set_scenarios({"error_code": "ServerInternalErrorException", "error_message": "Try again"})

    assert error_of(running.start) == ("ServerInternalErrorException", "Try again")
    assert running.start()


def outcomes_of(running: Running, calls: int) -> list[str]:
    outcomes = []
    for _ in range(calls):
        try:
            running.service.describe_export_tasks()
            outcomes.append("answered")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
    return outcomes


def test_faults_have_their_rate_and_are_reproducible(running: Running) -> None:
    rates = {"throttle_rate": 0.3, "error_rate": 0.2, "fault_seed": 11}
    running.double.settings(**rates)
    first = outcomes_of(running, 60)

    running.double.settings(**rates)
    second = outcomes_of(running, 60)

    assert first == second
    assert set(first) == {"answered", "ThrottlingException", "ServerInternalErrorException"}
    assert 9 <= first.count("ThrottlingException") <= 27
    assert running.double.counts()["errors"]["ThrottlingException"] == 2 * first.count("ThrottlingException")


@pytest.mark.parametrize(
    "parameters",
    [
        of_agent("o-1", "o-2"),
        {"filters": of_agent("o-1")["filters"] * 2},
        {"filters": [{"name": "hostName", "condition": "EQUALS", "values": ["x"]}]},
        {"filters": [{"name": "agentIds", "condition": "CONTAINS", "values": ["x"]}]},
        of_agent(),
        {"startTime": STARTED, "endTime": STARTED, **of_agent("o-1")},
        {"exportDataFormat": ["GRAPHML"]},
        {"preferences": {"ec2RecommendationsPreferences": {"enabled": True, "tenancy": "HOST"}}},
        {"preferences": {"ec2RecommendationsPreferences": {"cpuPerformanceMetricBasis": {"percentageAdjust": 101.0}}}},
    ],
    ids=lambda parameters: json.dumps(parameters, default=str)[:60],
)
def test_a_start_with_an_invalid_value_is_rejected(running: Running, parameters: dict[str, Any]) -> None:
    assert error_of(lambda: running.start(**parameters))[0] == "InvalidParameterValueException"
    assert running.service.describe_export_tasks()["exportsInfo"] == []


def test_an_agent_and_recommendations_exclude_each_other(running: Running) -> None:
    assert error_of(lambda: running.start(preferences=RECOMMEND, **of_agent("o-1")))[0] == "InvalidParameterException"


@pytest.mark.parametrize(
    "parameters",
    [
        {"exportIds": [f"export-{number}" for number in range(101)]},
        {"exportIds": ["export 1"]},
        {"exportIds": ["x" * 201]},
        {"maxResults": 0},
        {"nextToken": "made up"},
        {"filters": [{"name": "agentId", "condition": "EQUALS", "values": ["x"]}]},
    ],
    ids=lambda parameters: json.dumps(parameters)[:40],
)
def test_a_describe_with_an_invalid_value_is_rejected(running: Running, parameters: dict[str, Any]) -> None:
    code, _ = error_of(lambda: running.service.describe_export_tasks(**parameters))

    assert code == "InvalidParameterValueException"


def test_a_token_with_another_query_is_rejected(running: Running) -> None:
    ids = running.double.add_many(3)
    token = running.service.describe_export_tasks(maxResults=1)["nextToken"]

    code, _ = error_of(lambda: running.service.describe_export_tasks(exportIds=ids, nextToken=token))

    assert code == "InvalidParameterValueException"


# Requests that boto3 would not send


def posted(running: Running, body: bytes, **headers: str) -> tuple[int, str, str | None]:
    region = "us-east-1"
    default = {
        "X-Amz-Target": "AWSPoseidonService_V2015_11_01.DescribeExportTasks",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{region}/discovery/aws4_request, Signature=0",
    }
    answer = running.http.request("POST", running.server.url, body=body, headers=default | headers)
    return answer.status, answer.json()["__type"], answer.headers.get("x-amzn-ErrorType")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"exportIDs": ["x"]}', "InvalidParameterException"),
        (b'{"exportIds": "x"}', "InvalidParameterException"),
        (b'{"exportIds": [1]}', "InvalidParameterException"),
        (b'{"filters": [{"name": "agentIds", "values": ["x"]}]}', "InvalidParameterException"),
        (b'{"maxResults": "7"}', "InvalidParameterException"),
        (b'{"maxResults": true}', "InvalidParameterValueException"),
        (b"[]", "SerializationException"),
        (b"{", "SerializationException"),
    ],
)
def test_a_request_that_breaks_the_service_model_is_rejected(running: Running, body: bytes, code: str) -> None:
    assert posted(running, body) == (400, code, code)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-Amz-Target": "AWSPoseidonService_V2015_11_01.CancelExportTask"}, "UnknownOperationException"),
        ({"X-Amz-Target": "DescribeExportTasks"}, "UnknownOperationException"),
        ({"Authorization": ""}, "MissingAuthenticationTokenException"),
        ({"Authorization": "Bearer x"}, "IncompleteSignatureException"),
    ],
)
def test_a_call_without_its_headers_is_rejected(running: Running, headers: dict[str, str], code: str) -> None:
    assert posted(running, b"{}", **headers)[1] == code


@pytest.mark.parametrize(
    "info",
    [
        {"exportId": "export-1", "exportStatus": "FAILED", "statusMessage": ""},
        {"exportId": "export-1", "exportStatus": "FAILED", "statusMessage": None, "exportRequestTime": START},
        {"exportId": "a b", "exportStatus": "FAILED", "statusMessage": "", "exportRequestTime": START},
        {"exportId": "a", "exportStatus": "FAILED", "statusMessage": "", "exportRequestTime": "2026-01-01"},
        {"exportId": "a", "exportStatus": "FAILED", "statusMessage": "", "exportRequestTime": START, "agentId": "o-1"},
    ],
    ids=["missing", "null", "pattern", "time as text", "unknown"],
)
def test_a_response_that_breaks_the_service_model_is_an_error(info: dict[str, Any]) -> None:
    with pytest.raises(WrongAnswer, match="DescribeExportTasks"):
        Protocol().check_answer("DescribeExportTasks", {"exportsInfo": [info]})


def test_an_invalid_response_of_the_double_is_an_internal_failure(running: Running) -> None:
    running.double.set_scenarios({"export_id": "with a space"})

    code, message = error_of(running.start)

    assert (code, message) == ("InternalFailure", r"StartExportTask: exportId: does not match \S*")


def test_times_are_serialized_as_epoch_seconds(running: Running) -> None:
    running.start()
    answer = running.http.request(
        "POST",
        running.server.url,
        body=b"{}",
        headers={
            "X-Amz-Target": "AWSPoseidonService_V2015_11_01.DescribeExportTasks",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/discovery/aws4_request",
        },
    )

    assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert answer.json()["exportsInfo"][0]["exportRequestTime"] == START
