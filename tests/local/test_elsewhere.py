"""A stack for the exports of another account and region; then destroyed, and deployed anew over what it kept."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra import kept
from local.aws import LocalAws
from local.environment import ACCOUNT
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Run, Stack

pytestmark = pytest.mark.alone

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


@dataclass(frozen=True)
class Elsewhere:
    """A run before the role was there, one after it, and one of the stack that was deployed over what this one kept."""

    export_id: str
    refused: Run
    logged: str
    taken: Run
    told: list[tuple[str, str]]
    flags: str
    stack: Stack
    anew: Stack
    asked_again: Run
    gets: int
    later_id: str
    later: Run


@pytest.fixture(scope="module")
def elsewhere(
    aws: LocalAws, service: Service, events: Inbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Elsewhere]:
    outputs = tmp_path_factory.mktemp("third") / "outputs.json"
    stack = deployed(aws, CONTEXT, outputs)
    cloudformation: Any = aws.client("cloudformation")
    told, flags = kept.kept(cloudformation, "Third"), kept.taking_up(cloudformation, "Third")
    with service.behaving(home_region=HOME):
        export_id = service.has(kind="agent")
        refused = stack.run(exportIds=[export_id])
        logged = "\n".join(message for _, message in stack.log_lines())
        with role_there(aws):
            taken = stack.run(exportIds=[export_id])
    aws.destroy_beside(CONTEXT)

    over = dict(each.split("=") for each in flags.split() if "=" in each)
    context = {"stackId": "Third", **over}
    anew = deployed(aws, context, outputs)
    gets, later_id = service.gets(export_id), service.has(kind="agent")
    asked_again, later = anew.run(exportIds=[export_id]), anew.run(exportIds=[later_id])
    yield Elsewhere(
        export_id=export_id,
        refused=refused,
        logged=logged,
        taken=taken,
        told=told,
        flags=flags,
        stack=stack,
        anew=anew,
        asked_again=asked_again,
        gets=service.gets(export_id) - gets,
        later_id=later_id,
        later=later,
    )
    aws.destroy_beside(context)


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


def test_without_the_role_nothing_is_described(elsewhere: Elsewhere) -> None:
    export_id = elsewhere.export_id

    assert (elsewhere.refused.outcome(export_id), elsewhere.refused.reason(export_id)) == ("NOT_STORED", "AccessDenied")
    assert "AssumeRole" in elsewhere.logged


def test_keys_rows_manifests_and_events_say_whose_export_it_is(elsewhere: Elsewhere, events: Inbox) -> None:
    export_id, stack = elsewhere.export_id, elsewhere.anew

    manifest, row = stack.manifest(export_id), stack.row(export_id) or {}
    not_stored, stored = events.of(export_id)

    assert elsewhere.taken.counts == {"STORED": 1}
    assert manifest["raw"]["key"].startswith(f"raw/{THEIRS}/{HOME}/")
    assert (manifest["account"], manifest["region"]) == (THEIRS, HOME)
    assert (row["accountId"], row["region"]) == (THEIRS, HOME)
    for event in (not_stored, stored):
        metadata = event["detail"]["metadata"]
        assert (metadata["account"], metadata["region"]) == (THEIRS, HOME)
    assert stack.s3.head_object(Bucket=stack.bucket, Key=manifest["raw"]["key"], ExpectedBucketOwner=ACCOUNT)


def test_what_destroying_keeps_is_told_by_name(elsewhere: Elsewhere) -> None:
    named = {name for _, name in elsewhere.told}

    assert {kind for kind, _ in elsewhere.told} == {"AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket"}
    assert len(elsewhere.told) == 3, "the bucket, the bucket of its access logs, the catalog"
    assert {elsewhere.stack.bucket, elsewhere.stack.table} < named
    assert elsewhere.flags == f"-c bucketName={elsewhere.stack.bucket} -c tableName={elsewhere.stack.table}"


def test_another_stack_takes_up_what_was_kept(elsewhere: Elsewhere) -> None:
    stack, anew = elsewhere.stack, elsewhere.anew

    assert (anew.bucket, anew.table) == (stack.bucket, stack.table)
    assert anew.resources("AWS::S3::Bucket") == anew.resources("AWS::DynamoDB::GlobalTable") == {}
    assert elsewhere.asked_again.outcome(elsewhere.export_id) == "STORED"
    assert elsewhere.gets == 0, "what the kept catalog holds as settled is not downloaded again"
    assert elsewhere.later.counts == {"STORED": 1}
    assert anew.manifest(elsewhere.later_id)["account"] == ACCOUNT
