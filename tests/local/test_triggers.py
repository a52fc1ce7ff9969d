"""Runs that triggers start, in a second stack, which is deployed again while a run is active."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.local.alarms import Alarms
from tests.local.service import Service
from tests.local.stack import Run, Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone

AGENT = -3
"""Index of the agent in the filter of the schedule. No other test uses it, so no other export is stored."""
SOURCE = "tests.cloudtrail"
LONG = '"' * 125_000
"""250,000 characters in the input of a run, and twice as many where the input is itself a text in JSON."""


@pytest.fixture(scope="module")
def agent(service: Service) -> str:
    return service.double.agents()[AGENT]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("second") / "outputs.json"


@pytest.fixture(scope="module")
def context(agent: str) -> Mapping[str, str]:
    """With a collector, whose calls the trigger ignores. It is paused."""
    filters = [{"name": "agentIds", "condition": "EQUALS", "values": [agent]}]
    schedule = {"expression": "rate(1 minute)", "timezone": "Europe/Berlin", "input": {"filters": filters}}
    return {
        "stackId": "Second",
        "schedules": json.dumps([schedule]),
        "cloudTrailTrigger": "true",
        "cloudTrailSources": SOURCE,
        "collect": "{}",
    }


@pytest.fixture(scope="module")
def second(aws: LocalAws, context: Mapping[str, str], outputs: Path) -> Iterator[Stack]:
    """A second stack with schedule and trigger; the schedule is deleted after the tests of this module."""
    aws.deploy_beside(context, outputs)
    stack = Stack(aws, json.loads(outputs.read_text())["Second"])
    yield stack
    scheduler: Any = aws.client("scheduler")
    for physical in stack.resources("AWS::Scheduler::Schedule").values():
        scheduler.delete_schedule(Name=physical.rpartition("|")[2])


@pytest.fixture
def cloud_trail(aws: LocalAws) -> "CloudTrail":
    return CloudTrail(aws)


class CloudTrail:
    """Sends the events that CloudTrail sends to EventBridge for API calls."""

    def __init__(self, aws: LocalAws) -> None:
        self._events: Any = aws.client("events")

    def send(self, export_id: str, **other: object) -> None:
        """The event of a StartExportTask call with this id; ``other`` members replace its members, ``...`` removes."""
        detail: dict[str, object] = {
            "eventSource": "discovery.amazonaws.com",
            "eventName": "StartExportTask",
            "eventID": event_id(export_id),
            "awsRegion": REGION,
            "recipientAccountId": ACCOUNT,
            "requestParameters": {"exportDataFormat": ["CSV"]},
            "responseElements": {"exportId": export_id},
        }
        members = {name: value for name, value in {**detail, **other}.items() if value is not ...}
        entry = {"Source": SOURCE, "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(members)}
        response = self._events.put_events(Entries=[entry])
        assert response["FailedEntryCount"] == 0


def event_id(export_id: str) -> str:
    """CloudTrail chooses it, and repeats it when it delivers an event again."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, export_id))


def other_name(export_id: str) -> str:
    """The name of the run if there is an execution with the name of the export."""
    return f"sha256_{hashlib.sha256(f'{export_id} {event_id(export_id)}'.encode()).hexdigest()}"


def executions(stack: Stack) -> dict[str, str]:
    """Status by name of every execution of the workflow."""
    pages = stack.steps.get_paginator("list_executions").paginate(stateMachineArn=stack.machine)
    return {each["name"]: each["status"] for page in pages for each in page["executions"]}


def ended_starts(stack: Stack, export_id: str, count: int) -> list[str] | None:
    """Statuses of the starter's executions for the export, once so many have ended."""
    machines = stack.resources("AWS::StepFunctions::StateMachine")
    (starter,) = (arn for name, arn in machines.items() if "Starter" in name)
    listed = stack.steps.list_executions(stateMachineArn=starter)["executions"]
    described = [stack.steps.describe_execution(executionArn=each["executionArn"]) for each in listed]
    ended = [str(each["status"]) for each in described if export_id in each["input"] and each["status"] != "RUNNING"]
    return ended if len(ended) == count else None


def runs_for(stack: Stack, export_id: str) -> set[str]:
    """The names of the executions of the workflow that have the export in their input."""
    pages = stack.steps.get_paginator("list_executions").paginate(stateMachineArn=stack.machine)
    listed = [each for page in pages for each in page["executions"]]
    described = [stack.steps.describe_execution(executionArn=each["executionArn"]) for each in listed]
    return {str(each["name"]) for each in described if export_id in each["input"]}


def run_of(stack: Stack, name: str) -> Run:
    until(lambda: name in executions(stack), what=f"the start of {name}")
    return stack.ended(f"{stack.machine.replace(':stateMachine:', ':execution:')}:{name}")


def test_fault_27_three_cloudtrail_events_of_an_export_store_it_once(
    second: Stack, service: Service, cloud_trail: CloudTrail
) -> None:
    export_id = service.start_export(service.double.agents()[0], in_progress_seconds=2)

    for _ in range(3):
        cloud_trail.send(export_id)
    run = run_of(second, export_id)

    assert run.counts == {"STORED": 1}
    statuses = until(lambda: ended_starts(second, export_id, 3), what="the end of three starts")
    assert statuses == ["SUCCEEDED"] * 3, "later starts find the executions"
    assert run_of(second, other_name(export_id)).counts == {"STORED": 1}, "here, a running name is in use, too"
    assert runs_for(second, export_id) == {export_id, other_name(export_id)}
    assert service.gets(export_id) == 1


def test_fault_27_an_execution_with_the_name_of_an_export_starts_once(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent")
    asked: Any = {"stateMachineArn": stack.machine, "name": export_id, "input": json.dumps({"exportIds": [export_id]})}

    run = stack.ended(stack.steps.start_execution(**asked)["executionArn"])

    with pytest.raises(stack.steps.exceptions.ExecutionAlreadyExists):
        stack.steps.start_execution(**asked)
    assert run.counts == {"STORED": 1}
    assert service.gets(export_id) == 1


@pytest.mark.parametrize(
    "taken",
    [
        {"exportIds": ["export-another"], "onFailure": "report"},
        {"deadlineMinutes": 0},
        {"exportIds": [...], "filters": [{"name": "agentIds", "condition": "EQUALS", "values": ["o-none"]}]},
        # DescribeExecution would be above the limit of a state.
        {"exportIds": ["export-another"], "onFailure": "report", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": LONG},
    ],
    ids=["another export", "invalid input", "a filter", "256 KiB"],
)
def test_attack_03_a_run_with_the_name_of_an_export_and_another_input_does_not_prevent_its_run(
    second: Stack, service: Service, cloud_trail: CloudTrail, taken: dict[str, Any]
) -> None:
    export_id = service.has(kind="agent")
    ids = [export_id if each is ... else each for each in taken.get("exportIds", [])]
    run_input = json.dumps({**taken, **({"exportIds": ids} if ids else {})})
    second.steps.start_execution(stateMachineArn=second.machine, name=export_id, input=run_input)

    cloud_trail.send(export_id)

    row = until(lambda: (row := second.row(export_id)) and row["status"] == "STORED" and row, what="the export")
    assert row["runId"] == other_name(export_id)
    assert until(lambda: ended_starts(second, export_id, 1), what="the end of the start") == ["SUCCEEDED"]


def test_an_id_that_is_no_execution_name_is_hashed(second: Stack, service: Service, cloud_trail: CloudTrail) -> None:
    export_id = service.has(export_id=f"export.{uuid.uuid4().hex}{'x' * 60}", kind="agent")

    cloud_trail.send(export_id)

    until(lambda: second.row(export_id), what="the catalog item of the export")
    hashed = f"sha256_{hashlib.sha256(export_id.encode()).hexdigest()}"
    assert runs_for(second, export_id) == {hashed}
    assert run_of(second, hashed).counts == {"STORED": 1}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"errorCode": "AuthorizationErrorException"}, id="refused"),
        pytest.param({"responseElements": None, "errorCode": "InvalidParameterValueException"}, id="failed"),
        pytest.param({"responseElements": None}, id="without response elements"),
        pytest.param({"responseElements": {}}, id="without an id"),
        pytest.param({"recipientAccountId": "999999999999"}, id="another account"),
        pytest.param({"awsRegion": "eu-central-1"}, id="another region"),
        pytest.param({"eventSource": "rds.amazonaws.com"}, id="another service"),
        pytest.param({"eventName": "DescribeExportTasks"}, id="another operation"),
    ],
)
def test_bad_input_09_10_11_other_events_start_no_run(
    second: Stack, service: Service, cloud_trail: CloudTrail, other: dict[str, object]
) -> None:
    wrong, right = service.has(kind="agent"), service.has(kind="agent")

    cloud_trail.send(wrong, **other)
    cloud_trail.send(right)
    run_of(second, right)

    assert second.row(wrong) is None
    assert wrong not in executions(second)


def test_an_export_that_the_collector_starts_gets_no_run_of_the_trigger(
    second: Stack, service: Service, cloud_trail: CloudTrail
) -> None:
    roles = second.resources("AWS::IAM::Role")
    (collector,) = (role for name, role in roles.items() if "CollectExportsRole" in name)
    own, of_others = service.has(kind="agent"), service.has(kind="agent")

    cloud_trail.send(own, userIdentity=session_of(collector))
    cloud_trail.send(of_others, userIdentity=session_of("pipeline"))
    run_of(second, of_others)

    assert second.row(own) is None
    assert own not in executions(second)


def session_of(role: str) -> dict[str, object]:
    """What CloudTrail says of a caller with temporary credentials of the role."""
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "accountId": ACCOUNT, "userName": role}
    caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session"
    return {"type": "AssumedRole", "arn": caller, "sessionContext": {"sessionIssuer": issuer}}


def test_a_paused_collector_starts_no_exports(second: Stack, service: Service) -> None:
    machines = second.resources("AWS::StepFunctions::StateMachine")
    (collector,) = (arn for name, arn in machines.items() if "Collector" in name)
    before = service.double.counts()["calls"].get("StartExportTask", 0)

    tick = second.ended(second.steps.start_execution(stateMachineArn=collector, input="{}")["executionArn"])

    assert (tick.status, tick.output["exportIds"]) == ("SUCCEEDED", [])
    assert service.double.counts()["calls"].get("StartExportTask", 0) == before


def test_a_schedule_stores_an_export_of_a_pipeline(second: Stack, service: Service, agent: str) -> None:
    export_id = service.start_export(agent, in_progress_seconds=2)

    row = until(
        lambda: (row := second.row(export_id)) and row["status"] == "STORED" and row,
        what="the schedule's run",
    )

    assert second.manifest(export_id)["raw"]["bytes"] > 0
    assert str(row["runId"]) in executions(second)


@pytest.mark.parametrize("name", ["StartsFailed", "SchedulesDeadLetters", "CloudTrailDeadLetters"])
def test_triggers_have_their_own_alarms(aws: LocalAws, second: Stack, name: str) -> None:
    alarms = Alarms(aws, "Second")

    alarms.put_above_threshold(name)

    alarms.wait_for_alarm(name)


def test_fault_40_a_run_continues_while_the_stack_is_deployed_again(
    aws: LocalAws, second: Stack, service: Service, context: Mapping[str, str], outputs: Path
) -> None:
    export_ids = [service.has(kind="agent", in_progress_seconds=seconds) for seconds in (1, 25)]
    arn = second.start({"exportIds": export_ids})
    until(lambda: second.row(export_ids[1]), what="the run's first poll")

    aws.deploy_beside({**context, "storeConcurrency": "4", "storeBudgetSeconds": "60"}, outputs)
    run = second.ended(arn)

    assert run.counts == {"STORED": 2}
