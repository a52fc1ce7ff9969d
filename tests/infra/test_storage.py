"""The bucket and the catalog are protected from loss and from unauthorized access."""

from typing import Any

import pytest

from infra.settings.settings import Settings
from tests.infra.synthesis import of_stack
from tests.infra.template import Template

BUCKETS = ["Storage/Bucket", "Storage/AccessLogs"]


@pytest.mark.parametrize("name", [*BUCKETS, *(f"{name}/Policy" for name in BUCKETS), "Storage/Catalog"])
def test_data_and_its_protection_outlive_the_stack(template: Template, name: str) -> None:
    resource = template.resource(name)

    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_block_public_access(template: Template, name: str) -> None:
    properties = template.properties(name)

    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_encrypted(template: Template, name: str) -> None:
    (rule,) = template.properties(name)["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.mark.parametrize("name", BUCKETS)
@pytest.mark.parametrize(
    "condition",
    [{"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": 1.2}}],
    ids=["without TLS", "with old TLS"],
)
def test_buckets_deny_requests(template: Template, name: str, condition: dict[str, Any]) -> None:
    statements = template.properties(f"{name}/Policy")["PolicyDocument"]["Statement"]
    (denied,) = (statement for statement in statements if statement.get("Condition") == condition)

    assert (denied["Effect"], denied["Action"], denied["Principal"]) == ("Deny", "s3:*", {"AWS": "*"})
    assert [template.text(resource) for resource in denied["Resource"]] == [f"<{name}.Arn>", f"<{name}.Arn>/*"]


def test_attack_04_items_of_exports_that_were_not_found_expire(template: Template) -> None:
    assert template.properties("Storage/Catalog")["TimeToLiveSpecification"] == {
        "AttributeName": "expiresAt",
        "Enabled": True,
    }


def test_bucket_keeps_versions(template: Template) -> None:
    assert template.properties("Storage/Bucket")["VersioningConfiguration"] == {"Status": "Enabled"}


def test_access_logs_go_to_a_bucket_that_accepts_no_other_logs(template: Template) -> None:
    logging = template.properties("Storage/Bucket")["LoggingConfiguration"]
    statements = template.properties("Storage/AccessLogs/Policy")["PolicyDocument"]["Statement"]
    (allowed,) = (statement for statement in statements if statement["Effect"] == "Allow")

    assert template.text(logging["DestinationBucketName"]) == "<Storage/AccessLogs>"
    assert allowed["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert template.text(allowed["Condition"]["ArnLike"]["aws:SourceArn"]) == "<Storage/Bucket.Arn>"
    assert template.text(allowed["Condition"]["StringEquals"]["aws:SourceAccount"]) == "<AWS::AccountId>"


def test_only_temporary_objects_expire_by_default(template: Template) -> None:
    rules = template.properties("Storage/Bucket")["LifecycleConfiguration"]["Rules"]

    assert {rule["Id"]: (rule.get("Prefix"), rule.get("ExpirationInDays")) for rule in rules} == {
        "Tidying": (None, None),
        "ExpiringWork": ("work/", 30),
        "ExpiringQueries": ("queries/", 30),
        "ExpiringPages": ("status/", None),
    }
    assert rules[0]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_earlier_status_pages_expire_after_a_day(template: Template) -> None:
    rules = template.properties("Storage/Bucket")["LifecycleConfiguration"]["Rules"]
    (rule,) = (rule for rule in rules if rule.get("Prefix") == "status/")

    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert rule["Status"] == "Enabled"
    assert "ExpirationInDays" not in rule


def test_retention_settings_are_applied() -> None:
    template = of_stack(
        Settings(raw_retention_days=30, data_retention_days=400, noncurrent_days=7, log_retention_days=365)
    )

    rules = template.properties("Storage/Bucket")["LifecycleConfiguration"]["Rules"]

    expiring = {rule.get("Prefix"): rule.get("ExpirationInDays") for rule in rules}
    assert expiring == {
        None: None,
        "work/": 30,
        "queries/": 30,
        "status/": None,
        "raw/": 30,
        "data/": 400,
        "tables/": 400,
    }
    assert rules[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert {log["Properties"]["RetentionInDays"] for log in template.of_type("AWS::Logs::LogGroup").values()} == {365}


def test_catalog_has_point_in_time_recovery(template: Template) -> None:
    (replica,) = template.properties("Storage/Catalog")["Replicas"]

    assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_catalog_can_be_deleted_when_the_first_deployment_is_rolled_back(template: Template) -> None:
    (replica,) = template.properties("Storage/Catalog")["Replicas"]

    assert not replica.get("DeletionProtectionEnabled")


def test_catalog_has_the_keys_that_readers_use(template: Template) -> None:
    properties = template.properties("Storage/Catalog")
    (index,) = properties["GlobalSecondaryIndexes"]

    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert keys(properties) == {"HASH": "exportId"}
    assert index["IndexName"] == "ByStatus"
    assert keys(index) == {"HASH": "status", "RANGE": "firstSeenAt"}


def keys(schema: dict[str, Any]) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in schema["KeySchema"]}
