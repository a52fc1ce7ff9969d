"""Writes what docs/approval.md says about the template, and the policy for a deployment with fewer permissions.

``PYTHONPATH=functions python -m tests.infra.approval`` writes both. The tests fail if they are out of date.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from tests.infra.synthesis import REGION, by_default, with_collector, with_everything
from tests.infra.template import Template, many

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "approval.md"
POLICIES = ROOT / "examples" / "deploy"
"""One file for each policy."""
COMMAND = "PYTHONPATH=functions python -m tests.infra.approval"
BEGIN, END = "<!-- {}, written by `python -m tests.infra.approval` -->", "<!-- end of {} -->"
SETTINGS = {"kms": "keyArn", "ec2": "vpcId", "sts": "discoveryRoleArn"}
"""Which setting adds the permissions of a service, to roles that exist without it, too."""
OWN_BUS = "ownBus"
"""The setting that changes on which bus events are published."""
COLLECTING = "Storage/Collecting with collect"
"""The table of the collector, which the function that writes the status page reads, too."""
ROLE_SETTINGS = {
    "Schedules": "schedules",
    "CloudTrail": "cloudTrailTrigger",
    "Collector": "collect",
    "Functions/CollectExportsRole": "collect",
}
"""Which setting adds a role, by its name or the first part of it."""
SCHEMAS = Path(str(distribution("cfn-lint").locate_file("cfnlint/data/schemas/resources")))
"""Of CloudFormation, as cfn-lint has them (its import takes seconds): https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html"""
USED = {
    *("athena", "cloudwatch", "dynamodb", "ec2", "events", "glue", "iam", "kms", "lambda", "logs", "s3", "scheduler"),
    *("sns", "sqs", "states"),
}
"""Services of the resources of the stack and of their keys."""
MAX_POLICY = 6_144
"""Characters of a managed policy without spaces: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

Grant = tuple[str, str, str]
"""Action, resource and condition of a permission, as the page shows them."""


def roles(default: Template, collecting: Template, everything: Template) -> str:
    """A table of all roles with their permissions. ``everything`` has all roles.

    With every setting, a role of another account and a bus of its own replace permissions, also those of the collector:
    ``collecting`` has these.
    """
    templates = (default, collecting, everything)
    found = {role: _union(role, templates) for role in everything.of_type("AWS::IAM::Role")}
    functions = [role for role in found if role.startswith("Functions/")]
    common = set.intersection(*(found[role] for role in functions))
    lines = ["| role | assumed by | permissions |", "| --- | --- | --- |"]
    lines.append(f"| each of the functions | lambda.amazonaws.com | {'<br>'.join(_lines(common))} |")
    for role, granted in found.items():
        trust = everything.properties(role)["AssumeRolePolicyDocument"]["Statement"]
        setting = ROLE_SETTINGS.get(role) or ROLE_SETTINGS.get(role.partition("/")[0])
        name = f"`{role}`" + (f" (with `{setting}`)" if setting else "")
        shown = granted - common if role in functions else granted
        lines.append(f"| {name} | {trust[0]['Principal']['Service']} | {'<br>'.join(_lines(shown))} |")
    return "\n".join(lines)


def _union(role: str, templates: Iterable[Template]) -> set[Grant]:
    having = (template for template in templates if role in template.of_type("AWS::IAM::Role"))
    return {grant for template in having for grant in grants(template, role)}


def _lines(granted: set[Grant]) -> Iterator[str]:
    """A line for all resources with equal actions and conditions, with the name of the service only once."""
    actions: dict[tuple[str, str, str], list[str]] = {}
    for action, resource, condition in sorted(granted):
        service, _, name = action.partition(":")
        actions.setdefault((service, resource, condition), []).append(name)
    resources: dict[tuple[str, tuple[str, ...], str], list[str]] = {}
    for (service, resource, condition), names in actions.items():
        resources.setdefault((service, tuple(names), condition), []).append(resource)
    for (service, allowed, condition), of in sorted(
        resources.items(), key=lambda each: each[0][0].removeprefix("deny ")
    ):
        setting = SETTINGS.get(service.removeprefix("deny "))
        added = f" (with `{setting}`)" if setting else ""
        yield f"`{service}:{'`, `'.join(allowed)}` on `{'`, `'.join(of)}`{condition}{added}".replace("`deny ", "not `")


def grants(template: Template, role: str) -> Iterator[Grant]:
    """The role's permissions, with those of separate policies. ``Workflow/Children`` is the policy of the workflow."""
    names = [role, *(["Workflow/Children"] if role == "Workflow/Role" else [])]
    for name in names:
        properties = template.properties(name)
        for document in (each["PolicyDocument"] for each in properties.get("Policies", [properties])):
            for statement in document["Statement"]:
                deny = "deny " if statement["Effect"] == "Deny" else ""
                conditions = _conditions(template, statement.get("Condition", {}))
                for action in many(statement["Action"]):
                    for resource in many(statement["Resource"]):
                        yield f"{deny}{action}", _short(template.text(resource)), conditions


def _conditions(template: Template, conditions: Mapping[str, Mapping[str, Any]]) -> str:
    """`` if `events:source` is `discovery.exports` ``, or nothing."""
    each = [
        f"`{key}` is `{'`, `'.join(_short(template.text(value)) for value in many(values))}`"
        for operands in conditions.values()
        for key, values in operands.items()
    ]
    return f" if {' and '.join(each)}" if each else ""


def _short(text: str) -> str:
    """Without partition, Region and account, with names of constructs instead of ARNs; keys before their bucket."""
    text = text.replace("<AWS::Partition>", "aws").replace("<AWS::Region>", "<region>").replace(REGION, "<region>")
    text = re.sub("^arn:aws:kms:.*", "the key", text)
    text = re.sub("^arn:aws:[a-z0-9-]+:[^:]*:(?:<AWS::AccountId>|[0-9]*):", "", text)
    text = re.sub(r"<([A-Z]\w+/[\w/]+)(\.\w+)?>", r"\1", text)
    text = re.sub("^event-bus/default$", f"event-bus/default without {OWN_BUS}", text)
    text = re.sub("^Storage/Collecting$", COLLECTING, text)
    text = re.sub("^(Announcements/OwnBus)$", rf"\1 with {OWN_BUS}", text)
    return re.sub(r"^Storage/Bucket/(.+)", r"\1 in Storage/Bucket", text)


def resources(default: Template, everything: Template) -> str:
    """A table of all types of resources, with the number of each."""
    counts = [_counts(template) for template in (default, everything)]
    lines = ["| type | by default | with every setting |", "| --- | ---: | ---: |"]
    lines += [f"| `{kind}` | {counts[0].get(kind, 0)} | {counts[1][kind]} |" for kind in sorted(counts[1])]
    return "\n".join(lines)


def _counts(template: Template) -> dict[str, int]:
    kinds = [each["Type"] for each in template.document["Resources"].values()]
    return {kind: kinds.count(kind) for kind in set(kinds) - {"AWS::CDK::Metadata"}}


def renewed(page: str, default: Template, collecting: Template, everything: Template) -> str:
    """``page`` with both tables as they are today."""
    tables = {"the roles": roles(default, collecting, everything), "the resources": resources(default, everything)}
    for name, table in tables.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n\n{table}\n\n{end}{rest.partition(end)[2]}"
    return page


def deploy_policies(everything: Template) -> dict[str, str]:
    """Policies for the role with which CloudFormation deploys, by file name.

    The actions that CloudFormation's own schemas list for these types of resources. Roles are limited to the names that
    CloudFormation gives to those of the stack, and get permissions only while they have the permissions boundary.
    """
    needed = {action for kind in _counts(everything) for action in _actions(kind) if _is_used(action)}
    actions = sorted({*needed, BOOTSTRAP_VERSION})
    iam = [action for action in actions if action.startswith("iam:") and action not in NOT_GRANTED]
    granting = [action for action in iam if action in GRANTING]
    plain = [action for action in iam if action not in (*GRANTING, PASS_ROLE)]
    others = [action for action in actions if not action.startswith("iam:")]
    stack = [f"arn:aws:iam::*:role/{everything.root.partition('/')[0]}-*"]
    roles = [
        _statement(plain, stack),
        {**_statement(granting, stack), "Condition": {"StringLike": {"iam:PermissionsBoundary": BOUNDARY}}},
        {**_statement([PASS_ROLE], stack), "Condition": {"StringEquals": {"iam:PassedToService": SERVICES}}},
    ]
    parts = [roles, *([_statement(part, ["*"])] for part in _parts(others))]
    return {f"{number}.policy.json": _document(statements) for number, statements in enumerate(parts, start=1)}


BOUNDARY = "arn:aws:iam::*:policy/our-boundary"
PASS_ROLE = "iam:PassRole"
SERVICES = [f"{name}.amazonaws.com" for name in ("events", "lambda", "scheduler", "states")]
"""Services that take a role of the stack."""
NOT_GRANTED = {"iam:CreateServiceLinkedRole", "iam:DeleteRolePermissionsBoundary", "iam:ListRoles"}
"""The stack needs none of them. Without its boundary, a role could get any permission."""
GRANTING = {
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
}
"""Actions with the condition key ``iam:PermissionsBoundary``:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""
BOOTSTRAP_VERSION = "ssm:GetParameters"
"""Every template of the CDK reads the version of the bootstrap stack from a parameter of Systems Manager."""


def _is_used(action: str) -> bool:
    """Not those of services, and of IAM users and groups, that a resource of the type can have but the stack has not.

    ``s3:REST.PUT.OBJECT``, which one schema lists, is no action.
    """
    service, _, name = action.partition(":")
    return (
        service in USED and name.rstrip("*").isalpha() and not re.search("User|Group", name if service == "iam" else "")
    )


def _actions(kind: str) -> set[str]:
    schema = _schemas()[kind]
    found = {each for handler in schema.get("handlers", {}).values() for each in handler["permissions"]}
    return found | set(schema.get("tagging", {}).get("permissions", []))


@cache
def _schemas() -> dict[str, Any]:
    documents = [json.loads(path.read_text("utf-8")) for path in SCHEMAS.glob("*.json")]
    return {document["typeName"]: document for document in documents}


def _parts(actions: Iterable[str]) -> Iterator[list[str]]:
    """The actions in lists that each fit into a managed policy."""
    part: list[str] = []
    for action in actions:
        if len(_compact([_statement([*part, action], ["*"])])) > MAX_POLICY:
            yield part
            part = []
        part.append(action)
    yield part


def _statement(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"


def _compact(statements: list[dict[str, Any]]) -> str:
    return json.dumps(json.loads(_document(statements)), separators=(",", ":"))


def main() -> None:
    default, everything = by_default(), with_everything()
    PAGE.write_text(renewed(PAGE.read_text("utf-8"), default, with_collector(), everything), "utf-8")
    POLICIES.mkdir(exist_ok=True)
    for name, policy in deploy_policies(everything).items():
        (POLICIES / name).write_text(policy, "utf-8")


if __name__ == "__main__":
    main()
