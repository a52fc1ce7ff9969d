"""Trouble that touches everybody, so each of these tests runs alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Stack

pytestmark = pytest.mark.alone


@contextmanager
def taken_away(stack: Stack, action: str, *, of: str) -> Iterator[None]:
    """The function's role may not do the action for the block."""
    role = stack.role_of(of)
    (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    assert action in json.dumps(document)
    statements = [{**each, "Action": without(action, each["Action"])} for each in document["Statement"]]
    less = {**document, "Statement": [each for each in statements if each["Action"]]}
    stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(less))
    try:
        yield
    finally:
        stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def without(action: str, actions: str | list[str]) -> list[str]:
    return [each for each in ([actions] if isinstance(actions, str) else actions) if each != action]


def test_fault_30_a_permission_that_is_missing_is_reported_and_mended_by_giving_it_back(
    stack: Stack, service: Service, events: Inbox, messages: Inbox
) -> None:
    export_ids = service.has_many(2, kind="agent")

    with taken_away(stack, "s3:PutObject", of="StoreExport"):
        refused = stack.run(exportIds=export_ids)
    mended = stack.run(exportIds=export_ids)

    assert (refused.status, refused.error) == ("FAILED", "ExportsNotStored")
    assert json.loads(refused.cause or "") == {
        "counts": {"NOT_STORED": 2},
        "report": stack.uri(f"runs/{refused.name}.json"),
    }
    for export_id in export_ids:
        assert (refused.outcome(export_id), refused.reason(export_id)) == ("NOT_STORED", "AccessDenied")
        assert mended.outcome(export_id) == "STORED"
        assert [event["detail-type"] for event in events.of(export_id)] == ["Export Not Stored", "Export Stored"]
        (message,) = messages.of(export_id)
        assert message["detail"] == events.of(export_id)[0]["detail"]
        assert message["detail"]["data"] == {
            "exportId": export_id,
            "outcome": "NOT_STORED",
            "reason": "AccessDenied",
            "statusMessage": "SUCCEEDED",
        }
    assert mended.status == "SUCCEEDED"
    assert "reason" not in (stack.row(export_ids[0]) or {})


def test_a_permission_that_is_missing_ends_the_export_at_once(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent")

    with taken_away(stack, "s3:PutObject", of="StoreExport"):
        run = stack.run(exportIds=[export_id], onFailure="report")

    failed = [event for each in stack.history(run.arn) for event in each.events if event["type"] == "TaskFailed"]
    assert (run.status, run.outcome(export_id)) == ("SUCCEEDED", "NOT_STORED")
    assert failed == []
    assert stack.manifest(export_id) is None
    stack.run(exportIds=[export_id])


def test_fault_17_an_account_without_a_home_region_is_told_so(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="ec2-recommendations")

    with service.behaving(home_region="eu-central-1"):
        run = stack.run(exportIds=[export_id])
    mended = stack.run(exportIds=[export_id])

    assert (run.outcome(export_id), run.reason(export_id)) == ("NOT_STORED", "HomeRegionNotSetException")
    assert mended.outcome(export_id) == "STORED"
