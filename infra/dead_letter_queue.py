"""Dead-letter queues."""

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .permissions import acknowledge


def dead_letter_queue(scope: Construct, of: str, *, key: kms.IKey | None) -> sqs.Queue:
    """A queue with the id ``DeadLetters`` for ``of``. It keeps messages for 14 days, the maximum of SQS."""
    queue = sqs.Queue(
        scope,
        "DeadLetters",
        encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(queue, "AwsSolutions-SQS3", f"This is the dead-letter queue for {of}; operators read it.")
    return queue
