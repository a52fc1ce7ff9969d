"""Each alarm rings when its condition is true. The local AWS has few metrics of its own, so they are put by hand."""

import pytest

from local.stack.aws import LocalAws
from tests.local.alarms import Alarms

FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
ALARMS = (
    "RunsFailed",
    "RunsTimedOut",
    "ExportLate",
    "AnnouncementsDeadLetters",
    *(f"{name}{trouble}" for name in FUNCTIONS for trouble in ("Errors", "Throttles")),
)


@pytest.fixture(scope="module")
def alarms(aws: LocalAws) -> Alarms:
    return Alarms(aws, "DiscoveryExports")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_rings_when_its_metric_is_above_the_threshold(alarms: Alarms, name: str) -> None:
    alarms.put_above_threshold(name)

    alarms.rings(name)


def test_every_alarm_of_the_stack_is_tried(alarms: Alarms) -> None:
    assert len(alarms.all()) == len(ALARMS)


def test_the_dashboard_is_there_under_the_name_that_the_stack_tells(aws: LocalAws) -> None:
    dashboard = aws.client("cloudwatch").get_dashboard(DashboardName=aws.outputs["DashboardName"])

    for question in ("Is everything landed?", "What is late?", "What broke?"):
        assert question in dashboard["DashboardBody"]
