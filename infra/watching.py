"""What watches over the runs: alarms that name their section of the runbook, and a dashboard for three questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Aws, Duration, Names
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.announcements import Announcements
from infra.functions import METRICS_NAMESPACE, SERVICE, Functions

RUNBOOK = "docs/runbook.md"
OUTCOMES = ("STORED", "TRUNCATED", "FAILED", "REJECTED", "NOT_STORED", "NOT_FOUND", "TIMED_OUT")
LANDED = ("STORED", "TRUNCATED")
ALARMS_PER_RULE = 5
"""The pattern of a rule may have 2,048 characters, and the ARN of an alarm nearly 300."""
PERIOD = Duration.minutes(5)
LATE_PERIODS = 13
"""An hour, and what an hourly sweep may begin late."""
WIDTH, HEIGHT = 8, 6


@dataclass(frozen=True, kw_only=True)
class Watched:
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


class Watching(Construct):
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
        watched = [
            *self._runs(starter),
            self._late(late_after),
            *(self._dead_letters(name, queue) for name, queue in queues.items()),
            *self._functions_in_trouble(),
        ]
        self.alarms = [self._alarm(each) for each in watched]
        self._tell(announcements)
        self.dashboard = self._dashboard()

    def _runs(self, starter: sfn.StateMachine | None) -> list[Watched]:
        machine = self._machine
        runs = [
            Watched(
                name="RunsFailed",
                section="a-run-failed",
                says="A run failed: an export that it was to store is not stored, or a step of it kept failing.",
                metric=machine.metric_failed(period=PERIOD, statistic="Sum"),
            ),
            Watched(
                name="RunsTimedOut",
                section="a-run-timed-out",
                says="A run was ended by the time limit of its state machine, which its own deadline should precede.",
                metric=machine.metric_timed_out(period=PERIOD, statistic="Sum"),
            ),
        ]
        if starter is None:
            return runs
        failed = Watched(
            name="StartsFailed",
            section="a-run-could-not-be-started",
            says="A run could not be started for an export that CloudTrail told of.",
            metric=starter.metric_failed(period=PERIOD, statistic="Sum"),
        )
        return [*runs, failed]

    def _late(self, after: Duration) -> Watched:
        """It stays late for an hour after the last look that found it so, and as long as nobody looks after that.

        Looks at an export so old are more than five minutes apart, and there is none between two sweeps; what a run for
        other exports looks at meanwhile says nothing of it.
        """
        return Watched(
            name="ExportLate",
            section="an-export-is-late",
            says=f"An export was asked for more than {after.to_hours()} hours ago and is still not settled.",
            metric=self._ours("OldestUnsettledSeconds", "Maximum"),
            above=after.to_seconds(),
            within=LATE_PERIODS,
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _dead_letters(self, name: str, queue: sqs.Queue) -> Watched:
        return Watched(
            name=f"{name}DeadLetters",
            section="a-dead-letter-queue-is-not-empty",
            says="Something could not be delivered and waits in a dead-letter queue for 14 days.",
            metric=queue.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum"),
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _functions_in_trouble(self) -> list[Watched]:
        """A single error or throttle is tried again by the workflow, so only lasting ones ring.

        Errors do with the third: a task has no more than three tries in a batch, and what fails at once has used them
        up within half a minute.
        """
        return [
            alarm
            for function in self._functions.all
            for alarm in (
                Watched(
                    name=f"{function.node.id}Errors",
                    section="a-function-fails",
                    says=f"{function.node.id} keeps failing.",
                    metric=function.metric_errors(period=PERIOD, statistic="Sum"),
                    above=2,
                ),
                Watched(
                    name=f"{function.node.id}Throttles",
                    section="a-function-is-throttled",
                    says=f"{function.node.id} keeps finding no free concurrency.",
                    metric=function.metric_throttles(period=PERIOD, statistic="Sum"),
                    of=2,
                    within=3,
                ),
            )
        ]

    def _alarm(self, watched: Watched) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            watched.name,
            alarm_description=watched.description,
            metric=watched.metric,
            threshold=watched.above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=watched.within,
            datapoints_to_alarm=watched.of,
            treat_missing_data=watched.missing,
        )

    def _tell(self, announcements: Announcements) -> None:
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

    def _ours(self, name: str, statistic: str, label: str | None = None, **dimensions: str) -> cloudwatch.Metric:
        """A metric of the functions. Alarms take one without a label: the CDK makes metric math of any other."""
        return cloudwatch.Metric(
            namespace=METRICS_NAMESPACE,
            metric_name=name,
            dimensions_map={"service": SERVICE, **dimensions},
            statistic=statistic,
            period=PERIOD,
            label=dimensions.get("outcome", label),
        )

    def _dashboard(self) -> cloudwatch.Dashboard:
        """Named after the construct, so that two stand side by side, and the name is known before it is there.

        After the region, too: an account's dashboards have one list of names for all regions. 255 characters at most.
        """
        name = Names.unique_resource_name(self, max_length=200, separator="-", allowed_special_characters="-_")
        return cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=f"{name}-{Aws.REGION}",
            default_interval=Duration.days(1),
            widgets=[
                [_heading("Is everything landed?")],
                [self._outcomes(), self._landed(), self._taken()],
                [_heading("What is late?")],
                [self._oldest(), self._noticed(), self._asked()],
                [_heading("What broke?")],
                [self._ringing(), self._broken_runs(), self._broken_functions()],
            ],
        )

    def _outcomes(self) -> cloudwatch.IWidget:
        counts = [self._ours("Exports", "Sum", outcome=outcome) for outcome in OUTCOMES]
        return _graph("Exports by outcome", counts, stacked=True)

    def _landed(self) -> cloudwatch.IWidget:
        landed = [self._ours("BytesStored", "Sum", outcome=outcome) for outcome in LANDED]
        rows = [self._ours("RowsStored", "Sum", outcome=outcome) for outcome in LANDED]
        return _graph("Bytes stored (left), rows (right)", landed, right=rows)

    def _taken(self) -> cloudwatch.IWidget:
        return _graph(
            "Seconds from request to stored",
            [
                self._ours("SecondsFromRequestToStored", each, outcome="STORED").with_(label=each)
                for each in ("p50", "p95")
            ],
        )

    def _oldest(self) -> cloudwatch.IWidget:
        return _graph("Age of the oldest unsettled export", [self._ours("OldestUnsettledSeconds", "Maximum")])

    def _noticed(self) -> cloudwatch.IWidget:
        return _graph(
            "Seconds from finished to noticed, at most",
            [self._ours("SecondsFromFinishedToNoticed", each, each) for each in ("Average", "p95")],
        )

    def _asked(self) -> cloudwatch.IWidget:
        calls = [self._ours(name, "Sum") for name in ("DescribeCalls", "DescribeThrottles")]
        return _graph("Calls of DescribeExportTasks", calls)

    def _ringing(self) -> cloudwatch.IWidget:
        return cloudwatch.AlarmStatusWidget(alarms=self.alarms, title="Alarms", width=WIDTH, height=HEIGHT)

    def _broken_runs(self) -> cloudwatch.IWidget:
        machine = self._machine
        runs = [machine.metric_started, machine.metric_succeeded, machine.metric_failed, machine.metric_timed_out]
        return _graph("Runs", [metric(period=PERIOD, statistic="Sum") for metric in runs])

    def _broken_functions(self) -> cloudwatch.IWidget:
        return _graph(
            "Errors of functions (left), throttles (right)",
            [_of(function, "Errors") for function in self._functions.all],
            right=[_of(function, "Throttles") for function in self._functions.all],
        )


def _of(function: lambda_.Function, name: str) -> cloudwatch.Metric:
    return function.metric(name, period=PERIOD, statistic="Sum", label=f"{function.node.id} {name.lower()}")


def _heading(text: str) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=f"## {text}", width=3 * WIDTH, height=1)


def _graph(
    title: str, left: Sequence[cloudwatch.IMetric], *, right: Sequence[cloudwatch.IMetric] = (), stacked: bool = False
) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        right=list(right),
        stacked=stacked,
        width=WIDTH,
        height=HEIGHT,
        region=Aws.REGION,
        left_y_axis=cloudwatch.YAxisProps(min=0),
    )
