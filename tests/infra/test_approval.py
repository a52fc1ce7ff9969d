"""The page for reviewers says what the template says, and the policies for a deployment fit the template."""

import json
from pathlib import Path

from tests.infra import approval
from tests.infra.template import Template, many

OUT_OF_DATE = f"run: {approval.COMMAND}"


def test_the_page_lists_the_roles_and_resources_of_the_template(
    template: Template, collecting: Template, everything: Template
) -> None:
    page = approval.PAGE.read_text("utf-8")

    assert page == approval.renewed(page, template, collecting, everything), OUT_OF_DATE


def test_the_page_says_what_the_collector_may_do_with_either_value_of_a_setting() -> None:
    """With every setting, its calls of the service need a role of another account, and its events another bus."""
    (row,) = (
        line for line in approval.PAGE.read_text("utf-8").splitlines() if "`Functions/CollectExportsRole`" in line
    )

    assert "`discovery:DescribeAgents`, `DescribeExportTasks`, `ListConfigurations`, `StartExportTask` on `*`" in row
    assert "`sts:AssumeRole` on `role/exports-reader` (with `discoveryRoleArn`)" in row
    assert "`event-bus/default without ownBus`" in row


def test_every_permission_that_a_setting_adds_names_the_setting(template: Template, everything: Template) -> None:
    """So that the page, which shows the permissions of both templates together, is true for each of them."""
    for role in template.of_type("AWS::IAM::Role"):
        before, after = (set(approval.grants(each, role)) for each in (template, everything))
        added = {
            action.removeprefix("deny ").partition(":")[0]
            for action, resource, _ in after - before
            if approval.OWN_BUS not in resource and resource != approval.COLLECTING
        }
        assert added <= approval.SETTINGS.keys(), role
        removed = {action for action, resource, _ in before - after if approval.OWN_BUS not in resource}
        assert removed <= {"discovery:DescribeExportTasks"}, role


def test_the_deploy_policies_are_those_of_the_resources(everything: Template) -> None:
    written = {path.name: path.read_text("utf-8") for path in approval.POLICIES.glob("*.json")}

    assert written == approval.deploy_policies(everything), OUT_OF_DATE


def test_the_deploy_policies_allow_what_creates_each_resource(everything: Template) -> None:
    allowed = {
        action
        for path in approval.POLICIES.glob("*.json")
        for statement in json.loads(path.read_text("utf-8"))["Statement"]
        for action in many(statement["Action"])
    }

    assert {
        "iam:CreateRole",
        "iam:PassRole",
        "lambda:CreateFunction",
        "s3:CreateBucket",
        "dynamodb:CreateTable",
        "states:CreateStateMachine",
        "ec2:CreateSecurityGroup",
        "kms:CreateGrant",
        "scheduler:CreateSchedule",
    } <= allowed
    assert not [action for action in allowed if action.endswith(":*")]


def test_the_deploy_policies_fit_into_managed_policies_and_reach_only_roles_of_the_stack() -> None:
    for path in approval.POLICIES.glob("*.json"):
        policy = json.loads(path.read_text("utf-8"))
        assert len(json.dumps(policy, separators=(",", ":"))) <= approval.MAX_POLICY, path
        for statement in policy["Statement"]:
            if any(action.startswith("iam:") for action in statement["Action"]):
                assert statement["Resource"] == ["arn:aws:iam::*:role/DiscoveryExports-*"]


def test_the_deploy_policies_give_roles_permissions_only_within_the_boundary() -> None:
    policy = json.loads((approval.POLICIES / "1.policy.json").read_text("utf-8"))
    conditions = {action: each.get("Condition") for each in policy["Statement"] for action in each["Action"]}

    assert {action for action, condition in conditions.items() if condition} == {*approval.GRANTING, "iam:PassRole"}
    assert conditions["iam:PutRolePolicy"] == {"StringLike": {"iam:PermissionsBoundary": approval.BOUNDARY}}
    assert "iam:DeleteRolePermissionsBoundary" not in conditions


def test_the_page_names_every_policy_file() -> None:
    page = approval.PAGE.read_text("utf-8")

    for path in approval.POLICIES.glob("*.json"):
        assert f"examples/deploy/{Path(path).name}" in page
