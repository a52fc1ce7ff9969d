"""Today's stack is deployed over the template of an earlier version, and keeps its data.

``tests/upgrade/README.md`` describes the template and the state. This needs a local AWS of its own, so only
``make soak`` runs it.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exports.workflow.batch_state import Pending
from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.local.manual_calls import ManualCalls
from tests.local.print_live import PrintLive
from tests.local.service import Service
from tests.local.stack import Stack

pytestmark = pytest.mark.alone

RECORDED = Path(__file__).parents[1] / "upgrade"
STATE: Any = json.loads((RECORDED / "running_batch.json").read_text("utf-8"))
STACK = "DiscoveryExports"
"""The recorded template has names that depend on it."""
ASSETS = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
NOT_LOCAL = {"AWS::Athena::NamedQuery"}
"""Types that CloudFormation in the local AWS does not support."""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """With another stack of today's app, whose deployment uploads the code of the functions."""
    folder = tmp_path_factory.mktemp("upgrade")
    with LocalAws(folder / "aws", context={"stackId": "Another"}, bound=True) as aws:
        yield aws


@pytest.fixture(scope="module")
def before(aws: LocalAws) -> dict[str, str]:
    """The outputs of the recorded template, deployed with today's code under the keys of the recorded code."""
    template: Any = json.loads((RECORDED / "template.json").read_text("utf-8"))
    template["Resources"] = {
        name: each for name, each in template["Resources"].items() if each["Type"] not in NOT_LOCAL
    }
    for each in template["Resources"].values():
        # The local AWS replaces a table when a property changes. On AWS, these two change without interruption.
        for replica in each.get("Properties", {}).get("Replicas", ()):
            replica.pop("DeletionProtectionEnabled")
            each["Properties"]["TimeToLiveSpecification"] = {"AttributeName": "expiresAt", "Enabled": True}
    code = next(each for each in functions(Stack(aws).template()))["S3Key"]
    for key in {each["S3Key"] for each in functions(template)}:
        source: Any = {"Bucket": ASSETS, "Key": code}
        aws.client("s3").copy_object(Bucket=ASSETS, Key=key, CopySource=source)
    aws.client("s3").put_object(Bucket=ASSETS, Key="earlier.json", Body=json.dumps(template).encode())
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=f"{aws.instance.endpoint}/{ASSETS}/earlier.json",
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def functions(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The code of every function of a template."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            yield resource["Properties"]["Code"]


def test_deployment_over_an_earlier_version_keeps_the_data_and_continues_its_batches(
    aws: LocalAws, before: Mapping[str, str], tmp_path: Path, print_live: PrintLive
) -> None:
    earlier = Stack(aws, before)
    objects = {key: json.dumps(with_a_later_deadline(each)).encode() for key, each in STATE["objects"].items()}
    for key, body in objects.items():
        earlier.s3.put_object(Bucket=earlier.bucket, Key=key, Body=body)
    for item in STATE["rows"]:
        earlier.dynamodb.put_item(TableName=earlier.table, Item=item)
    rows = {row["exportId"]: row for row in earlier.rows()}

    aws.deploy_beside({"stackId": STACK}, tmp_path / "outputs.json")

    after = json.loads((tmp_path / "outputs.json").read_text())[STACK]
    stack = Stack(aws, after)
    assert {name: after[name] for name in ("BucketName", "TableName")} == {
        name: before[name] for name in ("BucketName", "TableName")
    }
    keys = stack.keys()
    assert dict(zip(keys, map(stack.body, keys), strict=True)) == objects
    assert {row["exportId"]: row for row in stack.rows()} == rows

    service = Service(aws, "unmarked")
    pending = [state for states in STATE["states"].values() for state in states if "pending" in state]
    exports = {each for state in pending for each in Pending.from_json(state).ids} - {"export-unlisted"}
    for export_id in exports:
        service.set_scenario(export_id, kind="agent")
    ManualCalls(aws, stack).settle(pending)
    run = stack.run(exportIds=sorted(exports))
    print_live(f"after the upgrade: {len(objects)} objects and {len(rows)} rows kept; the batches ended: {run.counts}")
    assert run.counts == {"STORED": len(exports)}


def with_a_later_deadline(document: dict[str, Any]) -> dict[str, Any]:
    """The recorded deadline has passed."""
    if "run" not in document:
        return document
    deadline = (datetime.now(UTC) + timedelta(hours=12)).isoformat()
    return {**document, "run": {**document["run"], "deadline": deadline}}
