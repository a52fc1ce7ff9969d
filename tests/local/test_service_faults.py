"""Faults that affect all runs, so that each of these tests runs alone."""

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
def without_permission(stack: Stack, action: str, *, of: str) -> Iterator[None]:
    """Remove the action from the role of the function during the block."""
    role = stack.role_of(of)
    (policy,) = stack.iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = stack.iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    assert action in json.dumps(document)
    statements = [{**each, "Action": without(action, each["Action"])} for each in document["Statement"]]
    reduced = {**document, "Statement": [each for each in statements if each["Action"]]}
    stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(reduced))
    try:
        yield
    finally:
        stack.iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def without(action: str, actions: str | list[str]) -> list[str]:
    return [each for each in ([actions] if isinstance(actions, str) else actions) if each != action]


def test_fault_30_a_missing_permission_is_reported_and_exports_are_stored_once_it_is_granted(
    stack: Stack, service: Service, events: Inbox, messages: Inbox
) -> None:
    export_ids = service.has_many(2, kind="agent")

    with without_permission(stack, "s3:PutObject", of="StoreExport"):
        denied = stack.run(exportIds=export_ids)
    repeated = stack.run(exportIds=export_ids)

    assert (denied.status, denied.error) == ("FAILED", "ExportsNotStored")
    assert json.loads(denied.cause or "") == {
        "counts": {"NOT_STORED": 2},
        "report": stack.uri(f"runs/{denied.name}.json"),
    }
    for export_id in export_ids:
        assert (denied.outcome(export_id), denied.reason(export_id)) == ("NOT_STORED", "AccessDenied")
        assert repeated.outcome(export_id) == "STORED"
        assert [event["detail-type"] for event in events.of(export_id)] == ["Export Not Stored", "Export Stored"]
        (message,) = messages.of(export_id)
        assert message["detail"] == events.of(export_id)[0]["detail"]
        assert message["detail"]["data"] == {
            "exportId": export_id,
            "outcome": "NOT_STORED",
            "reason": "AccessDenied",
            "statusMessage": "SUCCEEDED",
        }
    assert repeated.status == "SUCCEEDED"
    assert "reason" not in (stack.row(export_ids[0]) or {})


def test_a_missing_permission_is_not_retried(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="agent")

    with without_permission(stack, "s3:PutObject", of="StoreExport"):
        run = stack.run(exportIds=[export_id], onFailure="report")

    failed = [event for each in stack.history(run.arn) for event in each.events if event["type"] == "TaskFailed"]
    assert (run.status, run.outcome(export_id)) == ("SUCCEEDED", "NOT_STORED")
    assert failed == []
    assert stack.manifest(export_id) is None
    stack.run(exportIds=[export_id])


def test_fault_17_a_missing_home_region_is_the_reason(stack: Stack, service: Service) -> None:
    export_id = service.has(kind="ec2-recommendations")

    with service.with_settings(home_region="eu-central-1"):
        run = stack.run(exportIds=[export_id])
    repeated = stack.run(exportIds=[export_id])

    assert (run.outcome(export_id), run.reason(export_id)) == ("NOT_STORED", "HomeRegionNotSetException")
    assert repeated.outcome(export_id) == "STORED"
