"""Permissions as lists of actions, and acknowledgments of cdk-nag findings, each with its reason."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Actions on resources, allowed unless ``effect`` is DENY; ``reason`` justifies wildcards in the resources."""

    actions: Sequence[str]
    resources: Sequence[str]
    reason: str = ""
    conditions: Mapping[str, Mapping[str, str | Sequence[str]]] = field(default_factory=dict)
    effect: iam.Effect = iam.Effect.ALLOW

    def statement(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            effect=self.effect,
            actions=list(self.actions),
            resources=list(self.resources),
            conditions=dict(self.conditions),
        )


def make_role(scope: Construct, id: str, *, assumed_by: iam.IPrincipal, permissions: Sequence[Permission]) -> iam.Role:
    """A role with exactly these permissions, inline, so that the role never exists without them."""
    document = iam.PolicyDocument(statements=[permission.statement() for permission in permissions])
    role = iam.Role(scope, id, assumed_by=assumed_by, inline_policies={"Actions": document})
    acknowledge_wildcards(role, permissions)
    return role


def acknowledge_wildcards(construct: Construct, permissions: Iterable[Permission]) -> None:
    """Acknowledge the wildcards that have a reason; cdk-nag reports all others."""
    for permission in permissions:
        names = [flat(Stack.of(construct).resolve(resource)) for resource in permission.resources]
        for name in names:
            if "*" in name and permission.reason:
                acknowledge(construct, f"AwsSolutions-IAM5[Resource::{name}]", permission.reason)


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Acknowledge one finding on ``construct`` by its exact id."""
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))


def flat(value: Any) -> str:
    """A resolved ARN in the form of cdk-nag's finding ids: ``<Bucket.Arn>/raw/*``."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(flat(part) for part in parts)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case _:
            return json.dumps(value, separators=(",", ":"))


LOG_DELIVERY_PERMISSION = Permission(
    actions=[
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ],
    resources=["*"],
    reason="The log delivery actions, which Step Functions needs to log, do not support resource-level permissions.",
)
