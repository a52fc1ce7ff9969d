"""Log groups, which are deleted with the stack."""

from typing import cast

from aws_cdk import Names, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

STATE_MACHINES = "/aws/vendedlogs/states/"
"""Prefix of the log groups of state machines. Step Functions adds every other log group to a resource policy of the
account, which may have 5,120 characters. When it is full, no more state machines with logs can be created:
https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
"""


def log_group(scope: Construct, id: str, *, days: int, key: kms.IKey | None = None, prefix: str = "") -> logs.LogGroup:
    """A log group that keeps its events for ``days``, a retention period that CloudWatch Logs accepts.

    With a ``prefix``, its name ends with the name of the stack and the path of ``scope``, so no other stack has it.
    """
    name = prefix + Names.unique_resource_name(scope, max_length=200, separator="-") if prefix else None
    group = logs.LogGroup(scope, id, log_group_name=name, encryption_key=key, removal_policy=RemovalPolicy.DESTROY)
    # The construct accepts only members of an enumeration.
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = days
    return group
