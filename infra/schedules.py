"""EventBridge Scheduler schedules that start executions of a state machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Aws, Duration, TimeZone
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .dead_letter_queue import dead_letter_queue
from .encryption import key_permissions
from .permissions import Permission, make_role
from .settings.schedule import Schedule

WINDOW = Duration.minutes(5)
"""Flexible time window, so that several schedules do not start their executions in the same second."""


class Schedules(Construct):
    """One Scheduler schedule for each setting. A run that cannot be started goes to a dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        schedules: Sequence[Schedule],
        state_machine: sfn.IStateMachine,
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.dead_letter_queue = dead_letter_queue(self, "runs that a schedule could not start", key=key)
        role = schedule_role(self, state_machine, self.dead_letter_queue, key)
        for number, schedule in enumerate(schedules, start=1):
            make_schedule(
                self,
                f"Schedule{number}",
                "Starts a run of Discovery Exports",
                expression=schedule.expression,
                timezone=schedule.timezone,
                input=schedule.input,
                state_machine=state_machine,
                role=role,
                dead_letter_queue=self.dead_letter_queue,
            )


def make_schedule(
    scope: Construct,
    id: str,
    description: str,
    *,
    expression: str,
    timezone: str = "UTC",
    input: Mapping[str, Any],
    state_machine: sfn.IStateMachine,
    role: iam.Role,
    dead_letter_queue: sqs.IQueue,
) -> scheduler.Schedule:
    """A schedule that starts executions with ``input``, with a role of ``schedule_role``."""
    return scheduler.Schedule(
        scope,
        id,
        description=description,
        schedule=scheduler.ScheduleExpression.expression(expression, TimeZone.of(timezone)),
        time_window=scheduler.TimeWindow.flexible(WINDOW),
        target=targets.StepFunctionsStartExecution(
            state_machine,
            input=scheduler.ScheduleTargetInput.from_object(dict(input)),
            role=role.without_policy_updates(),
            dead_letter_queue=dead_letter_queue,
            max_event_age=Duration.hours(1),
            retry_attempts=20,
        ),
    )


def schedule_role(
    scope: Construct, state_machine: sfn.IStateMachine, dead_letter_queue: sqs.IQueue, key: kms.IKey | None
) -> iam.Role:
    """Scheduler may assume the role for schedules of this account's default group only, which these are in.

    The source is the group, never a schedule:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    group = f"arn:{Aws.PARTITION}:scheduler:{Aws.REGION}:{Aws.ACCOUNT_ID}:schedule-group/default"
    conditions = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": group}}
    return make_role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=conditions),
        permissions=[
            Permission(actions=["states:StartExecution"], resources=[state_machine.state_machine_arn]),
            Permission(actions=["sqs:SendMessage"], resources=[dead_letter_queue.queue_arn]),
            *key_permissions(key, ["kms:Decrypt", "kms:GenerateDataKey"], services=["sqs"]),
        ],
    )
