"""Queues for what could not be delivered."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .permissions import acknowledge


def dead_letter_queue(scope: Construct, of: str) -> sqs.Queue:
    """A queue named ``DeadLetters`` for ``of``, which keeps it as long as a queue keeps anything."""
    queue = sqs.Queue(
        scope,
        "DeadLetters",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(queue, "AwsSolutions-SQS3", f"It is the dead-letter queue for {of}; nothing consumes it by itself.")
    return queue
