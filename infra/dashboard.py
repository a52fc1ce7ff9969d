"""The dashboard: whether every export is stored, which are late, and what failed."""

from collections.abc import Sequence

from aws_cdk import Aws, Duration, Names
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .functions import METRICS_PERIOD, Functions, own_metric

OUTCOMES = ("STORED", "TRUNCATED", "FAILED", "REJECTED", "NOT_STORED", "NOT_FOUND", "TIMED_OUT")
STORED_OUTCOMES = ("STORED", "TRUNCATED")
WIDTH, HEIGHT = 8, 6


def make_dashboard(
    scope: Construct,
    *,
    functions: Functions,
    state_machine: sfn.StateMachine,
    alarms: Sequence[cloudwatch.IAlarm],
    collecting: bool,
) -> cloudwatch.Dashboard:
    """The name has ``scope`` and the Region, because dashboard names are unique per account across all Regions.

    It may have at most 255 characters.
    """
    name = Names.unique_resource_name(scope, max_length=200, separator="-", allowed_special_characters="-_")
    return cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=f"{name}-{Aws.REGION}",
        default_interval=Duration.days(1),
        widgets=[
            [_heading("Is everything stored?")],
            [_outcomes(), _stored_bytes(), _seconds_to_stored()],
            [_heading("What is late?")],
            [_oldest_unsettled(), _detection_delay(), _describe_calls()],
            *([[_heading("What is covered?")], [_covered_share(), _starts(), _blocked()]] if collecting else []),
            [_heading("What failed?")],
            [_alarm_status(alarms), _runs(state_machine), _function_errors(functions)],
        ],
    )


def _outcomes() -> cloudwatch.IWidget:
    counts = [own_metric("Exports", "Sum", outcome=outcome) for outcome in OUTCOMES]
    return _graph("Exports by outcome", counts, stacked=True)


def _stored_bytes() -> cloudwatch.IWidget:
    stored = [own_metric("BytesStored", "Sum", outcome=outcome) for outcome in STORED_OUTCOMES]
    rows = [own_metric("RowsStored", "Sum", outcome=outcome) for outcome in STORED_OUTCOMES]
    return _graph("Bytes stored (left), rows (right)", stored, right=rows)


def _seconds_to_stored() -> cloudwatch.IWidget:
    return _graph(
        "Seconds from request to stored",
        [own_metric("SecondsFromRequestToStored", each, outcome="STORED").with_(label=each) for each in ("p50", "p95")],
    )


def _oldest_unsettled() -> cloudwatch.IWidget:
    return _graph("Age of the oldest unsettled export", [own_metric("OldestUnsettledSeconds", "Maximum")])


def _detection_delay() -> cloudwatch.IWidget:
    return _graph(
        "Seconds from finished to detected, at most",
        [own_metric("SecondsFromFinishedToNoticed", each, each) for each in ("Average", "p95")],
    )


def _describe_calls() -> cloudwatch.IWidget:
    calls = [own_metric(name, "Sum") for name in ("DescribeCalls", "DescribeThrottles")]
    return _graph("DescribeExportTasks calls", calls)


def _covered_share() -> cloudwatch.IWidget:
    share = own_metric("CoveredShare", "Minimum")
    return _graph("Percent of the agents' history stored (left), gaps (right)", [share], right=[_state("CoverageGaps")])


def _starts() -> cloudwatch.IWidget:
    return _graph("Starts of exports", [own_metric(name, "Sum") for name in ("ExportsStarted", "StartsRefused")])


def _blocked() -> cloudwatch.IWidget:
    seconds = [_state(name) for name in ("BlockedSeconds", "SecondsWithoutProgress")]
    return _graph(
        "Seconds blocked and without progress (left), agents given up (right)", seconds, right=[_state("AgentsStopped")]
    )


def _state(name: str) -> cloudwatch.IMetric:
    return own_metric(name, "Maximum")


def _alarm_status(alarms: Sequence[cloudwatch.IAlarm]) -> cloudwatch.IWidget:
    return cloudwatch.AlarmStatusWidget(alarms=list(alarms), title="Alarms", width=WIDTH, height=HEIGHT)


def _runs(machine: sfn.StateMachine) -> cloudwatch.IWidget:
    runs = [machine.metric_started, machine.metric_succeeded, machine.metric_failed, machine.metric_timed_out]
    return _graph("Runs", [metric(period=METRICS_PERIOD, statistic="Sum") for metric in runs])


def _function_errors(functions: Functions) -> cloudwatch.IWidget:
    return _graph(
        "Function errors (left), throttles (right)",
        [_function_metric(function, "Errors") for function in functions.all],
        right=[_function_metric(function, "Throttles") for function in functions.all],
    )


def _function_metric(function: lambda_.Function, name: str) -> cloudwatch.Metric:
    return function.metric(name, period=METRICS_PERIOD, statistic="Sum", label=f"{function.node.id} {name.lower()}")


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
