"""Each kind of failure has an alarm, and each alarm names a section of the runbook."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.aws_cloudwatch import CfnDashboard

from exports.outcomes.outcome import Outcome
from infra import dashboard
from infra.discovery_exports import DiscoveryExports
from infra.permissions import flat
from infra.settings.settings import Settings
from tests.infra.template import Template
from tests.infra.test_workflow import TASKS, states

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook.md"
FUNCTIONS = tuple(TASKS.values())


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    found = template.of_type("AWS::CloudWatch::Alarm")
    return {name.removeprefix("Watching/"): alarm["Properties"] for name, alarm in found.items()}


def condition(template: Template, alarm: dict[str, Any]) -> str:
    """``Metric of <dimension>, statistic > threshold, 2 of 3``."""
    of = ", ".join(template.text(dimension["Value"]) for dimension in alarm["Dimensions"])
    times = f"{alarm['DatapointsToAlarm']} of {alarm['EvaluationPeriods']}"
    return f"{alarm['MetricName']} of {of}, {alarm['Statistic']} > {alarm['Threshold']}, {times}"


def test_each_kind_of_failure_has_an_alarm(triggers: Template) -> None:
    found = {name: condition(triggers, alarm) for name, alarm in alarms(triggers).items()}

    queues = {name: f"<{name}/DeadLetters.QueueName>" for name in ("Announcements", "Schedules", "CloudTrail")}
    assert found == {
        "RunsFailed": "ExecutionsFailed of <Workflow/StateMachine>, Sum > 0, 1 of 1",
        "RunsTimedOut": "ExecutionsTimedOut of <Workflow/StateMachine>, Sum > 0, 1 of 1",
        "StartsFailed": "ExecutionsFailed of <CloudTrail/Starter>, Sum > 0, 1 of 1",
        "ExportLate": "OldestUnsettledSeconds of discovery-exports, Maximum > 86400, 1 of 13",
        **{
            f"{name}DeadLetters": f"ApproximateNumberOfMessagesVisible of {queue}, Maximum > 0, 1 of 1"
            for name, queue in queues.items()
        },
        **{f"{name}Errors": f"Errors of <Functions/{name}>, Sum > 2, 1 of 1" for name in FUNCTIONS},
        **{f"{name}Throttles": f"Throttles of <Functions/{name}>, Sum > 0, 2 of 3" for name in FUNCTIONS},
    }


def test_missing_data_keeps_the_state_only_for_queues_and_late_exports(triggers: Template) -> None:
    ignored = {name for name, alarm in alarms(triggers).items() if alarm["TreatMissingData"] == "ignore"}
    others = {alarm["TreatMissingData"] for name, alarm in alarms(triggers).items() if name not in ignored}

    assert ignored == {"ExportLate", *(f"{name}DeadLetters" for name in ("Announcements", "Schedules", "CloudTrail"))}
    assert others == {"notBreaching"}


def test_the_alarm_for_late_exports_stays_in_alarm_between_hourly_sweeps(triggers: Template) -> None:
    late, schedule = alarms(triggers)["ExportLate"], triggers.properties("Schedules/Schedule1")

    minutes = late["EvaluationPeriods"] * late["Period"] / 60
    assert late["DatapointsToAlarm"] == 1
    assert minutes >= 60 + schedule["FlexibleTimeWindow"]["MaximumWindowInMinutes"]


@pytest.mark.parametrize(("state", "function"), TASKS.items())
def test_a_task_that_fails_in_every_attempt_raises_its_alarm(triggers: Template, state: str, function: str) -> None:
    """All attempts are made within one period, so that the period counts an error for each attempt."""
    alarm, retry = alarms(triggers)[f"{function}Errors"], states(triggers.definition())[state]["Retry"][-1]

    waits = [retry["IntervalSeconds"] * retry["BackoffRate"] ** number for number in range(retry["MaxAttempts"])]
    assert sum(waits) < 60 < alarm["Period"]
    assert len(waits) + 1 > alarm["Threshold"]
    assert alarm["DatapointsToAlarm"] == 1


def test_each_alarm_names_a_section_of_the_runbook(triggers: Template) -> None:
    sections = {re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).replace(" ", "-") for line in headings()}

    for name, alarm in alarms(triggers).items():
        page, _, section = alarm["AlarmDescription"].rpartition(" ")[2].partition("#")
        assert (page, section in sections) == ("docs/runbook.md", True), name


def headings() -> list[str]:
    return [line for line in RUNBOOK.read_text("utf-8").splitlines() if line.startswith("## ")]


def rules(template: Template) -> list[dict[str, Any]]:
    found = template.of_type("AWS::Events::Rule")
    return [rule["Properties"] for name, rule in found.items() if name.startswith("Watching/")]


def test_state_changes_of_every_alarm_are_sent_to_the_topic(triggers: Template) -> None:
    arns = [triggers.text(arn) for rule in rules(triggers) for arn in rule["EventPattern"]["resources"]]

    assert sorted(arns) == sorted(f"<Watching/{name}.Arn>" for name in alarms(triggers))
    for rule in rules(triggers):
        (target,) = rule["Targets"]
        assert rule["EventPattern"]["source"] == ["aws.cloudwatch"]
        assert rule["EventPattern"]["detail-type"] == ["CloudWatch Alarm State Change"]
        assert triggers.text(target["Arn"]) == "<Announcements/Topic>"
        assert triggers.text(target["RoleArn"]) == "<Announcements/Publisher.Arn>"
        assert "EventBusName" not in rule


def test_the_first_data_of_an_alarm_sends_no_message(triggers: Template) -> None:
    for rule in rules(triggers):
        assert rule["EventPattern"]["detail"].keys() == {"$or"}
        into_alarm, back_to_ok = rule["EventPattern"]["detail"]["$or"]
        assert into_alarm == {"state": {"value": ["ALARM"]}}, "from any previous state"
        assert back_to_ok == {"state": {"value": ["OK"]}, "previousState": {"value": ["ALARM"]}}


def test_event_patterns_fit_with_the_longest_alarm_names(triggers: Template) -> None:
    for rule in rules(triggers):
        pattern = rule["EventPattern"]
        longest = ["x" * (255 + len("arn:aws-us-gov:cloudwatch:ap-southeast-2:123456789012:alarm:"))]
        size = len(json.dumps({**pattern, "resources": longest * len(pattern["resources"])}))
        assert size <= 2048


def test_metrics_are_those_of_this_stack_alone(triggers: Template) -> None:
    late = alarms(triggers)["ExportLate"]
    environment = triggers.properties("Functions/CheckExports")["Environment"]["Variables"]

    assert triggers.text(late["Namespace"]) == "DiscoveryExports/<AWS::StackName>"
    assert late["Namespace"] == environment["POWERTOOLS_METRICS_NAMESPACE"]
    assert late["Dimensions"] == [{"Name": "service", "Value": environment["POWERTOOLS_SERVICE_NAME"]}]


def test_the_stack_outputs_the_name_of_its_dashboard(triggers: Template) -> None:
    (dashboard,) = triggers.of_type("AWS::CloudWatch::Dashboard").values()

    name = triggers.text(dashboard["Properties"]["DashboardName"])
    assert re.fullmatch(r"DiscoveryExports-[\w-]+-<AWS::Region>", name), "names are shared by all Regions"
    assert "DashboardName" in triggers.document["Outputs"]


def test_the_name_of_the_dashboard_fits_for_the_longest_construct_id() -> None:
    stack = Stack(App(), "Theirs")
    exports = DiscoveryExports(stack, "E" * 250, settings=Settings())

    (dashboard,) = (each for each in exports.node.find_all() if isinstance(each, CfnDashboard))
    name = flat(stack.resolve(dashboard.dashboard_name))
    assert 200 < len(name.replace("<AWS::Region>", "ap-southeast-2")) <= 255


def test_monitoring_can_be_left_out(bare: Template) -> None:
    assert alarms(bare) == bare.of_type("AWS::CloudWatch::Dashboard") == {}
    assert "DashboardName" not in bare.document["Outputs"]


def test_the_dashboard_shows_every_outcome_and_the_data_of_stored_outcomes() -> None:
    assert tuple(Outcome) == dashboard.OUTCOMES
    assert tuple(outcome for outcome in Outcome if outcome.has_data) == dashboard.STORED_OUTCOMES
