"""cfn-lint finds no faults in the examples."""

import json
from pathlib import Path
from typing import Any

from tests.slow.test_lint import lint

EXAMPLES = Path(__file__).parents[2] / "examples"
FILLED = {
    "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:Workflow",
    "StateMachineName": "Workflow",
    "BucketName": "exports",
    "Region": "us-east-1",
    "Account": "123456789012",
    "WorkGroupName": "discoveryexports_tables",
    "DatabaseName": "discoveryexports_tables",
    "KeyArn": "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f",
}


def filled(example: str) -> Any:
    text = (EXAMPLES / example).read_text("utf-8")
    for name, value in FILLED.items():
        text = text.replace(f"${{{name}}}", value)
    return json.loads(text)


def caller(definition: Any) -> dict[str, Any]:
    """A template of the calling state machine with its role."""
    statement = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = {"PolicyName": "Caller", "PolicyDocument": filled("caller.policy.json")}
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}, "Policies": [policy]}
    machine = {"DefinitionString": json.dumps(definition), "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Caller": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine},
        }
    }


def test_the_calling_state_machine_has_no_faults() -> None:
    assert lint(json.dumps(caller(filled("caller.asl.json")))) == []


def test_a_fault_in_the_calling_state_machine_is_found() -> None:
    broken = filled("caller.asl.json")
    del broken["States"]["Read manifest"]["Resource"]

    assert lint(json.dumps(caller(broken))) != []


def reader(policy: Any) -> str:
    """A template of the policy of a reader."""
    properties = {"ManagedPolicyName": "reader", "PolicyDocument": policy}
    return json.dumps({"Resources": {"Reader": {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}}})


def test_the_policy_of_a_reader_has_no_faults() -> None:
    assert lint(reader(filled("reader.policy.json"))) == []


def test_an_unknown_action_in_the_policy_of_a_reader_is_found() -> None:
    policy = filled("reader.policy.json")
    policy["Statement"][0]["Action"] = ["athena:RunQueries"]

    assert lint(reader(policy)) != []


def test_the_rule_has_no_faults() -> None:
    assert lint((EXAMPLES / "on_agent_export_stored.yaml").read_text("utf-8")) == []
