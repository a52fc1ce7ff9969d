"""``coverage``, ``plan`` and ``start``: what they print, what they call, and their exit codes."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from botocore.stub import ANY, Stubber

from exports.collecting.service import START_CONFIG
from exports.model import utc_text
from tests.unit.builders import NOW, SESSION, create_table
from tests.unit.cli.stack import FakeStack, client_error, run

TABLE = "collecting"
DAY = timedelta(days=1)
NOT_PERMITTED = "OperationNotPermittedException"
PING = NOW - timedelta(days=2)
"""Of agents that have stopped, so that all their data may be exported."""


FAILURE = {
    "operation": "DescribeAgents",
    "error": "AccessDeniedException",
    "message": "no \x1b[31m permission.",
    "since": utc_text(NOW - timedelta(minutes=40)),
    "refused": True,
}
TICK_TIME = NOW - timedelta(minutes=10)


def days(first: float, last: float) -> list[str]:
    """The times this many days before the last ping."""
    return [utc_text(PING - first * DAY), utc_text(PING - last * DAY)]


@pytest.fixture
def collecting(stack: FakeStack) -> FakeStack:
    """A stack that collects, and did ten minutes ago."""
    create_table(stack.dynamodb, TABLE, "agentId")
    stack.cloudformation.outputs["CollectingTableName"] = TABLE
    ticked(stack)
    return stack


def ticked(stack: FakeStack, at: datetime = TICK_TIME, **attributes: Any) -> None:
    """The last tick of the collector, in place of any other."""
    put(stack, agentId="account: tick", version=1, at=utc_text(at), **attributes)


def put(stack: FakeStack, **item: Any) -> None:
    serialize = TypeSerializer().serialize
    stack.dynamodb.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in item.items()})


def has_agent(stack: FakeStack, agent_id: str, **item: Any) -> None:
    """An agent with ten days of data."""
    times = {"registeredAt": utc_text(PING - 10 * DAY), "lastPingAt": utc_text(PING), "seenAt": utc_text(PING)}
    put(stack, **{"agentId": agent_id, "version": 1, "hostName": f"host-of-{agent_id}", **times, **item})


# --- coverage ---


def test_coverage_shows_what_is_stored_missing_and_given_up(collecting: FakeStack) -> None:
    has_agent(collecting, "o-all", covered=[days(10, 0)])
    has_agent(collecting, "o-half", covered=[days(5, 0)])
    gap = {"from": days(10, 9)[0], "to": days(10, 9)[1], "reason": "NO_PROGRESS", "announced": True}
    has_agent(collecting, "o-gap", covered=[days(9, 0)], gaps=[gap])
    has_agent(collecting, "o-stopped", stopped={"reason": "REFUSED", "at": utc_text(NOW)})

    shown = run("coverage", "-o", "table")

    lines = {line.split()[0]: line.split() for line in shown.out.splitlines() if line.startswith("o-")}
    assert lines["o-all"][2:6] == ["#" * 24, "100.0", "%", "COVERED"]
    assert lines["o-half"][2:6] == ["." * 12 + "#" * 12, "50.0", "%", "WAITING"]
    assert lines["o-gap"][2:5] == ["xxx" + "#" * 21, "90.0", "%"]
    assert lines["o-stopped"][2:6] == ["." * 24, "0.0", "%", "STOPPED"]
    assert lines["o-stopped"][-1] == "REFUSED"
    assert "4 agents of the stack DiscoveryExports: 60.0 % is stored" in shown.out
    assert "1 gaps, 1 agents given up" in shown.out
    assert "There is no estimate" in shown.out
    assert shown.code == 1, "an agent and a range are given up"


def test_coverage_shows_a_deleted_agent_that_the_service_refuses_and_nothing_is_missing(collecting: FakeStack) -> None:
    has_agent(collecting, "o-all", covered=[days(10, 0)])
    stopped = {"reason": "InvalidParameterException", "at": utc_text(NOW)}
    has_agent(collecting, "o-deleted", stopped=stopped, listed=False)

    shown = run("coverage", "-o", "table")

    (line,) = (line.split() for line in shown.out.splitlines() if line.startswith("o-deleted"))
    assert (line[5], line[-1]) == ("DELETED", "InvalidParameterException")
    assert "100.0 % is stored" in shown.out
    assert "0 agents given up" in shown.out
    assert shown.code == 0


def test_coverage_says_when_the_rest_is_to_be_expected(collecting: FakeStack) -> None:
    has_agent(collecting, "o-half", covered=[days(5, 0)])
    snapshot = {"at": utc_text(NOW - 5 * DAY), "uncoveredSeconds": 10 * 86_400}
    put(collecting, agentId="account: progress", snapshots=[snapshot])

    shown = run("coverage", "-o", "table")

    assert f"the rest is stored by {NOW + 5 * DAY:%Y-%m-%d}" in shown.out
    assert shown.code == 3, "something is missing"


def test_coverage_shows_what_the_service_says(collecting: FakeStack) -> None:
    has_agent(collecting, "o-all", covered=[days(10, 0)])
    text = {"blockedBy": "no more \x1b[31m today", "blockedSince": utc_text(NOW), "blockedUntil": utc_text(NOW + DAY)}
    put(collecting, agentId="account: agents", **text)

    shown = run("coverage", "-o", "table")

    assert f"starts no agent exports, tried again at {NOW + DAY:%Y-%m-%d %H:%M}: no more \\x1b[31m today" in shown.out
    assert shown.code == 0, "nothing is missing"


def test_coverage_in_the_forms_that_programs_read(collecting: FakeStack) -> None:
    has_agent(collecting, "o-half", covered=[days(5, 0)], hostName="=cmd")
    gap = {"from": days(10, 9)[0], "to": days(10, 9)[1], "reason": "NO_PROGRESS", "announced": True}
    has_agent(collecting, "o-gap", covered=[days(9, 0)], gaps=[gap])

    document, lines = run("coverage", "-o", "json").json, run("coverage", "-o", "jsonl").out.splitlines()
    table, gaps = run("coverage", "-o", "csv").out, run("coverage", "--gaps", "-o", "json").json

    assert (document["stack"], document["gaps"], document["share"]) == ("DiscoveryExports", 1, 0.7)
    assert [json.loads(line)["agentId"] for line in lines] == ["o-gap", "o-half"]
    assert "o-half,'=cmd,WAITING,0.5" in table
    assert gaps == [{"agentId": "o-gap", "hostName": "host-of-o-gap", **{k: gap[k] for k in ("from", "to", "reason")}}]


def test_coverage_says_of_when_it_is(collecting: FakeStack) -> None:
    has_agent(collecting, "o-all", covered=[days(10, 0)])

    shown, document = run("coverage", "-o", "table"), run("coverage", "-o", "json").json

    assert shown.out.startswith("The collector last ran at 2026-11-23 11:50 UTC. What was stored since then still")
    assert (document["lastTickAt"], document["failure"]) == (utc_text(TICK_TIME), None)


def test_coverage_without_agents_says_why(collecting: FakeStack) -> None:
    shown = run("coverage", "-o", "table")

    assert "The collector has found no agents, or the setting collect has none." in shown.out
    assert shown.code == 0


def test_coverage_before_the_first_tick_says_so_and_is_pending(collecting: FakeStack) -> None:
    collecting.dynamodb.delete_item(TableName=TABLE, Key={"agentId": {"S": "account: tick"}})

    shown = run("coverage", "-o", "table")

    assert shown.out == "The collector has not run yet. It runs every 15 minutes.\n"
    assert shown.code == 3


def test_fault_53_coverage_says_first_that_the_collector_may_not_list_the_agents(collecting: FakeStack) -> None:
    ticked(collecting, failure=FAILURE)

    empty = run("coverage", "-o", "table")
    has_agent(collecting, "o-half", covered=[days(5, 0)], stopped={"reason": "REFUSED", "at": utc_text(NOW)})
    shown, document, lines = (run("coverage", "-o", form) for form in ("table", "json", "csv"))

    said = (
        "Since 2026-11-23 11:20 UTC, the collector cannot list the agents. DescribeAgents failed with "
        "AccessDeniedException: no \\x1b[31m permission. What to do: docs/runbook.md#the-collector-fails\n"
        "The collector last ran at 2026-11-23 11:50 UTC. What was stored since then still counts as in progress.\n"
    )
    assert empty.out == said, "and not that there are 0 agents"
    assert shown.out.startswith(said)
    assert "1 agents of the stack DiscoveryExports: 50.0 % is stored" in shown.out
    assert document.json["failure"] == FAILURE
    assert document.err == lines.err == said
    assert {each.code for each in (empty, shown, document, lines)} == {254}


def test_a_call_that_failed_once_is_shown_and_tried_again(collecting: FakeStack) -> None:
    has_agent(collecting, "o-all", covered=[days(10, 0)])
    ticked(collecting, failure={**FAILURE, "error": "ThrottlingException", "message": "", "refused": False})

    shown = run("coverage", "-o", "table")

    assert "DescribeAgents failed with ThrottlingException. The next tick tries again." in shown.out
    assert shown.code == 3


def test_a_call_that_has_failed_for_an_hour_is_as_a_refused_one(collecting: FakeStack) -> None:
    failure = {**FAILURE, "error": "ThrottlingException", "refused": False, "since": utc_text(NOW - 2 * DAY)}
    ticked(collecting, failure=failure)

    assert run("coverage").code == 254


def test_coverage_says_that_the_collector_has_stopped(collecting: FakeStack) -> None:
    has_agent(collecting, "o-all", covered=[days(10, 0)])
    ticked(collecting, NOW - timedelta(minutes=70))

    shown, document = run("coverage", "-o", "table"), run("coverage", "-o", "json")

    assert "The collector last ran at 2026-11-23 10:50 UTC, though it should run every 15 minutes." in shown.out
    assert "though it should run" in document.err
    assert shown.code == document.code == 3


def test_coverage_of_a_stack_that_starts_no_exports_says_so(stack: FakeStack) -> None:
    shown = run("coverage")

    assert shown.code == 253
    assert "The stack DiscoveryExports starts no exports: its setting collect is off." in shown.err


def test_coverage_of_a_stack_without_the_output_of_the_table_names_it(stack: FakeStack) -> None:
    stack.cloudformation.outputs["CollectorStateMachineArn"] = "arn"

    shown = run("coverage")

    assert shown.code == 253
    assert "The stack DiscoveryExports has no output CollectingTableName." in shown.err


def test_coverage_of_another_stack_does_not_say_that_its_setting_is_off(stack: FakeStack) -> None:
    stack.cloudformation.outputs = {"BucketName": "cdk-assets"}

    shown = run("coverage", "--stack", "CDKToolkit")

    assert shown.code == 253
    assert "The stack CDKToolkit has no output TableName: it is another stack" in shown.err


def test_coverage_names_the_call_that_was_refused(collecting: FakeStack) -> None:
    def deny(**_: object) -> None:
        raise client_error("AccessDeniedException", "not yours", "Scan")

    collecting.dynamodb = SESSION.client("dynamodb")
    collecting.dynamodb.meta.events.register("before-call.dynamodb.Scan", deny)

    shown = run("coverage")

    assert (shown.code, shown.out) == (254, "")
    assert "AWS refused Scan: AccessDeniedException: not yours. Ask for this permission" in shown.err


# --- plan ---


AUTHORIZATION = client_error("AuthorizationErrorException", "No", "DescribeAgents")
HOME_REGION = client_error("HomeRegionNotSetException", "The home Region is not set.", "DescribeAgents")
EXPIRED = client_error("ExpiredTokenException", "Too late", "DescribeAgents")
NO_CONNECTION = EndpointConnectionError(endpoint_url="https://discovery")


def discovery() -> tuple[Any, Stubber]:
    client = SESSION.client("discovery", config=START_CONFIG)
    return client, Stubber(client)


def with_agents(stack: FakeStack, *agents: Mapping[str, Any], deleted: str = "") -> Stubber:
    client, stubber = discovery()
    lists(stubber, *agents, deleted=deleted)
    stubber.activate()
    stack.others["discovery"] = client
    return stubber


def lists(stubber: Stubber, *agents: Mapping[str, Any], deleted: str = "") -> None:
    """The next two calls."""
    stubber.add_response("describe_agents", {"agentsInfo": list(agents)}, {"maxResults": 100})
    servers = [{"server.agentId": deleted}] if deleted else []
    request = {"configurationType": "SERVER", "maxResults": 100}
    stubber.add_response("list_configurations", {"configurations": servers}, request)


def agent(agent_id: str, *, since: int, agent_type: str = "OTHER") -> dict[str, str]:
    return {
        "agentId": agent_id,
        "agentType": agent_type,
        "registeredTime": f"{PING - since * DAY:%Y-%m-%dT%H:%M:%SZ}",
        "lastHealthPingTime": f"{PING:%Y-%m-%dT%H:%M:%SZ}",
    }


def test_plan_shows_exports_and_times_and_starts_nothing(stack: FakeStack) -> None:
    listed = [
        agent("o-00000001", since=90),
        agent("o-00000002", since=30),
        agent("c-00000001", since=90, agent_type="AGENTLESS_COLLECTOR"),
    ]
    with_agents(stack, *listed, deleted="o-00000003")

    shown = run("plan", "-o", "table", "--max-starts-per-day", "10")

    assert (
        "3 agents with something to export, 1 of them with an unknown start; 1 connectors and collectors" in shown.out
    )
    assert "41 exports of at most 72 hours, if none is truncated or fails" in shown.out
    assert [line.split()[-1] for line in shown.out.splitlines() if " day" in line and "if" not in line][:1] == ["20.5"]
    assert "maxStartsPerDay 10" in shown.out
    assert re.search(r"^o-00000003 +its first data +2026-", shown.out, re.MULTILINE)
    assert shown.code == 0
    assert stack.steps.inputs == []
    assert stack.cloudformation.names == [], "needs no stack"


def test_plan_takes_the_setting_from_its_options(stack: FakeStack) -> None:
    with_agents(stack, agent("o-00000001", since=90), agent("o-00000002", since=90))
    since = PING - 9 * DAY

    found = run(
        "plan", "-o", "json", "--agents", "o-00000002", "--since", f"{since:%Y-%m-%d}", "--order", "oldest-first"
    ).json

    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    assert (found["agents"], found["exports"]) == (1, 4)
    assert found["first"] == [{"agentId": "o-00000002", "from": utc_text(midnight), "to": utc_text(midnight + 3 * DAY)}]


def test_plan_works_with_numbers_alone(stack: FakeStack) -> None:
    found = run("plan", "-o", "json", "--count", "200", "--days", "90").json
    rates = run("plan", "-o", "csv", "--count", "200", "--days", "90").out.splitlines()

    assert (found["agents"], found["exports"], found["days"]["twoPerDay"]) == (200, 6_000, 3_000.0)
    assert rates[:2] == ["rate,exports,days", "twoPerDay,6000,3000.0"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--count", "5"],
        ["--days", "5"],
        ["--count", "5", "--days", "5", "--agents", "o-00000001"],
        ["--count", "5", "--days", "5", "--since", "2026-01-01"],
        ["--since", "2026-02-30"],
        ["--since", "yesterday"],
        ["--since", "2100-01-01"],
        ["--since", ""],
        ["--agents", "all", "--agents", "o-00000001"],
        ["--agents", "a b"],
        ["--max-starts-per-day", "0"],
    ],
)
def test_plan_refuses_wrong_use_before_any_call(stack: FakeStack, arguments: list[str]) -> None:
    assert run("plan", *arguments).code == 2


def test_plan_names_an_agent_that_is_not_listed(stack: FakeStack) -> None:
    with_agents(stack, agent("o-00000001", since=90))

    shown = run("plan", "--agents", "o-00000002")

    assert (shown.code, "The service lists no agent o-00000002." in shown.err) == (2, True)


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (AUTHORIZATION, "AWS refused DescribeAgents: AuthorizationErrorException: No. Ask for this permission", 254),
        (HOME_REGION, "Choose the home Region of AWS Migration Hub with --region", 254),
        (EXPIRED, "AWS does not accept the credentials: ExpiredTokenException: Too late. Sign in again", 253),
        (NO_CONNECTION, "There is no connection to https://discovery. Check --region", 253),
        (NoCredentialsError(), "Unable to locate credentials. Sign in again", 253),
        (ReadTimeoutError(endpoint_url="https://discovery"), "There is no connection to https://discovery", 253),
    ],
)
def test_plan_says_why_no_agents_are_listed(stack: FakeStack, error: Exception, said: str, code: int) -> None:
    fails(stack, "DescribeAgents", error)

    shown = run("plan")

    assert (shown.code, shown.out) == (code, "")
    assert said in shown.err
    assert "To plan without reading the agents, use --count and --days." in shown.err
    assert shown.err.count("\n") == 1


def test_a_call_of_plan_that_fails_is_repeated_three_times_and_not_by_the_client_too(stack: FakeStack) -> None:
    fails(stack, "DescribeAgents", NO_CONNECTION)

    run("plan")

    assert (len(stack.pauses), stack.configs) == (3, [START_CONFIG])


def test_a_response_without_agents_is_not_an_account_without_agents(stack: FakeStack) -> None:
    """The page of a proxy, which botocore reads as a response without members."""
    client, stubber = discovery()
    stubber.add_response("describe_agents", {})
    stubber.activate()
    stack.others["discovery"] = client

    shown = run("plan")

    assert (shown.code, shown.out) == (253, "")
    assert "InvalidResponse. What answered is not AWS. Check AWS_ENDPOINT_URL" in shown.err


# --- start ---


def expects(stack: FakeStack, **request: Any) -> Stubber:
    """Of an agent, o-00000001 is the only one."""
    client, stubber = discovery()
    if "filters" in request:
        lists(stubber, agent("o-00000001", since=90))
    stubber.add_response("start_export_task", {"exportId": "export-9"}, {"exportDataFormat": ["CSV"], **request})
    stubber.activate()
    stack.others["discovery"] = client
    return stubber


def fails(stack: FakeStack, operation: str, error: BaseException) -> None:
    """Calls of this operation raise the error in place of being sent."""
    client, _ = discovery()

    def fail(**_: object) -> None:
        raise error

    client.meta.events.register(f"before-send.discovery.{operation}", fail)
    stack.others["discovery"] = client


def refuses(stack: FakeStack, code: str, message: str = "", *, of_agent: bool = False) -> None:
    client, stubber = discovery()
    if of_agent:
        lists(stubber, agent("o-00000001", since=90))
    stubber.add_client_error("start_export_task", code, message)
    stubber.activate()
    stack.others["discovery"] = client


def test_start_of_a_summary_starts_a_run_that_stores_it(stack: FakeStack) -> None:
    expects(stack)

    shown = run("start", "summary", "-o", "json")

    assert shown.code == 0
    assert stack.steps.inputs == [{"exportIds": ["export-9"], "onFailure": "report"}]
    assert "Started the export export-9." in shown.err
    assert shown.json[0]["runId"] == stack.run_id


def test_start_of_an_agent_has_its_range(stack: FakeStack) -> None:
    filters = [{"name": "agentIds", "condition": "EQUALS", "values": ["o-00000001"]}]
    first, last = datetime.fromisoformat("2026-11-01T00:00Z"), datetime.fromisoformat("2026-11-03T06:00Z")
    expects(stack, filters=filters, startTime=first, endTime=last)

    shown = run("start", "agent", "o-00000001", "--from", "2026-11-01", "--to", "2026-11-03T06:00Z")

    assert shown.code == 0, shown.err


def test_a_deleted_agent_that_the_list_of_servers_names_is_exported(stack: FakeStack) -> None:
    stubber = with_agents(stack, agent("o-00000001", since=90), deleted="o-00000002")
    stubber.add_response("start_export_task", {"exportId": "export-9"})

    shown = run("start", "agent", "o-00000002", "--no-store", "-o", "json")

    assert (shown.code, shown.json) == (0, [{"exportId": "export-9"}])


@pytest.mark.parametrize(
    ("agent_id", "said"),
    [
        ("o-00000003", "The service lists no agent o-00000003. Check the ID, --region and --profile."),
        ("c-00000001", "c-00000001 is a connector or collector, which has no exports of its own: start summary"),
    ],
)
def test_an_agent_that_has_no_exports_uses_up_no_start(stack: FakeStack, agent_id: str, said: str) -> None:
    with_agents(stack, agent("o-00000001", since=90), agent("c-00000001", since=90, agent_type="AGENTLESS_COLLECTOR"))

    shown = run("start", "agent", agent_id)

    assert (shown.code, said in shown.err) == (2, True), shown.err
    assert stack.steps.inputs == []


def test_start_of_an_agent_says_that_nothing_was_started_if_the_agents_cannot_be_read(stack: FakeStack) -> None:
    fails(stack, "DescribeAgents", AUTHORIZATION)

    shown = run("start", "agent", "o-00000001")

    assert shown.code == 254
    assert "AWS refused DescribeAgents: AuthorizationErrorException: No. Ask for this permission" in shown.err
    assert shown.err.endswith(" Nothing was started.\n")


def test_start_of_recommendations_has_the_preferences_of_file_and_options(stack: FakeStack, tmp_path: Path) -> None:
    (tmp_path / "preferences.json").write_text('{"tenancy": "DEDICATED", "preferredRegion": "eu-central-1"}')
    preferences = {
        "enabled": True,
        "tenancy": "SHARED",
        "preferredRegion": "eu-central-1",
        "excludedInstanceTypes": ["m5.large", "t2.micro"],
        "cpuPerformanceMetricBasis": {"name": "p95", "percentageAdjust": 10.0},
        "ramPerformanceMetricBasis": {"name": "MAX"},
        "reservedInstanceOptions": {
            "purchasingOption": "NO_UPFRONT",
            "offeringClass": "STANDARD",
            "termLength": "ONE_YEAR",
        },
    }
    expects(stack, preferences={"ec2RecommendationsPreferences": preferences})

    options = [
        "--tenancy",
        "SHARED",
        "--exclude",
        "m5.large",
        "--exclude",
        "t2.micro",
        "--cpu",
        "p95:10",
        "--ram",
        "MAX",
    ]
    file = ["--preferences", str(tmp_path / "preferences.json")]
    shown = run("start", "recommendations", *file, *options, "--reserved", "NO_UPFRONT,STANDARD,ONE_YEAR")

    assert shown.code == 0, shown.err


def test_start_without_a_run_needs_no_stack(stack: FakeStack) -> None:
    expects(stack)

    shown = run("start", "summary", "--no-store", "-o", "json")

    assert (shown.json, stack.steps.inputs, stack.cloudformation.names) == ([{"exportId": "export-9"}], [], [])


def test_an_export_that_exists_already_is_stored(stack: FakeStack) -> None:
    refuses(
        stack,
        "OperationNotPermittedException",
        "A successful export is already present Export ID: export-7",
        of_agent=True,
    )

    shown = run("start", "agent", "o-00000001")

    assert shown.code == 0
    assert stack.steps.inputs == [{"exportIds": ["export-7"], "onFailure": "report"}]
    assert "export-7 exists already" in shown.err


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (NOT_PERMITTED, "You have reached the maximum allowed concurrent exports.", ["5 of agents"]),
        (NOT_PERMITTED, "No more today.", ["The service starts no export now: No more today. Nothing was started."]),
        (
            "InvalidParameterValueException",
            "before the \x1b[31m first data.\n",
            [
                "AWS refused StartExportTask: InvalidParameterValueException: before the \\x1b[31m first data.",
                "Check the ID of the agent, and the range: at most 72 hours. Nothing was started.",
            ],
        ),
        (
            "AuthorizationErrorException",
            "",
            [
                "AWS refused StartExportTask: AuthorizationErrorException. Ask for this permission",
                "Nothing was started.",
            ],
        ),
        ("HomeRegionNotSetException", "x", ["Choose the home Region", "Nothing was started."]),
        ("ServerInternalErrorException", "x", ["ServerInternalErrorException: x. An export may have started"]),
    ],
)
def test_a_refusal_is_one_clear_line(stack: FakeStack, code: str, message: str, said: list[str]) -> None:
    refuses(stack, code, message, of_agent=True)

    shown = run("start", "agent", "o-00000001")

    assert (shown.code, stack.steps.inputs) == (254, [])
    assert [each for each in said if each not in shown.err] == [], shown.err
    assert ("Nothing was started." in shown.err) + ("may have started" in shown.err) + ("later" in shown.err) == 1
    assert shown.err.count("\n") == 1


def test_the_url_in_a_refusal_is_hidden(stack: FakeStack) -> None:
    refuses(stack, "InvalidParameterException", "See https://bucket.s3.amazonaws.com/key?X-Amz-Signature=abc")

    shown = run("start", "recommendations", "--tenancy", "shared")

    assert "InvalidParameterException: See <hidden>. Check the preferences. Nothing was started." in shown.err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NO_CONNECTION, "There is no connection to https://discovery. Check --region"),
        (EXPIRED, "AWS does not accept the credentials: ExpiredTokenException: Too late. Sign in again"),
        (ConnectTimeoutError(endpoint_url="https://discovery"), "There is no connection to https://discovery"),
        (CredentialRetrievalError(provider="process", error_msg="no"), "Sign in again"),
    ],
)
def test_a_call_that_did_not_reach_the_service_has_started_nothing(
    stack: FakeStack, error: Exception, said: str
) -> None:
    fails(stack, "StartExportTask", error)

    shown = run("start", "summary")

    assert shown.code == 253
    assert said in shown.err
    assert shown.err.endswith(" Nothing was started.\n")


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://discovery"),
        ConnectionClosedError(endpoint_url="https://discovery"),
        SSLError(endpoint_url="https://discovery", error=OSError("bad record")),
        ResponseParserError("<html>"),
        KeyError("exportId"),
    ],
)
def test_a_call_whose_answer_is_lost_may_have_started_an_export(stack: FakeStack, error: Exception) -> None:
    fails(stack, "StartExportTask", error)

    shown = run("start", "summary")

    assert shown.code == 253
    assert "An export may have started all the same: look for it with aws discovery describe-export-tasks" in shown.err
    assert "Nothing was started" not in shown.err


def test_an_interrupt_of_the_call_says_that_an_export_may_have_started(stack: FakeStack) -> None:
    fails(stack, "StartExportTask", KeyboardInterrupt())

    shown = run("start", "summary")

    assert (shown.code, "Interrupted. An export may have started" in shown.err) == (130, True)


def test_an_export_whose_run_cannot_be_started_is_named(stack: FakeStack) -> None:
    expects(stack)
    stack.steps.error = client_error("AccessDeniedException", "not yours", "StartExecution")

    shown = run("start", "summary")

    assert shown.code == 254
    assert "AWS refused StartExecution: AccessDeniedException: not yours." in shown.err
    assert shown.err.endswith(" To store the export: discovery-exports store export-9\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["agent"],
        ["agent", "a b"],
        ["summary", "o-a"],
        ["everything"],
        ["summary", "--from", "3d"],
        ["agent", "o-a", "--tenancy", "SHARED"],
        ["agent", "o-a", "--from", "1d", "--to", "3d"],
        ["agent", "o-a", "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-04T00:00:01Z"],
        ["agent", "o-a", "--from", "now"],
        ["agent", "o-a", "--from", ""],
        ["agent", "o-a", "--from", "3d", "--to", ""],
        ["recommendations", "--cpu", "p95:ten"],
        ["recommendations", "--cpu", "p95:nan"],
        ["recommendations", "--ram", "p95:101"],
        ["recommendations", "--reserved", "STANDARD"],
        ["summary", "--no-store", "--wait"],
        ["summary", "--timeout", "1h"],
    ],
)
def test_start_refuses_wrong_use_before_any_call(stack: FakeStack, arguments: list[str]) -> None:
    assert run("start", *arguments).code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"tenancy": "SHARED"', "is not JSON: Expecting ',' delimiter: line 1 column 21"),
        (b"", "is not JSON: Expecting value: line 1 column 1"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff{}", "is not text in UTF-8."),
        (b'["SHARED"]', 'is not a JSON object with preferences, such as {"tenancy": "SHARED"}.'),
    ],
)
def test_a_file_without_preferences_is_named_with_what_is_wrong(
    stack: FakeStack, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "preferences.json").write_bytes(content)

    shown = run("start", "recommendations", "--preferences", str(tmp_path / "preferences.json"))

    assert shown.code == 2
    assert f"{tmp_path / 'preferences.json'} {said}" in shown.err


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("-", "Standard input is not JSON", 2),
        ("", "--preferences needs the name of a file", 2),
        ("/nosuch/file", "/nosuch/file cannot be used: No such file or directory.", 253),
        ("/", "/ cannot be used: Is a directory.", 253),
    ],
)
def test_preferences_that_cannot_be_read(stack: FakeStack, name: str, said: str, code: int) -> None:
    shown = run("start", "recommendations", "--preferences", name)

    assert (shown.code, said in shown.err) == (code, True), shown.err


def test_an_export_of_exactly_72_hours_is_started(stack: FakeStack) -> None:
    expects(stack, filters=ANY, startTime=ANY, endTime=ANY)

    assert run("start", "agent", "o-00000001", "--from", "2026-11-01", "--to", "2026-11-04").code == 0


@pytest.mark.parametrize("preferences", ['{"tenency": "SHARED"}', '{"excludedInstanceTypes": "m5"}', '{"tenancy": 5}'])
def test_preferences_that_the_api_has_not_are_refused_before_the_call(
    stack: FakeStack, tmp_path: Path, preferences: str
) -> None:
    stubber = expects(stack, preferences=ANY)
    (tmp_path / "preferences.json").write_text(preferences)

    shown = run("start", "recommendations", "--preferences", str(tmp_path / "preferences.json"))

    assert (shown.code, "The preferences are not valid" in shown.err) == (2, True)
    with pytest.raises(AssertionError, match="1 responses remaining"):
        stubber.assert_no_pending_responses()


def test_nothing_is_started_that_no_run_can_store(stack: FakeStack) -> None:
    stubber = expects(stack)
    del stack.cloudformation.outputs["StateMachineArn"]

    assert run("start", "summary").code == 253
    with pytest.raises(AssertionError, match="1 responses remaining"):
        stubber.assert_no_pending_responses()
