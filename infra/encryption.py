"""Use of the stack's KMS key: by its roles, and by the AWS services that encrypt log groups and queues."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from .permissions import Permission


def key_permissions(key: kms.IKey | None, actions: Sequence[str], *, services: Sequence[str]) -> list[Permission]:
    """Actions on the key, but only in requests that one of ``services`` makes for the role; none without a key."""
    if not key:
        return []
    hosts = [f"{service}.{Aws.REGION}.amazonaws.com" for service in services]
    conditions = {"StringEquals": {"kms:ViaService": hosts}}
    return [Permission(actions=actions, resources=[key.key_arn], conditions=conditions)]


def environment_permissions(key: kms.IKey | None) -> list[Permission]:
    """Lambda decrypts the environment with the role of the function, which needs this permission.

    Restricted by the encryption context that Lambda sets. No document says that Lambda's own requests at a cold start
    have ``kms:ViaService``, so this permission does not depend on it. The name of the function is not known here,
    because the role is created before the function.
    """
    if not key:
        return []
    functions = f"arn:{Aws.PARTITION}:lambda:{Aws.REGION}:{Aws.ACCOUNT_ID}:function:*"
    conditions = {"ArnLike": {"kms:EncryptionContext:aws:lambda:FunctionArn": functions}}
    return [Permission(actions=["kms:Decrypt"], resources=[key.key_arn], conditions=conditions)]


def allow_services(key: kms.IKey) -> None:
    """Allow CloudWatch Logs and EventBridge to use ``key``, which have no role for it.

    Without effect on a key that is given by its ARN: its owner adds these statements (docs/accounts.md).
    CloudWatch Logs: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    EventBridge, for encrypted dead-letter queues:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    """
    groups = f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:*"
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{Aws.REGION}.amazonaws.com")],
            actions=["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        )
    )
