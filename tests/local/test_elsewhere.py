"""A stack for the exports of another account and region; then destroyed, and deployed anew over what it kept."""

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


def test_exports_of_another_account_are_stored_by_a_role_and_outlive_their_stack(
    aws: LocalAws, service: Service, events: Inbox, messages: Inbox, tmp_path: Path
) -> None:
    """One test for all of it, since deploying takes long."""
    outputs, cloudformation = tmp_path / "outputs.json", cast("CloudFormationClient", aws.client("cloudformation"))
    stack = deployed(aws, CONTEXT, outputs)
    with service.behaving(home_region=f"{REGION},{HOME}"):
        export_id = service.has(kind="agent")
        refused = stack.run(exportIds=[export_id])
        with role_there(aws):
            taken = stack.run(exportIds=[export_id])
    assert_refused_by_name(refused, stack, export_id)
    assert taken.counts == {"STORED": 1}
    assert_whose_it_is(stack, export_id, events.of(export_id))
    assert messages.of(export_id) == [], "the other stack's topic is told of its own exports"

    told, flags = (
        retained_resources.list_retained(cloudformation, "Third"),
        retained_resources.reuse_flags(cloudformation, "Third"),
    )
    assert [kind for kind, _ in told] == ["AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket", "AWS::S3::Bucket"]
    assert {stack.bucket, stack.table} < {name for _, name in told}
    assert flags == f"-c bucketName={stack.bucket} -c tableName={stack.table}"

    aws.destroy_beside(CONTEXT)
    assert stack.manifest(export_id)
    assert stack.row(export_id)

    over = {"stackId": "Third", "bucketName": stack.bucket, "tableName": stack.table}
    anew = deployed(aws, over, outputs)
    gets, later_id = service.gets(export_id), service.has(kind="agent")
    again, later = anew.run(exportIds=[export_id]), anew.run(exportIds=[later_id])
    assert anew.resources("AWS::S3::Bucket") == anew.resources("AWS::DynamoDB::GlobalTable") == {}
    assert (again.counts, later.counts) == ({"STORED": 1}, {"STORED": 1})
    assert service.gets(export_id) == gets, "what the kept catalog holds as settled is not downloaded again"
    assert anew.manifest(later_id)["account"] == ACCOUNT
    aws.destroy_beside(over)


def assert_refused_by_name(run: Run, stack: Stack, export_id: str) -> None:
    """The reason is the error code alone; the log says what was refused."""
    assert (run.outcome(export_id), run.reason(export_id)) == ("NOT_STORED", "AccessDenied")
    assert any("role not taken" in message for _, message in stack.log_lines())


def assert_whose_it_is(stack: Stack, export_id: str, announced: list[dict[str, Any]]) -> None:
    """Key, manifest, row and events name the account and region of the export; the bucket is ours."""
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
def role_there(aws: LocalAws) -> Iterator[None]:
    """The role in the other account, which trusts the stack's account as long as it tells the external id."""
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
