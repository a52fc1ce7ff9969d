"""Every example, run as a user runs it."""

import json
import shutil
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.stack.aws import LocalAws
from tests import package
from tests.local.caller import EXAMPLES, Caller, make_role
from tests.local.commands import run_command
from tests.local.inbox import Inbox
from tests.local.reader import Reader
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone


def run(aws: LocalAws, *command: str | Path) -> str:
    done = run_command(aws, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def caller(aws: LocalAws, stack: Stack, service: Service) -> Caller:
    return Caller(aws, stack)


@pytest.fixture
def agent(service: Service) -> str:
    return service.double.agents()[0]


def test_start_and_wait_with_boto3(aws: LocalAws, stack: Stack, service: Service) -> None:
    result = json.loads(run(aws, sys.executable, EXAMPLES / "start_and_wait.py", stack.machine))

    assert (result["outcome"], result["kind"]) == ("STORED", "summary")
    assert stack.manifest(result["exportId"])["exportId"] == result["exportId"]


def test_start_and_wait_with_the_aws_cli(aws: LocalAws, stack: Stack, service: Service) -> None:
    printed = run(aws, EXAMPLES / "start_and_wait.sh", stack.machine)

    status, _, _, output = printed.rstrip("\n").split("\t")
    assert status == "SUCCEEDED"
    assert json.loads(output)["counts"] == {"STORED": 1}


def test_no_export_is_started_for_a_missing_state_machine(aws: LocalAws, stack: Stack, service: Service) -> None:
    def start_calls() -> int:
        return int(service.double.counts()["calls"].get("StartExportTask", 0))

    before = start_calls()
    programs = [(sys.executable, EXAMPLES / "start_and_wait.py"), (EXAMPLES / "start_and_wait.sh",)]

    results = [run_command(aws, *program, f"{stack.machine}-typo") for program in programs]

    assert start_calls() == before
    assert all(each.returncode and "StateMachineDoesNotExist" in each.stderr for each in results)
    assert "Traceback" not in results[0].stderr


def test_a_state_machine_starts_an_export_and_uses_its_files(caller: Caller, stack: Stack, agent: str) -> None:
    ended = caller.run({"agentId": agent})

    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    manifest = stack.manifest(output["exportId"])
    assert (output["outcome"], manifest["kind"]) == ("STORED", "agent")
    assert output["files"] == [{name: file[name] for name in ("dataset", "key", "rows")} for file in manifest["files"]]
    assert output["files"]
    assert manifest["correlationId"] == ended["name"]


def test_a_state_machine_whose_export_fails_has_the_cause_of_the_run(
    caller: Caller, stack: Stack, service: Service, agent: str
) -> None:
    service.double.set_scenarios({"outcome": "FAILED"})

    ended = caller.run({"agentId": agent})

    assert (ended["status"], ended["error"]) == ("FAILED", "ExportNotStored")
    cause = json.loads(ended["cause"])
    assert (cause["error"], cause["counts"]) == ("ExportsNotStored", {"FAILED": 1})
    report = stack.document(cause["report"].removeprefix(stack.uri("")))
    assert [export["exportId"] for export in report["exports"]] == [cause["exportId"]]


def test_a_state_machine_reads_a_cause_in_the_format_of_aws(caller: Caller) -> None:
    own = {"counts": {"FAILED": 1}, "report": "s3://bucket/runs/run.json"}
    child = {"ExecutionArn": "arn", "Status": "FAILED", "Error": "ExportsNotStored", "Cause": json.dumps(own)}
    caught = {"error": "States.TaskFailed", "cause": json.dumps(child)}
    given = {"Begin": {"Type": "Pass", "Assign": {"exportId": "export-1"}, "Next": "Read what went wrong"}}

    ended = caller.run(caught, StartAt="Begin", States={**caller.definition["States"], **given})

    assert json.loads(ended["cause"]) == {"exportId": "export-1", "error": "ExportsNotStored", **own}


def test_a_state_machine_reports_why_no_run_was_started(caller: Caller, stack: Stack, agent: str) -> None:
    caller.definition["States"]["Store export"]["Arguments"]["StateMachineArn"] = f"{stack.machine}-that-does-not-exist"

    ended = caller.run({"agentId": agent})

    cause = json.loads(ended["cause"])
    assert (ended["error"], set(cause)) == ("ExportNotStored", {"exportId", "error", "message"})
    assert cause["error"].endswith("StateMachineDoesNotExist")


def test_a_state_machine_reports_why_no_export_was_started(caller: Caller, service: Service, agent: str) -> None:
    service.double.set_scenarios({"error_code": "OperationNotPermittedException"})

    ended = caller.run({"agentId": agent})

    assert (ended["status"], ended["error"]) == ("FAILED", "ExportNotStarted")
    assert "OperationNotPermittedException" in json.loads(ended["cause"])["cause"]


def test_exports_that_a_run_did_not_store_are_requested_again(aws: LocalAws, stack: Stack, service: Service) -> None:
    stored, failed, rejected = (
        service.has(),
        service.has(outcome="FAILED"),
        service.has(download_url="http://exports.example/"),
    )
    unknown = f"export-{uuid.uuid4()}"
    first = stack.run(exportIds=[stored, failed, rejected, unknown])
    for export_id in (failed, rejected, unknown):
        service.set_scenario(export_id)

    (again,) = run(aws, sys.executable, EXAMPLES / "request_again.py", first.arn).split()

    assert first.counts == {"STORED": 1, "FAILED": 1, "REJECTED": 1, "NOT_FOUND": 1}
    second = stack.ended(again)
    assert second.counts == {"STORED": 3}
    assert {export["exportId"] for export in second.output["exports"]} == {failed, rejected, unknown}


def test_nothing_is_requested_again_after_a_run_that_stored_everything(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    first = stack.run(exportIds=[service.has()])

    assert run(aws, sys.executable, EXAMPLES / "request_again.py", first.arn) == ""


def test_requesting_exports_of_a_rejected_run_again_reports_that_it_has_no_report(aws: LocalAws, stack: Stack) -> None:
    rejected = stack.run(deadlineMinutes=0)

    result = run_command(aws, sys.executable, EXAMPLES / "request_again.py", rejected.arn)

    assert (result.returncode, result.stderr) == (1, "The run has no report: FAILED InvalidInput\n")


def test_a_schedule_that_sweeps(aws: LocalAws, stack: Stack) -> None:
    scheduler: Any = aws.client("scheduler")
    role = make_role(aws, f"example-{uuid.uuid4().hex}")

    run(aws, EXAMPLES / "sweep_every_hour.sh", stack.machine, role)

    schedule = scheduler.get_schedule(Name="discovery-exports-sweep")
    scheduler.delete_schedule(Name="discovery-exports-sweep")
    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    assert (schedule["Target"]["Arn"], json.loads(schedule["Target"]["Input"])) == (stack.machine, {})


def test_a_queue_receives_the_events_of_stored_agent_exports(
    aws: LocalAws, stack: Stack, service: Service, events: Inbox
) -> None:
    """And no event that names another bucket."""
    rule = ("--stack-name", "agent-exports", "--template-file", EXAMPLES / "on_agent_export_stored.yaml")
    names = (f"BucketName={stack.bucket}", f"TableName={stack.table}")
    run(aws, "aws", "cloudformation", "deploy", *rule, "--parameter-overrides", *names)
    (deployed,) = aws.client("cloudformation").describe_stacks(StackName="agent-exports")["Stacks"]
    (queue,) = (output["OutputValue"] for output in deployed["Outputs"])
    sqs: Any = aws.client("sqs")
    agents, summary = service.has_many(2, kind="agent"), service.has(kind="summary")

    stored = {"outcome": "STORED", "kind": "agent"}
    for bucket in ("another-bucket", f"{stack.bucket}-of-another"):
        events.forge("Export Stored", {**stored, "exportId": "export-forged", "manifest": f"s3://{bucket}/manifests/x"})
    stack.run(exportIds=[summary, *agents])

    received: set[str] = set()

    def all_received() -> bool:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ())
        received.update(json.loads(message["Body"])["detail"]["data"]["exportId"] for message in messages)
        return received.issuperset(agents)

    until(all_received, what="the events of both agent exports")
    assert received.isdisjoint({summary, "export-forged"})


def test_a_reader_queries_the_tables_and_has_no_access_to_anything_else(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    """The local AWS checks GetQueryExecution on all resources, so only the result in the bucket is the reader's."""
    export_id = service.has(kind="summary")
    stack.run(exportIds=[export_id])
    manifest, row = stack.manifest(export_id), stack.row(export_id) or {}
    file = next(file for file in manifest["files"] if file["dataset"] == "summary_server")
    reader = Reader(aws, stack)
    s3, athena, glue = (reader.client(name) for name in ("s3", "athena", "glue"))
    database, work_group = aws.outputs["DatabaseName"], aws.outputs["WorkGroupName"]

    def start(group: str) -> str:
        sql = f"SELECT count(*) AS servers FROM summary_server WHERE export_id = '{export_id}'"
        context = {"Database": database}
        started = athena.start_query_execution(QueryString=sql, WorkGroup=group, QueryExecutionContext=context)
        return str(started["QueryExecutionId"])

    def results(query: str) -> Any:
        return s3.list_objects_v2(Bucket=stack.bucket, Prefix=f"queries/{query}").get("Contents")

    query = start(work_group)
    result, *_ = until(lambda: results(query), what="the result of a query")
    body = s3.get_object(Bucket=stack.bucket, Key=result["Key"])["Body"].read()
    assert body.decode().split() == ["servers", str(file["rows"])]
    assert glue.get_table(DatabaseName=database, Name="summary_server")["Table"]["Name"] == "summary_server"
    assert s3.get_object(Bucket=stack.bucket, Key=file["tableKey"])["ContentLength"]

    bucket, table = {"Bucket": stack.bucket}, {"DatabaseName": database, "Name": "summary_server"}
    denied: list[tuple[Callable[..., object], Mapping[str, object]]] = [
        *((s3.get_object, {**bucket, "Key": key}) for key in (manifest["raw"]["key"], file["key"], row["manifestKey"])),
        (s3.put_object, {**bucket, "Key": file["tableKey"], "Body": b""}),
        (s3.delete_object, {**bucket, "Key": file["tableKey"]}),
        (glue.delete_table, table),
        (start, {"group": "primary"}),
    ]
    for call, arguments in denied:
        with pytest.raises(ClientError, match="AccessDenied"):
            call(**arguments)


@pytest.fixture
def own_stack(aws: LocalAws, tmp_path: Path) -> dict[str, str]:
    """Outputs of the deployed stack of a team that has installed the package."""
    app, outputs = tmp_path / "own_stack", tmp_path / "outputs.json"
    shutil.copytree(EXAMPLES / "own_stack", app, ignore=shutil.ignore_patterns(".venv", "cdk.out"))
    package.install(package.build(tmp_path / "dist"), app / ".venv")
    LocalAws(aws.state.folder, app=app).deploy_beside({}, outputs)
    deployed: dict[str, str] = json.loads(outputs.read_text())["MigrationData"]
    return deployed


def test_a_team_stores_exports_in_its_own_resources(aws: LocalAws, service: Service, own_stack: dict[str, str]) -> None:
    theirs = Stack(aws, own_stack)
    events = Inbox(aws).subscribe_to_bus(own_stack["BusName"])
    messages = Inbox(aws).subscribe_to_topic(theirs.topic, theirs.table_arn, own_stack["BusName"])
    stored, failed = service.has(kind="agent"), service.has(outcome="FAILED")

    theirs.run(exportIds=[stored, failed], onFailure="report")

    rows = [theirs.row(export_id) or {} for export_id in (stored, failed)]
    assert [row["status"] for row in rows] == ["STORED", "FAILED"]
    assert theirs.manifest(stored)["raw"]["bytes"] == len(theirs.body(theirs.manifest(stored)["raw"]["key"]))
    assert list(theirs.resources("AWS::S3::Bucket").values()) == [theirs.bucket]
    assert [event["detail-type"] for event in events.of(stored)] == ["Export Stored"]
    assert [message["detail-type"] for message in messages.of(failed)] == ["Export Failed"]
