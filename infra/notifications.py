"""Announcements of outcomes: the event bus for all, and an SNS topic for those that people should know."""

from collections.abc import Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from .dead_letter_queue import dead_letter_queue
from .encryption import key_permissions
from .permissions import Permission, make_role

SOURCE = "discovery.exports"
"""Source of every event, as in ``exports.outcomes.events``; the functions may use no other source."""
VERSION = "1"
"""Version of the detail of every event."""
MESSAGES = {
    "Export Truncated": "TRUNCATED",
    "Export Failed": "FAILED",
    "Export Rejected": "REJECTED",
    "Export Not Stored": "NOT_STORED",
    "Exports Not Found": "NOT_FOUND",
    "Export Timed Out": "TIMED_OUT",
}
"""The outcome by detail type of the events that become messages. Exports that were not found have one message a run."""


class Announcements(Construct):
    """The event bus, and a topic that a rule sends the events of all outcomes except stored, without any code.

    The rule ignores events of another stack on the same bus, because they name another ``catalog``, and events that do
    not have the form of this stack's: of another account, or about exports of another ``account`` or ``region``.
    Whoever may put events on the bus could copy the form. ``own_bus`` creates a bus that accepts events of the stack's
    functions only: see ``allow_only``.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        catalog: dynamodb.ITable,
        account: str,
        region: str,
        own_bus: bool = False,
        bus: events.IEventBus | None = None,
        topic: sns.ITopic | None = None,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._own_bus = self._make_bus() if own_bus else None
        self.bus = self._own_bus or bus or events.EventBus.from_event_bus_name(self, "Bus", "default")
        self.topic = topic or self._topic(key)
        self.dead_letter_queue = dead_letter_queue(self, "events that could not be published", key=key)
        self._role = self._publisher(key)
        self.rule = events.Rule(
            self,
            "NotStored",
            description="Sends every outcome of an export except stored to the topic",
            event_bus=self.bus,
            event_pattern=events.EventPattern(
                source=[SOURCE],
                account=[Aws.ACCOUNT_ID],
                detail_type=list(MESSAGES),
                resources=[catalog.table_arn],
                detail={
                    "version": [VERSION],
                    "metadata": {"account": [account], "region": [region]},
                    "data": {"outcome": list(MESSAGES.values())},
                },
            ),
            targets=[self.target()],
        )

    def _make_bus(self) -> events.EventBus:
        return events.EventBus(self, "OwnBus", description="Outcomes of exports; accepts no events of others")

    def allow_only(self, publishers: Sequence[iam.IRole]) -> None:
        """Let no other roles and users of this or any other account put events on the bus that this construct created.

        A denial in the policy of the bus holds for all principals, whatever their own permissions are.
        """
        if self._own_bus is None:
            return
        self._own_bus.add_to_resource_policy(
            iam.PolicyStatement(
                sid="OnlyThisStack",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["events:PutEvents"],
                resources=[self._own_bus.event_bus_arn],
                conditions={"ArnNotEquals": {"aws:PrincipalArn": [role.role_arn for role in publishers]}},
            )
        )

    def _topic(self, key: kms.IKey | None) -> sns.Topic:
        """Encrypted with the AWS managed key unless ``key`` is given. A role publishes, so no key policy changes."""
        own = kms.Alias.from_alias_name(self, "TopicKey", "alias/aws/sns")
        return sns.Topic(self, "Topic", master_key=key or own, enforce_ssl=True)

    def _publisher(self, key: kms.IKey | None) -> iam.Role:
        """The role of the rules; EventBridge may assume it for rules of this account only.

        SNS requires both KMS permissions of a role that publishes to an encrypted topic.
        """
        rules = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/*"
        conditions = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": rules}}
        publishing = Permission(actions=["sns:Publish"], resources=[self.topic.topic_arn])
        return make_role(
            self,
            "Publisher",
            assumed_by=iam.ServicePrincipal("events.amazonaws.com", conditions=conditions),
            permissions=[
                publishing,
                *key_permissions(key, ["kms:Decrypt", "kms:GenerateDataKey"], services=["sns"]),
            ],
        )

    def target(self) -> targets.SnsTopic:
        """The topic as target of a rule, with a role: a topic with an AWS managed key accepts no other publisher."""
        return targets.SnsTopic(
            self.topic,
            role=self._role.without_policy_updates(),
            dead_letter_queue=self.dead_letter_queue,
            max_event_age=Duration.hours(24),
        )
