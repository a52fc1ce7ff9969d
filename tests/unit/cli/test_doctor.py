"""``doctor``: one finding for each thing that can be wrong, and UNKNOWN where the caller may not look."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from discovery_exports import __version__
from tests.unit.builders import SESSION, create_table
from tests.unit.cli.stack import BUCKET, FakeStack, client_error, run
from tests.unit.cli.test_collecting import FAILURE, ticked
from tests.unit.cli.test_collecting import TABLE as COLLECTING

RESOURCES = {
    "ExportsFunctionsPlanRun0000AAAA": "AWS::Lambda::Function",
    "ExportsFunctionsCheckExports1111AAAA": "AWS::Lambda::Function",
    "ExportsFunctionsStoreExport2222AAAA": "AWS::Lambda::Function",
    "ExportsSchedulesSchedule13333AAAA": "AWS::Scheduler::Schedule",
    "ExportsCloudTrailStarted4444AAAA": "AWS::Events::Rule",
    "ExportsWatchingRunsFailed5555AAAA": "AWS::CloudWatch::Alarm",
    "ExportsAnnouncementsDeadLetters6666AAAA": "AWS::SQS::Queue",
    "OtherQueue7777AAAA": "AWS::SQS::Queue",
    "ExportsTablesexports8888AAAA": "AWS::Glue::Table",
    "ExportsTablesagentprocess9999AAAA": "AWS::Glue::Table",
}
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
EXCEPTIONS = SESSION.client("glue").exceptions
NOT_FOUND = EXCEPTIONS.EntityNotFoundException({"Error": {"Code": "EntityNotFoundException"}}, "GetTable")
TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/all"
WRITES = {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]}
DEFINITION = {
    "States": {
        "Plan": {"Type": "Task"},
        "Batches": {
            "MaxConcurrency": 100,
            "ItemProcessor": {"States": {"Store": {"MaxConcurrency": 5, "ItemProcessor": {"States": {}}}}},
        },
    }
}


class Answers:
    """A client: what each operation returns, or the error that it raises."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        def call(**_: object) -> Any:
            answer = self._answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        if name == "exceptions":
            return EXCEPTIONS
        return call

    def get_paginator(self, operation: str) -> "Answers":
        answer = self._answers[operation]
        return Answers({"paginate": answer if isinstance(answer, Exception) else [answer]})


class Deployed:
    """A stack with everything, in which nothing is wrong, until a test changes an answer."""

    def __init__(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs = stack.cloudformation.outputs
        self.outputs |= {"Release": __version__, "DatabaseName": "db", "WorkGroupName": "group"}
        summaries = [
            {"ResourceType": kind, "LogicalResourceId": name, "PhysicalResourceId": f"my-{name}"}
            for name, kind in RESOURCES.items()
        ]
        self.answers: dict[str, dict[str, Any]] = {
            "cloudformation": {"list_stack_resources": {"StackResourceSummaries": summaries}},
            "sts": {"get_caller_identity": {"Arn": "arn:aws:iam::123456789012:user/me", "Account": "123456789012"}},
            "lambda": {
                "get_function_configuration": {"Environment": {"Variables": {"DISCOVERY_REGION": "us-east-1"}}},
                "get_account_settings": {"AccountLimit": {"UnreservedConcurrentExecutions": 1_000}},
                "get_function_concurrency": {},
            },
            "migrationhub-config": {"get_home_region": {"HomeRegion": "us-east-1"}},
            "scheduler": {"get_schedule": {"ScheduleExpression": "rate(1 hour)", "State": "ENABLED"}},
            "cloudtrail": {
                "describe_trails": {"trailList": [{"TrailARN": TRAIL}]},
                "get_trail_status": {"IsLogging": True},
                "get_event_selectors": WRITES,
            },
            "kms": {"describe_key": {"KeyMetadata": {"Arn": KEY, "KeyState": "Enabled"}}},
            "lakeformation": {
                "list_permissions": {
                    "PrincipalResourcePermissions": [
                        {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}}
                    ]
                },
                "describe_resource": NOT_FOUND,
            },
            "glue": {"get_table": {"Table": {}}},
            "cloudwatch": {"describe_alarms": {"MetricAlarms": [{"StateValue": "OK"}]}},
            "sqs": {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}}},
        }
        machine = {"definition": json.dumps(DEFINITION)}
        monkeypatch.setattr(stack.steps, "describe_state_machine", lambda **_: machine, raising=False)
        found = Answers(self.answers["cloudformation"])
        monkeypatch.setattr(stack.cloudformation, "get_paginator", found.get_paginator, raising=False)
        monkeypatch.setattr("discovery_exports.cli.context.Context.session", SESSION)
        stack.others |= {name: Answers(answers) for name, answers in self.answers.items() if name != "cloudformation"}
        rule: Any = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}}
        stack.s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]})

    def collects(self, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, status: str, started_at: datetime) -> None:
        """With the last execution of the collector."""
        self.outputs |= {"CollectorStateMachineArn": "arn", "CollectingTableName": COLLECTING}
        create_table(stack.dynamodb, COLLECTING, "agentId")
        executions = [{"status": status, "startDate": started_at}]
        monkeypatch.setattr(stack.steps, "list_executions", lambda **_: {"executions": executions}, raising=False)

    def set(self, service: str, operation: str, answer: Any) -> None:
        self.answers[service][operation] = answer


@pytest.fixture
def deployed(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    return Deployed(stack, monkeypatch)


def results(answer: Any) -> dict[str, str]:
    return {row["check"]: row["result"] for row in answer.json}


def test_a_stack_in_which_nothing_is_wrong(deployed: Deployed) -> None:
    answer = run("doctor")

    assert answer.code == 0, answer.out
    assert [row["check"] for row in answer.json] == [
        "identity", "Region", "outputs", "release", "schedules", "collecting", "trail", "concurrency", "key",
        "tables", "Lake Formation", "Lake Formation", "alarms", "dead letters",
    ]  # fmt: skip
    assert {row["result"] for row in answer.json} == {"OK"}
    assert not any("advice" in row for row in answer.json)


@pytest.mark.parametrize(
    ("status", "minutes", "result"),
    [("SUCCEEDED", 20, "OK"), ("SUCCEEDED", 70, "FAIL"), ("FAILED", 20, "FAIL"), ("RUNNING", 1, "WARN")],
)
def test_the_collector_ran_lately(
    deployed: Deployed, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, status: str, minutes: int, result: str
) -> None:
    deployed.collects(stack, monkeypatch, status, stack.now - timedelta(minutes=minutes))

    assert results(run("doctor"))["collecting"] == result


@pytest.mark.parametrize(("refused", "result", "code"), [(True, "FAIL", 1), (False, "WARN", 0)])
def test_fault_53_doctor_names_the_call_of_the_collector_that_fails(
    deployed: Deployed, stack: FakeStack, monkeypatch: pytest.MonkeyPatch, refused: bool, result: str, code: int
) -> None:
    """A call that is not refused fails the execution only after an hour."""
    moment = stack.now.astimezone(timezone(timedelta(hours=5)))
    deployed.collects(stack, monkeypatch, "FAILED" if refused else "SUCCEEDED", moment)
    ticked(stack, failure={**FAILURE, "refused": refused})

    answer = run("doctor")

    execution, call = (row for row in answer.json if row["check"] == "collecting")
    assert "2026-11-23 12:00 UTC" in execution["found"], "as boto3 has the time in the zone of the computer"
    assert (call["result"], answer.code) == (result, code)
    assert call["found"].endswith("DescribeAgents failed with AccessDeniedException: no \\x1b[31m permission")


WRONG: dict[str, tuple[str, str, Any, str, str, str]] = {
    "another home Region": (
        "migrationhub-config", "get_home_region", {"HomeRegion": "eu-west-1"}, "Region", "FAIL",
        "Deploy with discoveryRegion=eu-west-1",
    ),
    "no home Region": (
        "migrationhub-config", "get_home_region", {}, "Region", "FAIL", "Choose one in AWS Migration Hub",
    ),
    "exports of another account": (
        "lambda", "get_function_configuration",
        {"Environment": {"Variables": {"DISCOVERY_ROLE_ARN": "arn", "DISCOVERY_ACCOUNT_ID": "210987654321"}}},
        "Region", "UNKNOWN", "Ask its owner for the Migration Hub home Region",
    ),
    "a schedule that is off": (
        "scheduler", "get_schedule", {"ScheduleExpression": "rate(1 hour)", "State": "DISABLED"},
        "schedules", "WARN", "Enable my-ExportsSchedulesSchedule1",
    ),
    "no trail": ("cloudtrail", "describe_trails", {"trailList": []}, "trail", "FAIL", "Create a trail"),
    "a trail that is off": ("cloudtrail", "get_trail_status", {"IsLogging": False}, "trail", "FAIL", "Create a trail"),
    "a trail of reads": (
        "cloudtrail", "get_event_selectors",
        {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "ReadOnly"}]},
        "trail", "FAIL", "Create a trail",
    ),
    "a trail of data events": (
        "cloudtrail", "get_event_selectors",
        {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]},
        "trail", "FAIL", "Create a trail",
    ),
    "a trail of reads of management events": (
        "cloudtrail", "get_event_selectors",
        {"AdvancedEventSelectors": [{"FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "readOnly", "Equals": ["true"]}]}]},
        "trail", "FAIL", "Create a trail",
    ),
    "a trail of management events": (
        "cloudtrail", "get_event_selectors",
        {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]},
        "trail", "OK", "",
    ),
    "a small quota": (
        "lambda", "get_account_settings", {"AccountLimit": {"UnreservedConcurrentExecutions": 10}},
        "concurrency", "WARN", "Lower storeConcurrency",
    ),
    "a reservation": (
        "lambda", "get_function_concurrency", {"ReservedConcurrentExecutions": 50}, "concurrency", "OK", "",
    ),
    "a reservation of nothing": (
        "lambda", "get_function_concurrency", {"ReservedConcurrentExecutions": 0},
        "concurrency", "FAIL", "Raise reservedConcurrency",
    ),
    "a key to be deleted": (
        "kms", "describe_key", {"KeyMetadata": {"Arn": KEY, "KeyState": "PendingDeletion"}},
        "key", "FAIL", "Enable the key, or cancel its deletion",
    ),
    "grants of Lake Formation": (
        "lakeformation", "list_permissions", {"PrincipalResourcePermissions": []},
        "Lake Formation", "WARN", "Grant DESCRIBE and SELECT to readers",
    ),
    "a registered bucket": (
        "lakeformation", "describe_resource", {}, "Lake Formation", "WARN", "Readers need lakeformation:GetDataAccess",
    ),
    "an alarm": (
        "cloudwatch", "describe_alarms",
        {"MetricAlarms": [{"StateValue": "ALARM", "AlarmName": "RunsFailed", "AlarmDescription":
                           "A run failed. What to do: docs/runbook.md#a-run-failed"}]},
        "alarms", "FAIL", "See docs/runbook.md#a-run-failed",
    ),
    "dead letters": (
        "sqs", "get_queue_attributes", {"Attributes": {"ApproximateNumberOfMessages": "3"}},
        "dead letters", "WARN", "See docs/runbook.md#a-dead-letter-queue-is-not-empty",
    ),
}  # fmt: skip


def test_tables_that_were_dropped_are_named(
    deployed: Deployed, stack: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_table(*, DatabaseName: str, Name: str) -> Any:  # noqa: N803
        assert DatabaseName == "db"
        if Name != "my-ExportsTablesexports8888AAAA":
            raise NOT_FOUND

    monkeypatch.setattr(stack.others["glue"], "get_table", get_table, raising=False)

    answer = run("doctor", "-o", "json")

    (row,) = [row for row in answer.json if row["check"] == "tables"]
    assert (answer.code, row["found"]) == (1, "db has no my-ExportsTablesagentprocess9999AAAA")
    assert row["advice"] == "Create them again: docs/queries.md#a-table-is-missing"


@pytest.mark.parametrize(("service", "operation", "found", "check", "result", "advice"), WRONG.values(), ids=WRONG)
def test_each_fault_has_a_result_and_says_what_to_do(
    deployed: Deployed, service: str, operation: str, found: Any, check: str, result: str, advice: str
) -> None:
    deployed.set(service, operation, found)

    answer = run("doctor")

    rows = [row for row in answer.json if row["check"] == check]
    assert any(row["result"] == result and advice in row.get("advice", "") for row in rows), rows
    assert {row["result"] for row in answer.json if row["check"] != check} == {"OK"}
    assert answer.code == (1 if result == "FAIL" else 0)


@pytest.mark.parametrize(
    ("name", "value", "check", "result"),
    [
        ("Release", "9.9.9", "release", "WARN"),
        ("Release", None, "release", "WARN"),
        ("TableName", None, "outputs", "FAIL"),
        ("DatabaseName", None, "Lake Formation", "OK"),
        ("DatabaseName", None, "tables", "UNKNOWN"),
    ],
)
def test_outputs_are_compared(deployed: Deployed, name: str, value: str | None, check: str, result: str) -> None:
    del deployed.outputs[name]
    if value:
        deployed.outputs[name] = value

    assert results(run("doctor"))[check] == result


@pytest.mark.parametrize("also", ["", "cloudformation"])
def test_what_the_caller_may_not_see_is_unknown_with_the_call(deployed: Deployed, also: str) -> None:
    for service, answers in deployed.answers.items():
        for operation in answers:
            call = "".join(word.capitalize() for word in operation.split("_"))
            if service != "cloudformation" or also:
                answers[operation] = client_error("AccessDeniedException", "no", call)

    answer = run("doctor", "-o", "json")

    unknown = [row for row in answer.json if row["result"] == "UNKNOWN"]
    assert answer.code == 0
    assert {row["check"] for row in unknown} >= {"identity", "Region", "schedules", "trail", "alarms", "dead letters"}
    assert {row["found"] for row in unknown} >= {"no permission for GetCallerIdentity"}
    assert all("examples/operator.policy.json" in row["advice"] for row in unknown)


def test_a_service_that_cannot_be_reached_is_unknown(deployed: Deployed) -> None:
    error = EndpointConnectionError(
        endpoint_url="https://migrationhub-config.us-east-1.amazonaws.com/?X-Amz-Security=s3"
    )
    deployed.set("migrationhub-config", "get_home_region", error)
    deployed.set("lakeformation", "list_permissions", client_error("UnknownOperationException", "", "ListPermissions"))

    answer = run("doctor")

    found = {row["check"]: row["found"] for row in answer.json if row["result"] == "UNKNOWN"}
    assert (answer.code, set(found)) == (0, {"Region", "Lake Formation"})
    assert found["Lake Formation"] == "ListPermissions is not available here: UnknownOperationException"
    assert "s3" not in answer.out.replace("s3:", "")


def test_a_defect_is_no_finding(deployed: Deployed) -> None:
    deployed.set("sts", "get_caller_identity", {})

    assert "KeyError" in run("doctor").err


def test_without_cloudformation_nothing_can_be_checked(stack: FakeStack) -> None:
    stack.cloudformation.error = client_error("AccessDenied")

    answer = run("doctor")

    assert (answer.code, answer.out) == (254, "")


def test_a_table_has_the_advice_beside_what_was_found(deployed: Deployed) -> None:
    deployed.set("cloudtrail", "describe_trails", {"trailList": []})

    answer = run("doctor", "-o", "table")

    assert "FAIL    trail" in answer.out
    assert "none logs management events that write. Create a trail that logs management events" in answer.out
