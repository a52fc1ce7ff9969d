"""Every example, run as a user would run it."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from local.aws import LocalAws
from local.servers import ROOT
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.waiting import until

EXAMPLES = ROOT / "examples"
AWS_CLI = ROOT / ".venv-awscli" / "bin"


def run(aws: LocalAws, *command: str | Path) -> str:
    env = {**os.environ, **aws.env, "PATH": f"{AWS_CLI}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def role(aws: LocalAws) -> str:
    """A role that the state machine or the schedule of an example may take."""
    trusted = ["states.amazonaws.com", "scheduler.amazonaws.com"]
    trust = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = aws.client("iam").create_role(RoleName=f"example-{uuid.uuid4().hex}", AssumeRolePolicyDocument=document)[
        "Role"
    ]["Arn"]
    return arn


def test_start_and_wait_with_boto3(aws: LocalAws, stack: Stack, service: Service) -> None:
    told = json.loads(run(aws, sys.executable, EXAMPLES / "start_and_wait.py", stack.machine))

    assert (told["outcome"], told["kind"]) == ("STORED", "summary")
    assert stack.manifest(told["exportId"])["exportId"] == told["exportId"]


def test_start_and_wait_with_the_aws_cli(aws: LocalAws, stack: Stack, service: Service) -> None:
    told = run(aws, EXAMPLES / "start_and_wait.sh", stack.machine)

    status, _, _, output = told.rstrip("\n").split("\t")
    assert status == "SUCCEEDED"
    assert json.loads(output)["counts"] == {"STORED": 1}


def test_a_state_machine_that_calls_the_workflow_goes_on_with_the_manifest(
    aws: LocalAws, stack: Stack, service: Service, role: str
) -> None:
    (export_id,) = service.double.add({"kind": "summary"})
    definition = (EXAMPLES / "caller.asl.json").read_text().replace("${StateMachineArn}", stack.machine)
    caller = stack.steps.create_state_machine(name=f"caller-{uuid.uuid4()}", definition=definition, roleArn=role)
    arn = caller["stateMachineArn"]

    execution = stack.steps.start_execution(stateMachineArn=arn, input=json.dumps({"exportId": export_id}))
    ended = until(lambda: _ended(stack, execution["executionArn"]), seconds=60, what="the end of the caller")

    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == {"manifest": stack.uri(f"manifests/{export_id}.json")}


def test_a_schedule_that_sweeps(aws: LocalAws, stack: Stack, role: str) -> None:
    scheduler: Any = aws.client("scheduler")

    run(aws, EXAMPLES / "sweep_every_hour.sh", stack.machine, role)

    schedule = scheduler.get_schedule(Name="discovery-exports-sweep")
    scheduler.delete_schedule(Name="discovery-exports-sweep")
    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    assert (schedule["Target"]["Arn"], json.loads(schedule["Target"]["Input"])) == (stack.machine, {})


def _ended(stack: Stack, arn: str) -> Any:
    execution = stack.steps.describe_execution(executionArn=arn)
    return None if execution["status"] == "RUNNING" else execution
