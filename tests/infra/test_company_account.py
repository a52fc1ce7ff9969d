"""What companies demand of every resource: their key, a permissions boundary, tags, and limits of concurrency."""

import json
from typing import Any

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_kms as kms

from infra.discovery_exports import DiscoveryExports
from infra.settings.settings import Settings
from infra.stack import DiscoveryExportsStack
from tests.infra.synthesis import ACCOUNT, EVERYTHING, KEY_ARN, REGION, of_stack, synthesized
from tests.infra.template import Template
from tests.infra.test_functions import NAMES

BOUNDARY = {"@aws-cdk/core:permissionsBoundary": {"name": "our-boundary"}}
UNTAGGED = {
    "AWS::Athena::NamedQuery",
    "AWS::CDK::Metadata",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::Events::EventBusPolicy",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::IAM::Policy",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
}
"""Types without tags in CloudFormation, and those that only belong to another resource."""


@pytest.fixture(scope="module")
def with_own_key() -> Template:
    """A stack with a key of its own, whose policy the construct can extend."""

    def make(app: App) -> Stack:
        stack = Stack(app, "Theirs", env=Environment(account=ACCOUNT, region=REGION))
        key = kms.Key(stack, "Key")
        DiscoveryExports(stack, "Exports", key=key, settings=EVERYTHING)
        return stack

    return synthesized(make)


def conditions(lines: list[str]) -> list[Any]:
    return [json.loads(line.partition(" if ")[2] or "null") for line in lines]


# Keys


def test_log_groups_are_encrypted_with_the_key(everything: Template) -> None:
    groups = everything.of_type("AWS::Logs::LogGroup")

    assert len(groups) == 8
    assert {group["Properties"].get("KmsKeyId") for group in groups.values()} == {KEY_ARN}


def test_queues_are_encrypted_with_the_key(everything: Template) -> None:
    queues = everything.of_type("AWS::SQS::Queue")

    assert len(queues) == 4
    assert {queue["Properties"].get("KmsMasterKeyId") for queue in queues.values()} == {KEY_ARN}


@pytest.mark.parametrize("name", NAMES)
def test_environments_are_encrypted_with_the_key(everything: Template, name: str) -> None:
    assert everything.properties(name)["KmsKeyArn"] == KEY_ARN


def test_nothing_has_a_key_by_default(template: Template) -> None:
    assert not [group for group in template.of_type("AWS::Logs::LogGroup").values() if "KmsKeyId" in str(group)]
    assert not [name for name in NAMES if "KmsKeyArn" in template.properties(name)]
    assert {queue["Properties"]["SqsManagedSseEnabled"] for queue in template.of_type("AWS::SQS::Queue").values()} == {
        True
    }


@pytest.mark.parametrize(
    ("role", "services"),
    [
        *((f"{name}Role", ["s3", "dynamodb", "lambda"]) for name in NAMES),
        ("Announcements/Publisher", ["sns"]),
        ("Schedules/Role", ["sqs"]),
    ],
)
def test_roles_use_the_key_only_through_services(everything: Template, role: str, services: list[str]) -> None:
    lines = [line for line in everything.permissions(role) if line.startswith("kms:")]

    via = {"StringEquals": {"kms:ViaService": [f"{service}.<AWS::Region>.amazonaws.com" for service in services]}}
    others = [condition for condition in conditions(lines) if condition != via]
    assert len(lines) - len(others) >= 2
    assert all(list(condition["ArnLike"]) == ["kms:EncryptionContext:aws:lambda:FunctionArn"] for condition in others)


@pytest.mark.parametrize("name", NAMES)
def test_lambda_can_decrypt_environments_with_and_without_via_service(everything: Template, name: str) -> None:
    lines = [line for line in everything.permissions(f"{name}Role") if line.startswith(f"kms:Decrypt on {KEY_ARN}")]

    assert len(lines) == 2
    assert any("lambda.<AWS::Region>.amazonaws.com" in line for line in lines)
    assert any("kms:EncryptionContext:aws:lambda:FunctionArn" in line for line in lines)


def test_every_role_that_sends_to_an_encrypted_queue_may_use_its_key(everything: Template) -> None:
    """EventBridge rules send with their service principal, which the policies of queue and key allow."""
    for role in everything.of_type("AWS::IAM::Role"):
        lines = everything.permissions(role)
        if any(line.startswith("sqs:SendMessage") for line in lines):
            assert any(line.startswith("kms:GenerateDataKey") and "sqs." in line for line in lines)


def test_logs_and_events_may_use_a_key_of_the_same_app(with_own_key: Template) -> None:
    (key,) = with_own_key.of_type("AWS::KMS::Key").values()

    allowed = {
        with_own_key.text(statement["Principal"]["Service"]): statement
        for statement in key["Properties"]["KeyPolicy"]["Statement"]
        if "Service" in statement["Principal"]
    }
    logs, events = allowed["logs.<AWS::Region>.amazonaws.com"], allowed["events.amazonaws.com"]
    context = with_own_key.text(logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"])
    assert context.endswith(":logs:<AWS::Region>:<AWS::AccountId>:log-group:*")
    assert events["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert events["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


# Permissions boundary


def test_every_role_has_the_permissions_boundary_of_the_context() -> None:
    stack = of_stack(EVERYTHING.model_copy(update={"cloud_trail_trigger": False}), context=BOUNDARY)

    roles = stack.of_type("AWS::IAM::Role")
    boundaries = {name: stack.text(role["Properties"].get("PermissionsBoundary")) for name, role in roles.items()}
    assert len(boundaries) == 10
    assert {each.rpartition(":")[2] for each in boundaries.values()} == {"policy/our-boundary"}


def test_there_is_no_permissions_boundary_by_default(template: Template) -> None:
    assert "PermissionsBoundary" not in json.dumps(template.document)


# Tags


def test_every_resource_has_the_tags(everything: Template) -> None:
    types = {resource["Type"] for resource in everything.document["Resources"].values()}
    for kind in types - UNTAGGED:
        for name, resource in everything.of_type(kind).items():
            properties = resource["Properties"]
            tags = properties["Replicas"][0]["Tags"] if kind == "AWS::DynamoDB::GlobalTable" else properties["Tags"]
            tags = [{"Key": key, "Value": value} for key, value in tags.items()] if isinstance(tags, dict) else tags
            assert {"Key": "team", "Value": "migration"} in tags, name


def test_the_stack_has_the_tags() -> None:
    stack = DiscoveryExportsStack(App(), "DiscoveryExports", settings=Settings(tags={"team": "migration"}))

    assert stack.tags.tag_values() == {"team": "migration"}


def test_there_are_no_tags_by_default(template: Template) -> None:
    assert '"Tags"' not in json.dumps(template.document)


# Concurrency


def test_concurrency_is_reserved_for_the_functions_of_the_setting() -> None:
    stack = of_stack(Settings(reserved_concurrency={"StoreExport": 200}))

    assert stack.properties("Functions/StoreExport")["ReservedConcurrentExecutions"] == 200
    assert "ReservedConcurrentExecutions" not in stack.properties("Functions/PlanRun")
