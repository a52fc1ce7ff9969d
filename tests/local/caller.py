"""The state machine of the examples, created as a user creates it, with its own role."""

import io
import json
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from local.stack.servers import ROOT
from tests.local.stack import Stack
from tests.local.waiting import until

EXAMPLES = ROOT / "examples"
CALLS = Path(__file__).with_name("sdk_calls.py")
FUNCTIONS = {
    "arn:aws:states:::aws-sdk:applicationdiscovery:startExportTask": "start_export_task",
    "arn:aws:states:::aws-sdk:s3:getObject": "get_object",
}
"""Integrations that the local Step Functions does not have, and the functions that replace them."""


class Caller:
    """``caller.asl.json`` with a role for ``caller.policy.json``; the functions have the same role."""

    def __init__(self, aws: LocalAws, stack: Stack) -> None:
        self._aws = aws
        self._stack = stack
        self._name = f"caller-{uuid.uuid4().hex[:12]}"
        self.role = make_role(aws, self._name, policy=filled("caller.policy.json", stack))
        self.definition: dict[str, Any] = json.loads(filled("caller.asl.json", stack))
        self._replace_integrations()

    def run(self, asked: Mapping[str, object], **other: object) -> Mapping[str, Any]:
        """Run to the end with this input. ``other`` members replace those of the definition."""
        machine = self._stack.steps.create_state_machine(
            name=f"{self._name}-{uuid.uuid4().hex[:12]}",
            definition=json.dumps({**self.definition, **other}),
            roleArn=self.role,
        )
        arn = self._stack.steps.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(asked))
        return until(lambda: self._ended(arn["executionArn"]), what="the end of the caller")

    def _ended(self, arn: str) -> Mapping[str, Any] | None:
        execution: Any = self._stack.steps.describe_execution(executionArn=arn)
        return None if execution["status"] == "RUNNING" else execution

    def _replace_integrations(self) -> None:
        for state in self.definition["States"].values():
            if name := FUNCTIONS.get(state.get("Resource")):
                state["Resource"] = self._function(name)

    def _function(self, name: str) -> str:
        """The ARN of a function with the same result as the integration."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.write(CALLS, CALLS.name)
        arn: str = self._aws.client("lambda").create_function(
            FunctionName=f"{self._name}-{name}",
            Runtime="python3.13",
            Handler=f"{CALLS.stem}.{name}",
            Role=self.role,
            Code={"ZipFile": archive.getvalue()},
            Timeout=30,
        )["FunctionArn"]
        return arn


def make_role(aws: LocalAws, name: str, *, policy: str = "") -> str:
    """The ARN of a role that state machines, schedules, functions and the account may assume."""
    iam: Any = aws.client("iam")
    services = [f"{service}.amazonaws.com" for service in ("states", "scheduler", "lambda")]
    trusted = {"Service": services, "AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="Example", PolicyDocument=policy)
    return arn


def filled(example: str, stack: Stack, **others: str) -> str:
    """The example with the values of the stack, and others, in place of its placeholders."""
    values = {
        "StateMachineArn": stack.machine,
        "StateMachineName": stack.machine.rpartition(":")[2],
        "BucketName": stack.bucket,
        "Region": REGION,
        "Account": ACCOUNT,
        **others,
    }
    text = (EXAMPLES / example).read_text()
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


def as_operator(aws: LocalAws, stack: Stack, *, without: str = "", **names: str) -> dict[str, str]:
    """The variables of a session of a role with ``operator.policy.json``, less one statement, and nothing else.

    No key is used, so the policy names one that does not exist.
    """
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/none"
    values = {"TableName": stack.table, "DatabaseName": aws.outputs["DatabaseName"], "KeyArn": key, **names}
    text = filled("operator.policy.json", stack, **values)
    # The emulator gives other names to log groups: docs/local-aws.md.
    policy = json.loads(
        text.replace(f"log-group:{names['StackName']}-", f"log-group:/aws/cloudformation/{names['StackName']}/")
    )
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != without]
    role = make_role(aws, f"operator-{uuid.uuid4().hex[:12]}", policy=json.dumps(policy))
    sts: Any = aws.client("sts")
    credentials = sts.assume_role(RoleArn=role, RoleSessionName="operator")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }
