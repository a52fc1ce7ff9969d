"""The construct in a user's stack, with an existing bucket, table, key, bus and topic."""

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns

from infra.discovery_exports import DiscoveryExports
from infra.settings.rules import SettingsError
from infra.settings.settings import Settings
from tests.infra.synthesis import synthesized
from tests.infra.template import Template


def in_user_stack(app: App) -> Stack:
    stack = Stack(app, "Theirs")
    DiscoveryExports(
        stack,
        "Exports",
        bucket=s3.Bucket.from_bucket_name(stack, "Bucket", "their-bucket"),
        table=dynamodb.Table.from_table_name(stack, "Table", "their-table"),
        key=kms.Key(stack, "Key"),
        bus=events.EventBus(stack, "Bus"),
        topic=sns.Topic(stack, "Topic"),
        settings=Settings(store_concurrency=3),
    )
    return stack


@pytest.fixture(scope="module")
def template() -> Template:
    return synthesized(in_user_stack)


def test_subnets_and_security_groups_need_a_vpc() -> None:
    stack = Stack(App(), "Theirs")

    with pytest.raises(SettingsError, match="vpc: is needed with vpc_subnets and security_groups"):
        DiscoveryExports(stack, "Exports", vpc_subnets=ec2.SubnetSelection())


def test_existing_resources_are_not_created(template: Template) -> None:
    assert not template.of_type("AWS::S3::Bucket")
    assert not template.of_type("AWS::DynamoDB::GlobalTable")
    assert list(template.of_type("AWS::SNS::Topic")) == ["Theirs/Topic"]


def test_permissions_are_for_the_existing_resources(template: Template) -> None:
    allowed = template.permissions("Functions/StoreExportRole")

    assert "s3:PutObject on arn:<AWS::Partition>:s3:::their-bucket/raw/*" in allowed
    assert any(line.startswith("kms:GenerateDataKey on <Theirs/Key.Arn> if ") for line in allowed)
    assert any(line.startswith("dynamodb:UpdateItem on") and line.endswith(":table/their-table") for line in allowed)
    assert any(line.startswith("events:PutEvents on <Theirs/Bus.Arn>") for line in allowed)
    assert [line.partition(" if ")[0] for line in template.permissions("Announcements/Publisher")] == [
        "kms:Decrypt on <Theirs/Key.Arn>",
        "kms:GenerateDataKey on <Theirs/Key.Arn>",
        "sns:Publish on <Theirs/Topic>",
    ]


def test_functions_have_the_names_of_the_existing_resources(template: Template) -> None:
    variables = template.properties("Functions/StoreExport")["Environment"]["Variables"]

    assert (variables["BUCKET_NAME"], variables["TABLE_NAME"]) == ("their-bucket", "their-table")
    assert template.text(variables["EVENT_BUS_NAME"]) == "<Theirs/Bus>"


def test_settings_reach_the_workflow(template: Template) -> None:
    batch = template.definition()["States"]["Settle each batch"]["ItemProcessor"]

    assert batch["States"]["Store each export"]["MaxConcurrency"] == 3


def test_rule_is_on_the_existing_bus(template: Template) -> None:
    assert template.text(template.properties("Announcements/NotStored")["EventBusName"]) == "<Theirs/Bus>"
