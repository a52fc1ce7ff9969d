"""No role holds more than it takes: without any one of its actions, something that ought to come out does not.

Half a minute for each action, so only ``make soak`` runs this.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from local.aws import LocalAws
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Stack
from tests.local.storms import storing_with
from tests.local.waiting import NeverHappened

pytestmark = pytest.mark.alone

MB = 1_000_000
FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
NOT_JUDGED = ("logs:", "kms:", "discovery:")
"""What the local AWS does not judge; the double of the service is no part of it."""
BY_TEMPLATE_ALONE = {
    ("StoreExport", "s3:DeleteObject", "data/*"),
    ("StoreExport", "s3:DeleteObject", "work/*"),
    ("StoreExport", "s3:AbortMultipartUpload", "raw/*"),
    ("StoreExport", "s3:AbortMultipartUpload", "data/*"),
    ("StoreExport", "s3:AbortMultipartUpload", "work/*"),
    ("StoreExport", "s3:ListMultipartUploadParts", "work/*"),
    ("CheckExports", "events:PutEvents", ""),
    ("StoreExport", "events:PutEvents", ""),
    ("ReportRun", "events:PutEvents", ""),
    ("ReportRun", "dynamodb:UpdateItem", ""),
    ("StoreExport", "s3:GetObject", "data/*"),
    ("StoreExport", "s3:GetObject", "tables/*"),
    ("StoreExport", "s3:DeleteObject", "tables/*"),
    ("StoreExport", "s3:AbortMultipartUpload", "tables/*"),
}
"""What only a rejection in the middle of unpacking, a lost race or a kill needs, or what another function makes up for
(an event that one cannot put is put by the next): unit tests show these calls."""

Action = tuple[str, str, str]
"""Function, action, and the end of the resource's ARN that tells it from others."""


@contextmanager
def without(stack: Stack, removed: Action) -> Iterator[None]:
    """The function's role lacks the action on that resource for the block."""
    function, action, place = removed
    role = stack.role_of(function)
    (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    less = {**document, "Statement": [each for each in single(document) if not is_removed(each, action, place)]}
    assert len(less["Statement"]) < len(single(document))
    stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(less))
    try:
        yield
    finally:
        stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def single(document: Any) -> list[dict[str, Any]]:
    """The policy's statements, each for one action on one resource."""
    return [
        {**statement, "Action": action, "Resource": resource}
        for statement in document["Statement"]
        for action in many(statement["Action"])
        for resource in many(statement["Resource"])
    ]


def is_removed(statement: Mapping[str, Any], action: str, place: str) -> bool:
    return statement["Action"] == action and place == place_of(statement["Resource"])


def place_of(resource: str) -> str:
    """``raw/*`` of a bucket's ARN, and nothing of others."""
    return resource.partition("/")[2] if resource.startswith("arn:aws:s3:") else ""


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def held(stack: Stack) -> list[Action]:
    """Every action that a function's role holds and the local AWS judges."""
    found: set[Action] = set()
    for function in FUNCTIONS:
        role = stack.role_of(function)
        (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for statement in single(document):
            if not statement["Action"].startswith(NOT_JUDGED):
                found.add((function, statement["Action"], place_of(statement["Resource"])))
    return sorted(found - BY_TEMPLATE_ALONE)


@pytest.fixture
def everything(aws: LocalAws, stack: Stack, service: Service, events: Inbox) -> Callable[[], bool]:
    """A day of the workflow: whether all of it came out as it ought to."""

    def day() -> bool:
        plain, nested = service.has(kind="agent"), service.has(kind="agent", container="nested", min_bytes=9 * MB)
        large = service.has(kind="agent", min_bytes=24 * MB, compression="stored")
        slow, failed = service.has(in_progress_seconds=2), service.has(outcome="FAILED")
        with storing_with(aws, stack, MAX_FILES="3"):
            refused = stack.start({"exportIds": [plain], "onFailure": "report"})
            rejected = stack.ended(refused, seconds=60)
        with storing_with(aws, stack, SLICE_BYTES=str(8 * MB)):
            asked = {"exportIds": [plain, nested, large, slow, failed], "onFailure": "report"}
            run = stack.ended(stack.start(asked), seconds=120)
        sweep = stack.ended(stack.start({}), seconds=60)
        return (
            bool(rejected.report and run.report and sweep.report)
            and dict(rejected.counts) == {"REJECTED": 1}
            and dict(run.counts) == {"STORED": 4, "FAILED": 1}
            and sweep.output["requested"] == 0
            and all(len(events.of(export_id)) == 1 for export_id in (nested, large, slow, failed))
            and not stack.s3.list_multipart_uploads(Bucket=stack.bucket).get("Uploads")
        )

    return day


def test_every_action_is_needed(
    stack: Stack, everything: Callable[[], bool], capsys: pytest.CaptureFixture[str]
) -> None:
    tried = held(stack)
    stack.run()
    assert everything(), "with all of them it comes out"

    unneeded = []
    for action in tried:
        with without(stack, action):
            try:
                came_out = everything()
            except (AssertionError, NeverHappened, KeyError, TypeError):
                came_out = False
        if came_out:
            unneeded.append(action)
        with capsys.disabled():
            print(f"\nwithout {' '.join(action)}: {'all came out' if came_out else 'missed'}", flush=True)
        stack.ended(stack.start({"deadlineMinutes": 1}), seconds=120)

    assert unneeded == []
    assert tried
