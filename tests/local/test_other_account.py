"""A stack for the exports of another account and Region, destroyed and deployed again over its retained data."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Run, Stack
from tools import retained_resources

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

THEIRS = "111122223333"
HOME = "eu-central-1"
ROLE = "exports-reader"
EXTERNAL_ID = "wave-2026"
CONTEXT = {
    "stackId": "Third",
    "discoveryRoleArn": f"arn:aws:iam::{THEIRS}:role/{ROLE}",
    "discoveryExternalId": EXTERNAL_ID,
    "discoveryRegion": HOME,
}


def test_exports_of_another_account_are_stored_with_a_role_and_outlive_the_stack(
    aws: LocalAws, service: Service, events: Inbox, messages: Inbox, tmp_path: Path
) -> None:
    """One test for all of it, because a deployment takes long."""
    outputs, cloudformation = tmp_path / "outputs.json", cast("CloudFormationClient", aws.client("cloudformation"))
    stack = deployed(aws, CONTEXT, outputs)
    with service.with_settings(home_region=f"{REGION},{HOME}"):
        export_id = service.has(kind="agent")
        denied = stack.run(exportIds=[export_id])
        with role_in_other_account(aws):
            allowed = stack.run(exportIds=[export_id])
    assert_access_denied(denied, stack, export_id)
    assert allowed.counts == {"STORED": 1}
    assert_account_and_region(stack, export_id, events.of(export_id))
    assert messages.of(export_id) == [], "the topic of the other stack gets only its own exports"

    retained, flags = (
        retained_resources.list_retained(cloudformation, "Third"),
        retained_resources.reuse_flags(cloudformation, "Third"),
    )
    assert [kind.removeprefix("AWS::") for kind, _ in retained] == [
        "DynamoDB::GlobalTable",
        *["S3::Bucket"] * 2,
        *["S3::BucketPolicy"] * 2,
    ]
    assert {stack.bucket, stack.table} < {name for _, name in retained}
    assert flags == f"-c bucketName={stack.bucket} -c tableName={stack.table}"

    aws.destroy_beside(CONTEXT)
    policy = aws.client("s3").get_bucket_policy(Bucket=stack.bucket)["Policy"]
    assert "aws:SecureTransport" in policy, "the retained bucket denies requests without TLS"
    assert stack.manifest(export_id)
    assert stack.row(export_id)

    over = {"stackId": "Third", "bucketName": stack.bucket, "tableName": stack.table}
    redeployed = deployed(aws, over, outputs)
    gets, later_id = service.gets(export_id), service.has(kind="agent")
    again, later = redeployed.run(exportIds=[export_id]), redeployed.run(exportIds=[later_id])
    assert redeployed.resources("AWS::S3::Bucket") == redeployed.resources("AWS::DynamoDB::GlobalTable") == {}
    assert (again.counts, later.counts) == ({"STORED": 1}, {"STORED": 1})
    assert service.gets(export_id) == gets, "exports that are settled in the retained catalog are not downloaded again"
    assert redeployed.manifest(later_id)["account"] == ACCOUNT
    # Without the CDK, which would synthesize the app once more.
    cloudformation.delete_stack(StackName="Third")


def assert_access_denied(run: Run, stack: Stack, export_id: str) -> None:
    """The reason is only the error code; the log has the denied call."""
    assert (run.outcome(export_id), run.reason(export_id)) == ("NOT_STORED", "AccessDenied")
    assert any("AssumeRole failed" in message for _, message in stack.log_lines())


def assert_account_and_region(stack: Stack, export_id: str, announced: list[dict[str, Any]]) -> None:
    """Key, manifest, catalog item and events have the account and Region of the export, but not the bucket."""
    manifest, row = stack.manifest(export_id), stack.row(export_id) or {}
    key = manifest["raw"]["key"]
    assert key.startswith(f"raw/{THEIRS}/{HOME}/")
    assert (manifest["account"], manifest["region"]) == (row["accountId"], row["region"]) == (THEIRS, HOME)
    assert [event["detail-type"] for event in announced] == ["Export Not Stored", "Export Stored"]
    for event in announced:
        assert event["resources"] == [stack.table_arn]
        metadata = event["detail"]["metadata"]
        assert (metadata["account"], metadata["region"]) == (THEIRS, HOME)
    assert stack.s3.head_object(Bucket=stack.bucket, Key=key, ExpectedBucketOwner=ACCOUNT)


def deployed(aws: LocalAws, context: Mapping[str, str], outputs: Path) -> Stack:
    aws.deploy_beside(context, outputs)
    return Stack(aws, json.loads(outputs.read_text())["Third"])


@contextmanager
def role_in_other_account(aws: LocalAws) -> Iterator[None]:
    """The role in the other account, which trusts the stack's account if the request has the external id."""
    iam: Any = aws.client("iam", account=THEIRS)
    trusted = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
    trust = {"Version": "2012-10-17", "Statement": [trusted]}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    try:
        yield
    finally:
        iam.delete_role(RoleName=ROLE)
