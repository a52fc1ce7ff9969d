"""Log groups, which go when the stack goes."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


def log_group(scope: Construct, id: str, *, days: int) -> logs.LogGroup:
    """A log group that keeps its lines for ``days``, a number that CloudWatch Logs takes."""
    group = logs.LogGroup(scope, id, removal_policy=RemovalPolicy.DESTROY)
    # The construct takes a member of an enumeration alone.
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = days
    return group
