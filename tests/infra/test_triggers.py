"""Triggers that start runs, and roles that only these triggers can assume."""

import json
import re
from typing import Any

import pytest

from infra.settings.collect import Agents, Collect
from infra.settings.rules import SettingsError
from infra.settings.schedule import Schedule
from infra.settings.settings import Settings
from tests.infra.synthesis import DAILY, EVERYTHING, of_stack
from tests.infra.template import Template, many
from tests.infra.test_permissions import LOG_DELIVERIES


def test_there_are_no_triggers_by_default(template: Template) -> None:
    assert not template.of_type("AWS::Scheduler::Schedule")
    rules = [name for name in template.of_type("AWS::Events::Rule") if not name.startswith("Watching/")]
    assert rules == ["Announcements/NotStored"]


def test_schedules_have_expression_time_zone_and_input(triggers: Template) -> None:
    hourly, daily = (triggers.properties(f"Schedules/Schedule{number}") for number in (1, 2))

    assert (hourly["ScheduleExpression"], hourly["ScheduleExpressionTimezone"]) == ("rate(1 hour)", "UTC")
    assert json.loads(hourly["Target"]["Input"]) == {}
    assert (daily["ScheduleExpression"], daily["ScheduleExpressionTimezone"]) == ("cron(0 6 * * ? *)", "Europe/Berlin")
    assert json.loads(daily["Target"]["Input"]) == {"deadlineMinutes": 30}
    assert hourly["FlexibleTimeWindow"] == {"MaximumWindowInMinutes": 5, "Mode": "FLEXIBLE"}
    assert hourly["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20}
    assert triggers.text(hourly["Target"]["Arn"]) == "<Workflow/StateMachine>"
    assert triggers.text(hourly["Target"]["DeadLetterConfig"]["Arn"]) == "<Schedules/DeadLetters.Arn>"


def test_rule_matches_only_successful_calls_in_this_account_and_region(triggers: Template) -> None:
    rule = triggers.properties("CloudTrail/StartExportTask")

    assert rule["EventPattern"] == {
        "source": ["aws.discovery", "tests"],
        "account": [{"Ref": "AWS::AccountId"}],
        "region": [{"Ref": "AWS::Region"}],
        "detail-type": ["AWS API Call via CloudTrail"],
        "detail": {
            "eventSource": ["discovery.amazonaws.com"],
            "eventName": ["StartExportTask"],
            "recipientAccountId": [{"Ref": "AWS::AccountId"}],
            "awsRegion": [{"Ref": "AWS::Region"}],
            "errorCode": [{"exists": False}],
            "responseElements": {"exportId": [{"exists": True}]},
        },
    }
    (target,) = rule["Targets"]
    transformer = target["InputTransformer"]
    paths = {f"<{name}>": path for name, path in transformer["InputPathsMap"].items()}
    template = json.loads(re.sub("<[^>]+>", lambda found: json.dumps(paths[found[0]]), transformer["InputTemplate"]))
    assert template == {"exportId": "$.detail.responseElements.exportId", "eventId": "$.detail.eventID"}
    assert triggers.text(target["Arn"]) == "<CloudTrail/Starter>"
    assert triggers.text(target["DeadLetterConfig"]["Arn"]) == "<CloudTrail/DeadLetters.Arn>"


def test_the_rule_ignores_the_exports_that_the_collector_starts(everything: Template) -> None:
    """It starts runs for them itself. Calls of an IAM user have no issuer."""
    own = of_stack(Settings(collect=Collect(agents=Agents()), cloud_trail_trigger=True))

    assert issuers(own) == [{"anything-but": ["<Functions/CollectExportsRole.Arn>"]}, {"exists": False}]
    assert issuers(everything) == [{"anything-but": [EVERYTHING.discovery_role_arn]}, {"exists": False}]


def issuers(template: Template) -> list[Any]:
    """What the rule matches as the role whose session calls StartExportTask."""
    detail = template.properties("CloudTrail/StartExportTask")["EventPattern"]["detail"]
    (anything_but, exists) = detail["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"]
    return [{"anything-but": [template.text(role) for role in anything_but["anything-but"]]}, exists]


@pytest.mark.parametrize(
    ("state", "then"), [("Start run", "Start another run"), ("Start another run", "Started already")]
)
def test_a_start_is_retried_with_backoff_unless_the_run_exists(triggers: Template, state: str, then: str) -> None:
    starter = json.loads(triggers.text(triggers.properties("CloudTrail/Starter")["DefinitionString"]))

    start = starter["States"][state]
    run_exists, retry = start["Retry"]
    (catch,) = start["Catch"]
    assert run_exists == {"ErrorEquals": catch["ErrorEquals"], "MaxAttempts": 0}
    assert {"StepFunctions.ExecutionAlreadyExistsException", "ExecutionAlreadyExists"} == set(catch["ErrorEquals"])
    assert (catch["Next"], catch["Output"]) == (then, "{% $states.input %}")
    assert set(retry["ErrorEquals"]) == {"States.TaskFailed", "States.Timeout"}
    assert retry["JitterStrategy"] == "FULL"
    intervals = [retry["IntervalSeconds"] * retry["BackoffRate"] ** number for number in range(retry["MaxAttempts"])]
    longest = sum(min(wait, retry["MaxDelaySeconds"]) for wait in intervals)
    assert 20 * 60 < longest < starter["TimeoutSeconds"] / 2


def test_attack_03_no_state_of_the_starter_reads_what_others_wrote(triggers: Template) -> None:
    """An input of 256 KiB in the answer of DescribeExecution is States.DataLimitExceeded, which nothing catches."""
    states = json.loads(triggers.text(triggers.properties("CloudTrail/Starter")["DefinitionString"]))["States"]
    start, another = (states[name] for name in ("Start run", "Start another run"))

    assert set(states) == {"Start run", "Start another run", "Started already"}
    assert start["Resource"] == another["Resource"]
    assert start["Resource"].endswith(":states:startExecution")
    assert another["Arguments"]["Input"] == start["Arguments"]["Input"]
    assert "$states.input.eventId" in another["Arguments"]["Name"], "nobody can know the name before"
    assert "$states.input.eventId" not in start["Arguments"]["Name"]


@pytest.mark.parametrize(
    "resource",
    [
        "Schedules/Role",
        "Schedules/Schedule1",
        "Schedules/Schedule2",
        "CloudTrail/Starter",
        "CloudTrail/StartExportTask",
    ],
)
def test_a_trigger_is_created_after_the_permission_to_start_batches(triggers: Template, resource: str) -> None:
    """Otherwise a schedule that fires during the first deployment starts a run that fails."""
    earlier = [triggers.names[logical_id] for logical_id in many(triggers.resource(resource)["DependsOn"])]

    assert "Workflow/Children" in earlier


ANYWHERE = ":<AWS::Region>:<AWS::AccountId>:"


@pytest.mark.parametrize(
    ("role", "service", "source", "allowed"),
    [
        (
            "Schedules/Role",
            "scheduler",
            f"scheduler{ANYWHERE}schedule-group/default",
            [
                "sqs:SendMessage on <Schedules/DeadLetters.Arn>",
                "states:StartExecution on <Workflow/StateMachine>",
            ],
        ),
        (
            "CloudTrail/RuleRole",
            "events",
            f"events{ANYWHERE}rule/*",
            ["states:StartExecution on <CloudTrail/Starter>"],
        ),
        (
            "CloudTrail/StarterRole",
            "states",
            f"states{ANYWHERE}stateMachine:*",
            [
                *(f"logs:{action} on *" for action in LOG_DELIVERIES),
                "states:StartExecution on <Workflow/StateMachine>",
            ],
        ),
    ],
)
def test_fault_27_roles_may_start_only_this_workflow(
    triggers: Template, role: str, service: str, source: str, allowed: list[str]
) -> None:
    (trusted,) = triggers.properties(role)["AssumeRolePolicyDocument"]["Statement"]

    assert triggers.permissions(role) == allowed
    assert trusted["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert trusted["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert triggers.text(trusted["Condition"]["ArnLike"]["aws:SourceArn"]) == f"arn:<AWS::Partition>:{source}"


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 hour)",
        "rate(90 minutes)",
        "cron(0/15 8-18 ? * MON-FRI *)",
        "cron(0 6 L * ? *)",
        "cron(0,30 */2 15W JAN-mar,12 ? 2026-2030)",
        "cron(0 22 ? * 6#3 *)",
        "at(2027-01-31T06:00:00)",
    ],
)
def test_valid_expressions_are_accepted(expression: str) -> None:
    assert Schedule(expression=expression).timezone == "UTC"


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"expression": "every hour"}, "expression must be"),
        ({"expression": "rate(0 hours)"}, "expression must be"),
        ({"expression": "rate(1 week)"}, "expression must be"),
        ({"expression": "cron(0 6 * * *)"}, "expression must be"),
        ({"expression": "cron(0 6 * * * *)"}, "expression must be"),
        ({"expression": "cron(0 6 ? * ? *)"}, "expression must be"),
        ({"expression": 5}, "expression must be"),
        ({"expression": "cron(60 6 * * ? *)"}, "expression must be"),
        ({"expression": "cron(0 24 * * ? *)"}, "expression must be"),
        ({"expression": "cron(0 6 32 * ? *)"}, "expression must be"),
        ({"expression": "cron(0 6 * 13 ? *)"}, "expression must be"),
        ({"expression": "cron(0 6 ? * FRY *)"}, "expression must be"),
        ({"expression": "cron(0 6 * * ? 99)"}, "expression must be"),
        ({"expression": "cron(0/0 6 * * ? *)"}, "expression must be"),
        ({"expression": "cron(0/75 * * * ? *)"}, "expression must be"),
        ({"expression": "cron(0 6 * */40 ? *)"}, "expression must be"),
        ({"expression": "at(2027-02-30T06:00:00)"}, "expression must name a date"),
        ({"expression": "cron(0 6, * * ? *)"}, "expression must be"),
        ({"expression": "at(2027-13-45T99:99:99)"}, "expression must be"),
        ({"expression": "rate(1 hour)", "timezone": "Berlin"}, "timezone must be"),
        ({"expression": "rate(1 hour)", "timezone": None}, "timezone must be"),
        ({"expression": "rate(1 hour)", "input": {"exportIds": []}}, "input would be refused"),
        ({"expression": "rate(1 hour)", "input": {"deadline": 5}}, "input would be refused"),
        ({"expression": "rate(1 hour)", "input": []}, "input would be refused"),
        ({"expression": "rate(1 hour)", "when": "now"}, "when is unknown"),
        ({"expression": "every hour", "timezone": "Berlin"}, "not 'every hour'; schedule 2: timezone must be"),
        ({}, "expression is needed"),
        ("rate(1 hour)", "must hold expression, timezone, input, not 'rate(1 hour)'"),
    ],
)
def test_bad_input_31_an_invalid_schedule_is_rejected_by_name_at_synth(schedule: object, message: str) -> None:
    with pytest.raises(SettingsError) as rejected:
        Settings.from_context({"schedules": [{"expression": "rate(1 day)"}, schedule]})

    assert rejected.value.faults["schedules"].startswith("schedule 2")
    assert message in rejected.value.faults["schedules"]


@pytest.mark.parametrize(
    "given",
    [
        {"exportIds": None, "deadlineMinutes": 30},
        {"filters": None, "onFailure": None, "correlationId": None},
        {"deadlineMinutes": None, "CONTEXT": {"x": 1}, "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn"},
        None,
    ],
)
def test_bad_input_42_43_null_counts_as_left_out_in_the_input_of_a_schedule(given: object) -> None:
    settings = Settings.from_context({"schedules": [{"expression": "rate(1 day)", "input": given}]})

    assert settings.schedules[0].input == (given or {})


@pytest.mark.parametrize("value", [5, "rate(1 hour)", '{"expression": "rate(1 hour)"}', {"expression": "rate(1 hour)"}])
def test_bad_input_31_schedules_that_are_not_a_list_are_rejected(value: object) -> None:
    with pytest.raises(SettingsError, match="schedules: must be a list"):
        Settings.from_context({"schedules": value})


def test_schedules_may_come_from_the_command_line() -> None:
    settings = Settings.from_context({"schedules": f"[{DAILY.model_dump_json()}]", "cloudTrailTrigger": "true"})

    assert settings.schedules == (DAILY,)
    assert settings.cloud_trail_trigger
