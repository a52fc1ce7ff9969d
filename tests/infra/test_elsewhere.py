"""Exports of another account or Region: permissions, and settings that cannot be combined with it."""

from typing import Any

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_s3 as s3

from infra.discovery_exports import DiscoveryExports
from infra.settings.rules import SettingsError
from infra.settings.settings import HOME_REGIONS, Existing, Settings
from tests.infra.synthesis import KEY_ARN, of_stack
from tests.infra.template import Template

THEIRS, OURS = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{THEIRS}:role/exports-reader"
CALLING = ["PlanRun", "CheckExports", "StoreExport"]
EXISTING = Existing(
    bucket_name="our-bucket",
    table_name="our-table",
    key_arn=f"arn:aws:kms:us-east-1:{OURS}:key/0a1b",
    bus_name="our-bus",
    topic_arn=f"arn:aws:sns:us-east-1:{OURS}:our-topic",
)


@pytest.fixture(scope="module")
def elsewhere() -> Template:
    settings = Settings(discovery_role_arn=ROLE, discovery_external_id="wave-2026", discovery_region="eu-central-1")
    return of_stack(settings, existing=EXISTING)


@pytest.mark.parametrize("function", CALLING)
def test_functions_that_call_the_service_may_only_assume_the_role(elsewhere: Template, function: str) -> None:
    allowed = elsewhere.permissions(f"Functions/{function}Role")

    assert [line for line in allowed if line.startswith("sts:")] == [f"sts:AssumeRole on {ROLE}"]
    assert not [line for line in allowed if line.startswith("discovery:")]


def test_no_other_role_may_assume_it(elsewhere: Template) -> None:
    assuming = [name for name in elsewhere.of_type("AWS::IAM::Role") if "sts:" in str(elsewhere.permissions(name))]

    assert sorted(assuming) == sorted(f"Functions/{function}Role" for function in CALLING)


def test_functions_have_the_account_and_region_of_the_exports(elsewhere: Template) -> None:
    variables = elsewhere.properties("Functions/StoreExport")["Environment"]["Variables"]

    assert variables["DISCOVERY_ACCOUNT_ID"] == THEIRS
    assert variables["DISCOVERY_REGION"] == "eu-central-1"
    assert (variables["DISCOVERY_ROLE_ARN"], variables["DISCOVERY_EXTERNAL_ID"]) == (ROLE, "wave-2026")
    assert variables["ACCOUNT_ID"] == {"Ref": "AWS::AccountId"}, "the owner of the bucket"


def test_without_a_role_the_exports_are_those_of_the_stacks_account(template: Template) -> None:
    variables = template.properties("Functions/StoreExport")["Environment"]["Variables"]

    assert variables["DISCOVERY_ACCOUNT_ID"] == {"Ref": "AWS::AccountId"}
    assert variables["DISCOVERY_REGION"] == {"Ref": "AWS::Region"}
    assert not {"DISCOVERY_ROLE_ARN", "DISCOVERY_EXTERNAL_ID"} & variables.keys()


def create(env: Environment | None = None, **settings: Any) -> None:
    DiscoveryExports(Stack(App(), "Stack", env=env), "Exports", settings=Settings(**settings))


@pytest.mark.parametrize(
    ("account", "region", "settings"),
    [
        (None, None, {"discovery_role_arn": ROLE}),
        (None, None, {"discovery_region": "eu-central-1"}),
        (OURS, "eu-central-1", {"discovery_role_arn": ROLE}),
        (OURS, "us-east-1", {"discovery_region": "eu-central-1"}),
        (OURS, "us-east-1", {"discovery_region": "eu-central-1", "discovery_role_arn": ROLE}),
    ],
)
def test_trigger_is_rejected_if_the_exports_may_be_in_another_account_or_region(
    account: str | None, region: str | None, settings: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError) as rejected:
        create(Environment(account=account, region=region), cloud_trail_trigger=True, **settings)

    assert list(rejected.value.faults) == ["cloudTrailTrigger"]
    for name in settings:
        assert {"discovery_role_arn": "discoveryRoleArn", "discovery_region": "discoveryRegion"}[name] in str(
            rejected.value
        )


def test_trigger_is_accepted_in_the_account_and_region_of_the_exports() -> None:
    there = Environment(account=THEIRS, region="eu-central-1")

    create(there, cloud_trail_trigger=True, discovery_role_arn=ROLE, discovery_region="eu-central-1")


def test_home_region_is_required_in_a_region_without_the_service() -> None:
    with pytest.raises(SettingsError, match="discoveryRegion: is needed: the service is not in eu-north-1"):
        create(Environment(region="eu-north-1"))
    create(Environment(region="eu-north-1"), discovery_region="eu-central-1")


def test_a_stack_without_a_region_can_only_be_deployed_in_regions_of_the_service(template: Template) -> None:
    (rule,) = (each for name, each in template.document["Rules"].items() if "HomeRegion" in name)

    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [list(HOME_REGIONS), {"Ref": "AWS::Region"}]}
    assert assertion["AssertDescription"].startswith("discoveryRegion is needed")


def test_a_stack_for_the_exports_of_another_region_can_be_deployed_in_any_region(elsewhere: Template) -> None:
    assert not [name for name in elsewhere.document["Rules"] if "HomeRegion" in name]


# Existing resources, by name


def test_named_resources_are_not_created(elsewhere: Template) -> None:
    types = (
        "AWS::S3::Bucket",
        "AWS::DynamoDB::GlobalTable",
        "AWS::KMS::Key",
        "AWS::Events::EventBus",
        "AWS::SNS::Topic",
    )

    assert not [name for kind in types for name in elsewhere.of_type(kind)]


def test_functions_and_rule_use_the_named_resources(elsewhere: Template) -> None:
    variables = elsewhere.properties("Functions/StoreExport")["Environment"]["Variables"]
    (target,) = elsewhere.properties("Announcements/NotStored")["Targets"]

    assert (variables["BUCKET_NAME"], variables["TABLE_NAME"]) == ("our-bucket", "our-table")
    assert variables["EVENT_BUS_NAME"] == elsewhere.properties("Announcements/NotStored")["EventBusName"] == "our-bus"
    assert target["Arn"] == EXISTING.topic_arn


def test_functions_and_publisher_may_use_the_named_key(elsewhere: Template) -> None:
    assert allowed_without_conditions(elsewhere, "Functions/StoreExportRole", "kms") == {
        f"kms:{action} on {EXISTING.key_arn}" for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey")
    }
    assert allowed_without_conditions(elsewhere, "Announcements/Publisher", "kms") == {
        f"kms:{action} on {EXISTING.key_arn}" for action in ("Decrypt", "GenerateDataKey")
    }
    assert f"sns:Publish on {EXISTING.topic_arn}" in elsewhere.permissions("Announcements/Publisher")


def allowed_without_conditions(template: Template, role: str, service: str) -> set[str]:
    lines = template.permissions(role)
    return {line.partition(" if ")[0] for line in lines if line.startswith(f"{service}:")}


def test_created_resources_are_encrypted_with_the_named_key(everything: Template) -> None:
    (rule,) = everything.properties("Storage/Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (replica,) = everything.properties("Storage/Catalog")["Replicas"]
    assert rule["ServerSideEncryptionByDefault"] == {"KMSMasterKeyID": KEY_ARN, "SSEAlgorithm": "aws:kms"}
    assert replica["SSESpecification"]["KMSMasterKeyId"] == KEY_ARN
    assert everything.properties("Announcements/Topic")["KmsMasterKeyId"] == KEY_ARN


def test_retention_of_objects_is_rejected_for_an_existing_bucket() -> None:
    stack = Stack(App(), "Stack")
    bucket = s3.Bucket.from_bucket_name(stack, "Bucket", "our-bucket")

    with pytest.raises(SettingsError, match="rawRetentionDays"):
        DiscoveryExports(stack, "Exports", bucket=bucket, settings=Settings(raw_retention_days=365))


def test_two_stacks_share_no_physical_name(template: Template) -> None:
    one, two = named(template), named(of_stack(Settings(), stack_id="Second"))

    assert one.keys() == two.keys() == {"Tables/Database", "Tables/WorkGroup", "Watching/Dashboard", "Workflow/Logs"}
    assert not set(one.values()) & set(two.values())


def named(template: Template) -> dict[str, str]:
    """Resources with a physical name in the template. CloudFormation generates all others from the name of the stack.

    Names of Glue tables are unique in their database, of queries in their work group, of policies in their role.
    """
    inputs = {"AWS::Glue::Database": "DatabaseInput"}
    names: dict[str, str] = {}
    for name, resource in ((name, each) for kind in kinds(template) for name, each in template.of_type(kind).items()):
        properties = resource.get("Properties", {})
        properties = properties.get(inputs.get(resource["Type"], ""), properties)
        for key, value in properties.items():
            if key == "Name" or (key.endswith("Name") and key.removesuffix("Name") in resource["Type"]):
                names[name] = template.text(value)
    return names


def kinds(template: Template) -> set[str]:
    return {each["Type"] for each in template.document["Resources"].values()} - {
        "AWS::CDK::Metadata",
        "AWS::Athena::NamedQuery",
        "AWS::IAM::Policy",
    }
