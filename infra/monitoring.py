"""Alarms, each with the section of the runbook that says what to do, and the dashboard."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .dashboard import make_dashboard
from .functions import METRICS_PERIOD, Functions, own_metric
from .notifications import Announcements

RUNBOOK = "docs/runbook.md"
ALARMS_PER_RULE = 5
"""The pattern of a rule may have 2,048 characters, and the ARN of an alarm nearly 300."""
LATE_PERIODS = 13
"""An hour, and what an hourly sweep may begin late."""


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """One alarm: it rings when ``metric`` is above ``above`` in ``of`` periods of the last ``within``."""

    name: str
    section: str
    says: str
    metric: cloudwatch.IMetric
    above: float = 0
    of: int = 1
    within: int = 1
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING
    """No data means that nothing happened, but for what lies there whether anybody looks or not."""

    @property
    def description(self) -> str:
        return f"{self.says} What to do: {RUNBOOK}#{self.section}"


class Monitoring(Construct):
    """Alarms whose changes reach the topic, and the dashboard.

    The topic hears of alarms through EventBridge, by the role that publishes outcomes: CloudWatch itself may not use
    the AWS managed key that encrypts the topic.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        state_machine: sfn.StateMachine,
        starter: sfn.StateMachine | None,
        queues: Mapping[str, sqs.Queue],
        announcements: Announcements,
        late_after: Duration,
    ) -> None:
        super().__init__(scope, id)
        self._functions = functions
        self._machine = state_machine
        specs = [
            *self._runs(starter),
            self._late(late_after),
            *(self._dead_letters(name, queue) for name, queue in queues.items()),
            *self._functions_in_trouble(),
        ]
        self.alarms = [self._alarm(each) for each in specs]
        self._forward_to_topic(announcements)
        self.dashboard = make_dashboard(self, functions=functions, state_machine=state_machine, alarms=self.alarms)

    def _runs(self, starter: sfn.StateMachine | None) -> list[AlarmSpec]:
        machine = self._machine
        runs = [
            AlarmSpec(
                name="RunsFailed",
                section="a-run-failed",
                says="A run failed: an export that it was to store is not stored, or a step of it kept failing.",
                metric=machine.metric_failed(period=METRICS_PERIOD, statistic="Sum"),
            ),
            AlarmSpec(
                name="RunsTimedOut",
                section="a-run-timed-out",
                says="A run was ended by the time limit of its state machine, which its own deadline should precede.",
                metric=machine.metric_timed_out(period=METRICS_PERIOD, statistic="Sum"),
            ),
        ]
        if starter is None:
            return runs
        failed = AlarmSpec(
            name="StartsFailed",
            section="a-run-could-not-be-started",
            says="A run could not be started for an export that CloudTrail told of.",
            metric=starter.metric_failed(period=METRICS_PERIOD, statistic="Sum"),
        )
        return [*runs, failed]

    def _late(self, after: Duration) -> AlarmSpec:
        """It stays late for an hour after the last look that found it so, and as long as nobody looks after that.

        Looks at an export so old are more than five minutes apart, and there is none between two sweeps; what a run for
        other exports looks at meanwhile says nothing of it.
        """
        return AlarmSpec(
            name="ExportLate",
            section="an-export-is-late",
            says=f"An export was asked for more than {after.to_hours()} hours ago and is still not settled.",
            metric=own_metric("OldestUnsettledSeconds", "Maximum"),
            above=after.to_seconds(),
            within=LATE_PERIODS,
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _dead_letters(self, name: str, queue: sqs.Queue) -> AlarmSpec:
        return AlarmSpec(
            name=f"{name}DeadLetters",
            section="a-dead-letter-queue-is-not-empty",
            says="Something could not be delivered and waits in a dead-letter queue for 14 days.",
            metric=queue.metric_approximate_number_of_messages_visible(period=METRICS_PERIOD, statistic="Maximum"),
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _functions_in_trouble(self) -> list[AlarmSpec]:
        """A single error or throttle is tried again by the workflow, so only lasting ones ring.

        Errors do with the third: a task has no more than three tries in a batch, and what fails at once has used them
        up within half a minute.
        """
        return [
            alarm
            for function in self._functions.all
            for alarm in (
                AlarmSpec(
                    name=f"{function.node.id}Errors",
                    section="a-function-fails",
                    says=f"{function.node.id} keeps failing.",
                    metric=function.metric_errors(period=METRICS_PERIOD, statistic="Sum"),
                    above=2,
                ),
                AlarmSpec(
                    name=f"{function.node.id}Throttles",
                    section="a-function-is-throttled",
                    says=f"{function.node.id} keeps finding no free concurrency.",
                    metric=function.metric_throttles(period=METRICS_PERIOD, statistic="Sum"),
                    of=2,
                    within=3,
                ),
            )
        ]

    def _alarm(self, spec: AlarmSpec) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            spec.name,
            alarm_description=spec.description,
            metric=spec.metric,
            threshold=spec.above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=spec.within,
            datapoints_to_alarm=spec.of,
            treat_missing_data=spec.missing,
        )

    def _forward_to_topic(self, announcements: Announcements) -> None:
        """Alarms tell the default bus of the account whenever their state changes, whatever bus outcomes go to."""
        for first in range(0, len(self.alarms), ALARMS_PER_RULE):
            alarms = self.alarms[first : first + ALARMS_PER_RULE]
            events.Rule(
                self,
                f"AlarmsChanged{first // ALARMS_PER_RULE + 1}",
                description="Carries alarms that ring, and that they are over, to the topic",
                event_pattern=events.EventPattern(
                    source=["aws.cloudwatch"],
                    detail_type=["CloudWatch Alarm State Change"],
                    resources=[alarm.alarm_arn for alarm in alarms],
                    detail={
                        "$or": [
                            {"state": {"value": ["ALARM"]}},
                            {"state": {"value": ["OK"]}, "previousState": {"value": ["ALARM"]}},
                        ]
                    },
                ),
                targets=[announcements.target()],
            )
