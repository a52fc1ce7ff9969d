"""What ``make destroy`` prints before it deletes the stack."""

import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from tools import retained_resources

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class FakeCloudFormation:
    """A deployed stack with one resource for each deletion policy; None means that the template has none."""

    def __init__(self, *policies: str | None) -> None:
        self._policies = policies

    def get_template(self, **_: str) -> Any:
        resources = {f"{each}": {"DeletionPolicy": each} if each else {} for each in self._policies}
        return {"TemplateBody": {"Resources": resources}}

    def get_paginator(self, _: str) -> "FakeCloudFormation":
        return self

    def paginate(self, **_: str) -> Any:
        for each in self._policies:
            summary = {"LogicalResourceId": f"{each}", "ResourceType": "Type", "PhysicalResourceId": f"with {each}"}
            yield {"StackResourceSummaries": [summary]}


def test_resources_with_either_policy_that_retains_them_are_listed() -> None:
    """Retain is the policy of stacks that an earlier version deployed."""
    deployed = cast("CloudFormationClient", FakeCloudFormation("Delete", "Retain", "RetainExceptOnCreate", None))

    retained = retained_resources.list_retained(deployed, "Ours")

    assert retained == [("Type", "with Retain"), ("Type", "with RetainExceptOnCreate")]


def test_without_a_region_the_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(sys, "argv", ["retained_resources", "-c", "stackId=Ours"])

    with pytest.raises(SystemExit, match=r"^The retained resources of stack Ours cannot be listed: .*region"):
        retained_resources.main()
