"""Each alarm rings when its condition is true. The local AWS has few metrics of its own, so they are put by hand."""

from typing import TYPE_CHECKING, Any

import pytest

from local.aws import LocalAws
from tests.local.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

OURS = "DiscoveryExports-ExportsWatching"
"""What CloudFormation begins the names with; other tests deploy other stacks beside this one."""
FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
ALARMS = (
    "RunsFailed",
    "RunsTimedOut",
    "ExportLate",
    "AnnouncementsDeadLetters",
    *(f"{name}{trouble}" for name in FUNCTIONS for trouble in ("Errors", "Throttles")),
)


@pytest.fixture(scope="module")
def watch(aws: LocalAws) -> "CloudWatchClient":
    client: CloudWatchClient = aws.client("cloudwatch")
    return client


def alarm(watch: "CloudWatchClient", name: str) -> dict[str, Any]:
    """The one alarm of that construct; CloudFormation puts the stack's name before it and a hash behind it."""
    alarms = watch.describe_alarms(AlarmNamePrefix=OURS)["MetricAlarms"]
    (found,) = (each for each in alarms if each["AlarmName"].startswith(f"{OURS}{name}"))
    return dict(found)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_rings_when_its_metric_is_above_the_threshold(watch: "CloudWatchClient", name: str) -> None:
    found = alarm(watch, name)
    point: Any = {"MetricName": found["MetricName"], "Dimensions": found["Dimensions"], "Value": found["Threshold"] + 1}

    watch.put_metric_data(Namespace=found["Namespace"], MetricData=[point])

    until(lambda: alarm(watch, name)["StateValue"] == "ALARM", seconds=20, what=f"{name} rings")


def test_every_alarm_of_the_stack_is_tried(watch: "CloudWatchClient") -> None:
    assert len(watch.describe_alarms(AlarmNamePrefix=OURS)["MetricAlarms"]) == len(ALARMS)


def test_the_dashboard_is_there_under_the_name_that_the_stack_tells(aws: LocalAws, watch: "CloudWatchClient") -> None:
    dashboard = watch.get_dashboard(DashboardName=aws.outputs["DashboardName"])

    for question in ("Is everything landed?", "What is late?", "What broke?"):
        assert question in dashboard["DashboardBody"]
