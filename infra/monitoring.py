"""The alarms, each with a section of the runbook, and the dashboard."""

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
"""An event pattern may have 2,048 characters, and an alarm ARN has nearly 300."""
LATE_PERIODS = 13
"""An hour, plus the time by which an hourly sweep may start late."""


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """One alarm. It goes into ALARM if ``metric`` is above ``above`` in ``of`` of the last ``within`` periods."""

    name: str
    section: str
    summary: str
    metric: cloudwatch.IMetric
    above: float = 0
    of: int = 1
    within: int = 1
    missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING
    """No data means that nothing happened, except for metrics of a state, such as the length of a queue."""

    @property
    def description(self) -> str:
        return f"{self.summary} What to do: {RUNBOOK}#{self.section}"


class Monitoring(Construct):
    """The alarms, whose state changes are sent to the topic, and the dashboard.

    An EventBridge rule sends alarms to the topic, with the role that publishes outcomes: CloudWatch itself may not use
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
        collector: sfn.StateMachine | None,
        queues: Mapping[str, sqs.Queue],
        announcements: Announcements,
        late_after: Duration,
    ) -> None:
        super().__init__(scope, id)
        self._functions = functions
        self._machine = state_machine
        specs = [
            *self._run_alarms(starter),
            self._late_export_alarm(late_after),
            *(self._collector_alarms(collector) if collector else []),
            *(self._dead_letter_alarm(name, queue) for name, queue in queues.items()),
            *self._function_alarms(),
        ]
        self.alarms = [self._alarm(each) for each in specs]
        self._forward_to_topic(announcements)
        self.dashboard = make_dashboard(
            self,
            functions=functions,
            state_machine=state_machine,
            alarms=self.alarms,
            collecting=collector is not None,
        )

    def _run_alarms(self, starter: sfn.StateMachine | None) -> list[AlarmSpec]:
        machine = self._machine
        runs = [
            AlarmSpec(
                name="RunsFailed",
                section="a-run-failed",
                summary="A run failed: an export of the run is not stored, or a task kept failing.",
                metric=machine.metric_failed(period=METRICS_PERIOD, statistic="Sum"),
            ),
            AlarmSpec(
                name="RunsTimedOut",
                section="a-run-timed-out",
                summary="A run reached the timeout of its state machine. Its deadline should have ended it earlier.",
                metric=machine.metric_timed_out(period=METRICS_PERIOD, statistic="Sum"),
            ),
        ]
        if starter is None:
            return runs
        failed = AlarmSpec(
            name="StartsFailed",
            section="a-run-could-not-be-started",
            summary="A run could not be started for a new export that CloudTrail reported.",
            metric=starter.metric_failed(period=METRICS_PERIOD, statistic="Sum"),
        )
        return [*runs, failed]

    def _late_export_alarm(self, after: Duration) -> AlarmSpec:
        """Stays in ALARM for an hour after the last poll that saw a late export, and longer if no poll follows.

        Polls of an export of that age are more than five minutes apart, and between two sweeps there is none. Polls by
        runs for other exports say nothing about it.
        """
        return AlarmSpec(
            name="ExportLate",
            section="an-export-is-late",
            summary=f"An export was requested more than {after.to_hours()} hours ago and is still not settled.",
            metric=own_metric("OldestUnsettledSeconds", "Maximum"),
            above=after.to_seconds(),
            within=LATE_PERIODS,
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _collector_alarms(self, collector: sfn.StateMachine) -> list[AlarmSpec]:
        """The collector measures a state in each tick, so between two ticks, and without ticks, the state stays."""
        ignore = cloudwatch.TreatMissingData.IGNORE
        return [
            AlarmSpec(
                name="CollectorFailed",
                section="the-collector-fails",
                summary="The collector failed twice within an hour. Until it works again, it starts no exports.",
                metric=collector.metric_failed(period=METRICS_PERIOD, statistic="Sum"),
                of=2,
                within=12,
            ),
            AlarmSpec(
                name="CollectingBlocked",
                section="the-service-starts-no-exports",
                summary="For more than a day, the service has refused to start exports.",
                metric=own_metric("BlockedSeconds", "Maximum"),
                above=Duration.days(1).to_seconds(),
                missing=ignore,
            ),
            AlarmSpec(
                name="AgentsStopped",
                section="an-agent-is-given-up",
                summary="The collector has given up an agent: the service refuses its exports, or they keep failing.",
                metric=own_metric("AgentsStopped", "Maximum"),
                missing=ignore,
            ),
            AlarmSpec(
                name="CollectingStalled",
                section="collecting-makes-no-progress",
                summary="For more than a week, no export has added to what is stored of the agents.",
                metric=own_metric("SecondsWithoutProgress", "Maximum"),
                above=Duration.days(7).to_seconds(),
                missing=ignore,
            ),
        ]

    def _dead_letter_alarm(self, name: str, queue: sqs.Queue) -> AlarmSpec:
        return AlarmSpec(
            name=f"{name}DeadLetters",
            section="a-dead-letter-queue-is-not-empty",
            summary="A dead-letter queue is not empty. It keeps undelivered messages for 14 days.",
            metric=queue.metric_approximate_number_of_messages_visible(period=METRICS_PERIOD, statistic="Maximum"),
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _function_alarms(self) -> list[AlarmSpec]:
        """The workflow retries single errors and throttles, so only persistent ones go into ALARM.

        The threshold is three errors: a task whose function fails has three attempts. If each fails at once, they are
        used up within half a minute.
        """
        return [
            alarm
            for function in self._functions.all
            for alarm in (
                AlarmSpec(
                    name=f"{function.node.id}Errors",
                    section="a-function-fails",
                    summary=f"{function.node.id} keeps failing.",
                    metric=function.metric_errors(period=METRICS_PERIOD, statistic="Sum"),
                    above=2,
                ),
                AlarmSpec(
                    name=f"{function.node.id}Throttles",
                    section="a-function-is-throttled",
                    summary=f"{function.node.id} keeps being throttled: no concurrency is available.",
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
        """CloudWatch sends state changes of alarms to the account's default bus, whatever bus outcomes go to."""
        for first in range(0, len(self.alarms), ALARMS_PER_RULE):
            alarms = self.alarms[first : first + ALARMS_PER_RULE]
            events.Rule(
                self,
                f"AlarmsChanged{first // ALARMS_PER_RULE + 1}",
                description="Sends alarms that go into ALARM, and from ALARM to OK, to the topic",
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
