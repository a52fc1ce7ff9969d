"""Log groups, which are deleted with the stack."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct


def log_group(scope: Construct, id: str, *, days: int, key: kms.IKey | None = None) -> logs.LogGroup:
    """A log group that keeps its events for ``days``, a retention period that CloudWatch Logs accepts."""
    group = logs.LogGroup(scope, id, encryption_key=key, removal_policy=RemovalPolicy.DESTROY)
    # The construct accepts only members of an enumeration.
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = days
    return group
