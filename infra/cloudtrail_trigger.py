"""Starts a run for each StartExportTask call, which CloudTrail sends to EventBridge."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Aws, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk.aws_stepfunctions_tasks import StepFunctionsStartExecution
from constructs import Construct

from .dead_letter_queue import dead_letter_queue
from .logs import STATE_MACHINES, log_group
from .permissions import LOG_DELIVERY_PERMISSION, Permission, acknowledge, make_role
from .tasks import ALREADY_STARTED, retry_start

EVENT_SOURCE = "discovery.amazonaws.com"
"""Application Discovery Service in CloudTrail; Amazon RDS has an operation of the same name."""
EXPORT_ID = "{% $states.input.exportId %}"
NAME = (
    "$match($states.input.exportId, /^[A-Za-z0-9_-]{1,80}$/) "
    "? $states.input.exportId : 'sha256_' & $hash($states.input.exportId, 'SHA-256')"
)
"""The name of the run is the export id, hashed if it is not a valid name."""
OTHER_NAME = "'sha256_' & $hash($states.input.exportId & ' ' & $states.input.eventId, 'SHA-256')"
"""The name of the run if there is an execution of the first name. Anybody who may start runs could have started that
one, for another export, with a deadline of a minute, or with an invalid input. Its input is not compared: it may be so
long that DescribeExecution fails with States.DataLimitExceeded, which no state can catch. CloudTrail chooses the
eventID (a UUID) after the call, so nobody can use this name before, and it is the same when the event comes again.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""


class CloudTrailTrigger(Construct):
    """A rule for successful StartExportTask calls in this account and Region, and the state machine that it starts.

    A rule cannot name the execution that it starts, so a small state machine starts the run by name. If there is an
    execution of that name, it starts one more run, whose name depends on the CloudTrail event, too. EventBridge
    receives API calls only if CloudTrail has a trail. Calls of ``collector``, the ARN of a role, start no run, because
    the collector starts runs for its exports itself. ``sources`` is for tests: sources to match besides
    ``aws.discovery``, which only AWS can send.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        state_machine: sfn.StateMachine,
        log_days: int,
        collector: str | None = None,
        sources: Sequence[str] = (),
        key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._log_days = log_days
        self._key = key
        self.dead_letter_queue: sqs.Queue = dead_letter_queue(self, "exports whose run could not be started", key=key)
        self.starter = self._starter(state_machine)
        self.rule = events.Rule(
            self,
            "StartExportTask",
            description="Starts a run for each new export",
            event_pattern=events.EventPattern(
                source=["aws.discovery", *sources],
                account=[Aws.ACCOUNT_ID],
                region=[Aws.REGION],
                detail_type=["AWS API Call via CloudTrail"],
                detail={
                    "eventSource": [EVENT_SOURCE],
                    "eventName": ["StartExportTask"],
                    "recipientAccountId": [Aws.ACCOUNT_ID],
                    "awsRegion": [Aws.REGION],
                    "errorCode": [{"exists": False}],
                    "responseElements": {"exportId": [{"exists": True}]},
                    **({"userIdentity": other_than(collector)} if collector else {}),
                },
            ),
            targets=[self._target()],
        )

    def _target(self) -> targets.SfnStateMachine:
        return targets.SfnStateMachine(
            self.starter,
            input=events.RuleTargetInput.from_object(
                {
                    "exportId": events.EventField.from_path("$.detail.responseElements.exportId"),
                    "eventId": events.EventField.from_path("$.detail.eventID"),
                }
            ),
            role=self._rule_role().without_policy_updates(),
            dead_letter_queue=self.dead_letter_queue,
            max_event_age=Duration.hours(24),
        )

    def _rule_role(self) -> iam.Role:
        """EventBridge may assume the role for rules of this account only."""
        rules = f"arn:{Aws.PARTITION}:events:{Aws.REGION}:{Aws.ACCOUNT_ID}:rule/*"
        return self._role("RuleRole", "events", rules, [self._start_permission(self.starter)])

    def _starter(self, state_machine: sfn.StateMachine) -> sfn.StateMachine:
        machines = f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}:stateMachine:*"
        permissions = [self._start_permission(state_machine), LOG_DELIVERY_PERMISSION]
        role = self._role("StarterRole", "states", machines, permissions)
        log = log_group(self, "Logs", days=self._log_days, key=self._key, prefix=STATE_MACHINES)
        starter = sfn.StateMachine(
            self,
            "Starter",
            comment="Starts a run of Discovery Exports for one new export",
            definition_body=sfn.DefinitionBody.from_chainable(self._start(state_machine)),
            query_language=sfn.QueryLanguage.JSONATA,
            role=role.without_policy_updates(),
            timeout=Duration.hours(1),
            logs=sfn.LogOptions(destination=log, level=sfn.LogLevel.ERROR, include_execution_data=False),
        )
        acknowledge(starter, "AwsSolutions-SF1", "Its history keeps every event for 90 days; errors are logged.")
        acknowledge(starter, "AwsSolutions-SF2", "It makes up to two calls; the execution history has their duration.")
        return starter

    def _start(self, state_machine: sfn.StateMachine) -> sfn.IChainable:
        started = sfn.Succeed(self, "Started already", comment="CloudTrail and EventBridge may deliver a call twice")
        another = self._start_run("Start another run", state_machine, name=OTHER_NAME, exists=started)
        return self._start_run("Start run", state_machine, name=NAME, exists=another)

    def _start_run(
        self, id: str, state_machine: sfn.StateMachine, *, name: str, exists: sfn.IChainable
    ) -> sfn.TaskStateBase:
        """A start that goes to ``exists``, with the same input, if there is an execution of this name."""
        start = StepFunctionsStartExecution.jsonata(
            self,
            id,
            state_machine=state_machine,
            name=f"{{% {name} %}}",
            input=sfn.TaskInput.from_object({"exportIds": [EXPORT_ID]}),
        )
        return retry_start(start).add_catch(exists, errors=ALREADY_STARTED, outputs="{% $states.input %}")

    def _start_permission(self, state_machine: sfn.IStateMachine) -> Permission:
        return Permission(actions=["states:StartExecution"], resources=[state_machine.state_machine_arn])

    def _role(self, id: str, service: str, source: str, permissions: Sequence[Permission]) -> iam.Role:
        conditions = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": source}}
        principal = iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=conditions)
        return make_role(self, id, assumed_by=principal, permissions=permissions)


def other_than(role: str) -> Mapping[str, Any]:
    """The pattern of a ``userIdentity`` that is not this role. Calls of an IAM user have no issuer of their session.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """
    return {"sessionContext": {"sessionIssuer": {"arn": [{"anything-but": [role]}, {"exists": False}]}}}
