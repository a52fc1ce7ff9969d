"""Each alarm goes into ALARM when its condition is true. The tests publish the metrics: few exist on the local AWS."""

import pytest

from local.stack.aws import LocalAws
from tests.local.alarms import Alarms

FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
ALARMS = (
    "RunsFailed",
    "RunsTimedOut",
    "ExportLate",
    "AnnouncementsDeadLetters",
    *(f"{name}{fault}" for name in FUNCTIONS for fault in ("Errors", "Throttles")),
)


@pytest.fixture(scope="module")
def alarms(aws: LocalAws) -> Alarms:
    return Alarms(aws, "DiscoveryExports")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_in_alarm_when_its_metric_is_above_the_threshold(alarms: Alarms, name: str) -> None:
    alarms.put_above_threshold(name)

    alarms.wait_for_alarm(name)


def test_every_alarm_of_the_stack_is_tested(alarms: Alarms) -> None:
    assert len(alarms.all()) == len(ALARMS)


def test_the_dashboard_has_the_name_in_the_outputs_of_the_stack(aws: LocalAws) -> None:
    dashboard = aws.client("cloudwatch").get_dashboard(DashboardName=aws.outputs["DashboardName"])

    for question in ("Is everything stored?", "What is late?", "What failed?"):
        assert question in dashboard["DashboardBody"]
