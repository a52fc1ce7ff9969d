"""The collector: nothing of it by default, and with the setting ``collect`` only what it uses."""

import json
from typing import Any

import pytest

from exports.collecting.setting import CollectSetting, read_collect
from infra.settings.collect import MAX_AGENTS, Agents, Collect
from infra.settings.rules import SettingsError
from infra.settings.settings import Existing, Settings
from tests.infra.synthesis import of_stack
from tests.infra.template import Template
from tests.infra.test_monitoring import alarms, condition
from tests.infra.test_permissions import EVENTS, LOG_DELIVERIES

STARTING = ("StartExportTask", "DescribeAgents", "ListConfigurations")
"""Actions that nothing else uses."""


# Off by default


@pytest.mark.parametrize("fixture", ["template", "triggers", "bare"])
def test_without_the_setting_the_stack_has_none_of_it(fixture: str, request: pytest.FixtureRequest) -> None:
    """No resource, permission, environment variable, alarm, metric or output."""
    template = request.getfixturevalue(fixture)
    document = json.dumps(template.document)

    assert not [name for name in template.names.values() if "ollect" in name]
    assert "ollecting" not in document
    assert "COLLECT" not in document
    assert not [action for action in STARTING if f'"discovery:{action}"' in document]
    assert "CollectorStateMachineArn" not in template.document.get("Outputs", {})


def test_with_the_setting_the_rest_of_the_stack_is_the_same(template: Template, collecting: Template) -> None:
    """Except for the alarms, the dashboard, the rules of the new alarms that may use the dead-letter queue, and the
    function that writes the status page.
    """
    changed = [
        name
        for name in template.names.values()
        if template.resource(name) != collecting.resource(name) and not name.startswith("Watching/")
    ]

    assert changed == ["Announcements/DeadLetters/Policy", "Functions/ReportRunRole", "Functions/ReportRun"]


# The settings


def read(collect: Any) -> Collect | None:
    return Settings.from_context({"collect": collect}).collect


@pytest.mark.parametrize("none", [None, "", "null"])
def test_collecting_may_be_off(none: object) -> None:
    assert read(none) is None


def test_a_setting_may_come_from_the_command_line() -> None:
    assert read('{"agents": {"ids": "all"}}') == Collect(agents=Agents())


def test_the_function_gets_the_setting_without_schedules_and_null() -> None:
    preferences = {
        "enabled": True,
        "cpuPerformanceMetricBasis": {"name": "p95", "percentageAdjust": 10},
        "excludedInstanceTypes": ["m5.large"],
        "preferredRegion": "us-gov-west-1",
        "reservedInstanceOptions": {
            "purchasingOption": "NO_UPFRONT",
            "offeringClass": "STANDARD",
            "termLength": "ONE_YEAR",
        },
    }
    collect = read(
        {
            "summary": "rate(7 days)",
            "recommendations": {"schedule": "cron(0 3 1 * ? *)", "preferences": preferences},
            "agents": {"ids": ["o-0123456789"], "since": None, "order": "oldest-first"},
            "maxStartsPerDay": None,
        }
    )

    assert collect
    assert collect.payload() == {
        "summary": True,
        "recommendations": {"preferences": {key: each for key, each in preferences.items() if key != "enabled"}},
        "agents": {"ids": ["o-0123456789"], "order": "oldest-first"},
    }
    assert Collect(agents=Agents()).payload() == {"agents": {"ids": "all", "order": "newest-first"}}


@pytest.mark.parametrize(
    ("collect", "fault"),
    [
        (5, "must hold summary, recommendations, agents, maxStartsPerDay, not 5"),
        ("{", "must hold summary, recommendations, agents, maxStartsPerDay, not '{'"),
        ([], "must hold summary, recommendations, agents, maxStartsPerDay, not []"),
        ({"sumary": "rate(1 day)"}, "sumary is unknown"),
        ({"summary": "daily"}, "summary must be rate(…) or cron(…) with six fields, not 'daily'"),
        ({"summary": "at(2027-01-31T06:00:00)"}, "summary must be rate(…) or cron(…) with six fields"),
        ({"summary": "cron(0 6 * * *)"}, "summary must be rate(…) or cron(…) with six fields"),
        ({"summary": 5}, "summary must be rate(…) or cron(…) with six fields, not 5"),
        ({"recommendations": {}}, "recommendations schedule is needed"),
        ({"recommendations": {"schedule": "x"}}, "recommendations schedule must be rate(…) or cron(…)"),
        ({"agents": "all"}, "agents must hold ids, since, order, not 'all'"),
        ({"agents": {"id": "all"}}, "agents id is unknown"),
        ({"agents": {"ids": []}}, 'agents ids must be "all", or a list of 1 to 1,000 agent IDs, not []'),
        ({"agents": {"ids": "every"}}, 'agents ids must be "all", or a list'),
        ({"agents": {"ids": ["a b"]}}, 'agents ids must be "all", or a list'),
        ({"agents": {"ids": ["{% $states %}"]}}, 'agents ids must be "all", or a list'),
        ({"agents": {"ids": ["o-1"] * (MAX_AGENTS + 1)}}, 'agents ids must be "all", or a list'),
        ({"agents": {"since": "2026-02-30"}}, "agents since must be a date that exists, not '2026-02-30'"),
        ({"agents": {"since": "30 days"}}, "agents since must be a date (yyyy-mm-dd) or null, not '30 days'"),
        ({"agents": {"since": 20260101}}, "agents since must be a date (yyyy-mm-dd) or null, not 20260101"),
        ({"agents": {"order": "newest"}}, 'agents order must be "newest-first" or "oldest-first", not \'newest\''),
        ({"agents": {}, "maxStartsPerDay": 0}, "maxStartsPerDay must be a whole number from 1 to 1000, not 0"),
        ({"agents": {}, "maxStartsPerDay": True}, "maxStartsPerDay must be a whole number from 1 to 1000, not True"),
        ({"agents": {}, "max_starts_per_day": 2}, "maxStartsPerDay is unknown"),
    ],
)
def test_an_invalid_setting_is_rejected_with_its_place(collect: object, fault: str) -> None:
    with pytest.raises(SettingsError) as rejected:
        read(collect)

    assert list(rejected.value.faults) == ["collect"]
    assert rejected.value.faults["collect"].startswith(fault)


@pytest.mark.parametrize(
    ("preferences", "fault"),
    [
        ({"enabled": False}, "enabled must be true: the export has no other contents, not False"),
        ({"tenancy": "HOST"}, "tenancy must be DEDICATED or SHARED, not 'HOST'"),
        ({"tenency": "SHARED"}, "tenency is unknown"),
        ({"cpuPerformanceMetricBasis": 95}, "cpuPerformanceMetricBasis must hold name, percentageAdjust, not 95"),
        ({"cpuPerformanceMetricBasis": {"name": "p101"}}, "cpuPerformanceMetricBasis name must be p0 to p100, AVG"),
        (
            {"ramPerformanceMetricBasis": {"percentageAdjust": 100.5}},
            "ramPerformanceMetricBasis percentageAdjust must be a number from 0 to 100, not 100.5",
        ),
        ({"excludedInstanceTypes": "m5.large"}, "excludedInstanceTypes must be a list of instance types"),
        ({"excludedInstanceTypes": ["m5 large"]}, "excludedInstanceTypes must be a list of instance types"),
        ({"preferredRegion": "Frankfurt"}, "preferredRegion must be a Region, not 'Frankfurt'"),
        ({"reservedInstanceOptions": {}}, "reservedInstanceOptions purchasingOption is needed"),
        (
            {"reservedInstanceOptions": {"termLength": "TWO_YEAR"}},
            "reservedInstanceOptions termLength must be ONE_YEAR or THREE_YEAR, not 'TWO_YEAR'",
        ),
    ],
)
def test_preferences_are_those_of_the_api(preferences: object, fault: str) -> None:
    with pytest.raises(SettingsError) as rejected:
        read({"recommendations": {"schedule": "rate(7 days)", "preferences": preferences}})

    assert f"recommendations preferences {fault}" in rejected.value.faults["collect"]


# The resources


def definition(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(template.text(template.properties("Collector/StateMachine")["DefinitionString"]))
    return found


def test_a_tick_starts_exports_and_a_run_that_stores_them(collecting: Template) -> None:
    states = definition(collecting)["States"]
    collect, choice, run = (states[name] for name in ("Collect exports", "Anything to store?", "Start run"))

    assert collect["Arguments"]["FunctionName"] == "<Functions/CollectExports.Arn>"
    assert collect["Next"] == "Anything to store?"
    assert (choice["Choices"][0]["Next"], choice["Default"]) == ("Start run", "Could it call the service?")
    assert run["Resource"].endswith(":states:startExecution"), "does not wait for the run"
    assert run["Arguments"] == {
        "StateMachineArn": "<Workflow/StateMachine>",
        "Name": "{% 'collect-' & $hash($states.context.Execution.Name, 'SHA-256') %}",
        "Input": {"exportIds": "{% $states.input.exportIds %}", "onFailure": "report"},
    }
    assert len(states) == 6, "four of them in most ticks"


def test_a_tick_with_a_failure_fails_also_after_it_has_started_a_run(collecting: Template) -> None:
    states = definition(collecting)["States"]
    run, choice = states["Start run"], states["Could it call the service?"]

    assert run["Next"] == "Could it call the service?"
    assert run["Output"] == run["Catch"][0]["Output"] == "{% $states.input %}"
    assert [each["Next"] for each in choice["Choices"]] == ["Call failed"]
    assert states[choice["Default"]] == {"Type": "Succeed"}
    assert states["Call failed"] == {
        "Type": "Fail",
        "Error": "{% $states.input.failure.error %}",
        "Cause": "{% $states.input.failure.cause %}",
    }


def test_a_start_that_is_repeated_is_one_run(collecting: Template) -> None:
    run = definition(collecting)["States"]["Start run"]

    taken, others = run["Retry"]
    assert taken == {"ErrorEquals": run["Catch"][0]["ErrorEquals"], "MaxAttempts": 0}
    assert others["ErrorEquals"] == ["States.TaskFailed", "States.Timeout"]
    assert run["Catch"][0]["Next"] == run["Next"]


def test_a_tick_that_keeps_failing_fails_and_is_not_caught(collecting: Template) -> None:
    collect = definition(collecting)["States"]["Collect exports"]

    assert "Catch" not in collect
    assert collect["Retry"][0] == {"ErrorEquals": ["NonRetryableError"], "MaxAttempts": 0}
    waits = [
        sum(min(each["IntervalSeconds"] * each["BackoffRate"] ** n, each["MaxDelaySeconds"]) for n in range(times))
        for each in collect["Retry"][1:]
        for times in [each["MaxAttempts"]]
    ]
    timeouts = (collect["Retry"][-1]["MaxAttempts"] + 1) * collect["TimeoutSeconds"]
    assert sum(waits) + timeouts < definition(collecting)["TimeoutSeconds"]


def test_a_thousand_agents_fit_into_the_definition_and_the_payload() -> None:
    ids = tuple(f"o-{number:018}" for number in range(MAX_AGENTS))
    template = of_stack(Settings(collect=Collect(agents=Agents(ids=ids))))

    payload = definition(template)["States"]["Collect exports"]["Arguments"]["Payload"]
    assert payload["collect"]["agents"]["ids"] == list(ids)
    assert payload["input"] == "{% $states.input %}"
    assert len(json.dumps(payload)) < 200_000, "of 262,144"
    assert len(json.dumps(template.document)) < 1_000_000, "the limit of CloudFormation"


def test_the_schedules_start_the_collector(collecting: Template) -> None:
    found = {name: each["Properties"] for name, each in collecting.of_type("AWS::Scheduler::Schedule").items()}

    assert {name: each["ScheduleExpression"] for name, each in found.items()} == {
        "Collector/Tick": "rate(15 minutes)",
        "Collector/Summary": "rate(7 days)",
        "Collector/Recommendations": "cron(0 3 1 * ? *)",
    }
    for name, each in found.items():
        due = {"due": name.partition("/")[2].lower(), "scheduledAt": "<aws.scheduler.scheduled-time>"}
        assert json.loads(each["Target"]["Input"]) == ({} if name == "Collector/Tick" else due)
        assert collecting.text(each["Target"]["Arn"]) == "<Collector/StateMachine>"
        assert collecting.text(each["Target"]["RoleArn"]) == "<Collector/Role.Arn>"
        assert collecting.text(each["Target"]["DeadLetterConfig"]["Arn"]) == "<Collector/DeadLetters.Arn>"
        assert collecting.resource(name)["DependsOn"], "on the permission to start batches"


def test_only_what_is_collected_has_a_schedule() -> None:
    template = of_stack(Settings(collect=Collect(agents=Agents())))

    assert list(template.of_type("AWS::Scheduler::Schedule")) == ["Collector/Tick"]


@pytest.mark.parametrize("pause", [{}, dict.fromkeys(("summary", "recommendations", "agents", "maxStartsPerDay"))])
def test_a_pause_keeps_the_table_and_starts_nothing(collecting: Template, pause: object) -> None:
    """The schedule of the ticks stays, too, because exports that were started before the pause are followed."""
    paused = of_stack(Settings.from_context({"collect": pause}))

    payload = definition(paused)["States"]["Collect exports"]["Arguments"]["Payload"]
    assert read_collect(payload["collect"]) == CollectSetting()
    assert list(paused.of_type("AWS::Scheduler::Schedule")) == ["Collector/Tick"]
    (table,) = (each for each, name in paused.names.items() if name == "Storage/Collecting")
    assert paused.document["Resources"][table] == collecting.document["Resources"][table]


def test_the_table_is_protected_as_the_catalog_is(collecting: Template, everything: Template) -> None:
    table, catalog = collecting.resource("Storage/Collecting"), collecting.resource("Storage/Catalog")

    assert table["Properties"]["KeySchema"] == [{"AttributeName": "agentId", "KeyType": "HASH"}]
    for part in ("DeletionPolicy", "UpdateReplacePolicy"):
        assert table[part] == catalog[part]
    recovery = {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["Replicas"][0]["PointInTimeRecoverySpecification"] == recovery
    encrypted = [everything.properties(f"Storage/{name}") for name in ("Collecting", "Catalog")]
    assert encrypted[0]["SSESpecification"] == encrypted[1]["SSESpecification"]
    keys = [each["Replicas"][0]["SSESpecification"]["KMSMasterKeyId"] for each in encrypted]
    assert keys[0] == keys[1]


def test_the_function_knows_the_table(collecting: Template) -> None:
    variables = collecting.properties("Functions/CollectExports")["Environment"]["Variables"]

    assert collecting.text(variables["COLLECTING_TABLE_NAME"]) == "<Storage/Collecting>"
    assert variables["NOT_FOUND_GRACE_SECONDS"] == "600"
    assert collecting.document["Outputs"].keys() >= {"CollectorStateMachineArn", "CollectingTableName"}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (
            "Functions/CollectExportsRole",
            [
                *(f"discovery:{action} on *" for action in (*STARTING, "DescribeExportTasks")),
                "dynamodb:BatchGetItem on <Storage/Catalog.Arn>",
                "dynamodb:UpdateItem on <Storage/Catalog.Arn>",
                *(f"dynamodb:{action} on <Storage/Collecting.Arn>" for action in ("Scan", "PutItem", "DeleteItem")),
                "logs:CreateLogStream on <Functions/CollectExportsLogs.Arn>",
                "logs:PutLogEvents on <Functions/CollectExportsLogs.Arn>",
                EVENTS,
            ],
        ),
        (
            "Collector/MachineRole",
            [
                "lambda:InvokeFunction on <Functions/CollectExports.Arn>",
                "states:StartExecution on <Workflow/StateMachine>",
                *(f"logs:{action} on *" for action in LOG_DELIVERIES),
            ],
        ),
        (
            "Collector/Role",
            [
                "sqs:SendMessage on <Collector/DeadLetters.Arn>",
                "states:StartExecution on <Collector/StateMachine>",
            ],
        ),
    ],
)
def test_each_role_has_only_what_it_uses(collecting: Template, role: str, allowed: list[str]) -> None:
    assert collecting.permissions(role) == sorted(allowed)


def test_no_other_role_may_start_an_export_or_touch_the_table(collecting: Template) -> None:
    used = (*(f"discovery:{action}" for action in STARTING), "Storage/Collecting")
    roles = [
        role
        for role in collecting.of_type("AWS::IAM::Role")
        if any(part in line for line in collecting.permissions(role) for part in used)
    ]

    assert roles == ["Functions/ReportRunRole", "Functions/CollectExportsRole"]
    table = [line for line in collecting.permissions("Functions/ReportRunRole") if "Collecting" in line]
    assert table == ["dynamodb:Scan on <Storage/Collecting.Arn>"], "to show the coverage on the status page"


def test_with_a_role_of_another_account_the_function_may_only_assume_it(everything: Template) -> None:
    allowed = everything.permissions("Functions/CollectExportsRole")

    assert "sts:AssumeRole on arn:aws:iam::111122223333:role/exports-reader" in allowed
    assert not [line for line in allowed if line.startswith("discovery:")]


def test_an_existing_table_can_be_used() -> None:
    template = of_stack(
        Settings(collect=Collect(agents=Agents())), existing=Existing(collecting_table_name="our-agents")
    )

    assert "Storage/Collecting" not in template.names.values()
    variables = template.properties("Functions/CollectExports")["Environment"]["Variables"]
    assert variables["COLLECTING_TABLE_NAME"] == "our-agents"


# Monitoring


def test_the_collector_has_alarms(collecting: Template, template: Template) -> None:
    own = alarms(collecting).keys() - alarms(template).keys()

    assert {name: condition(collecting, alarms(collecting)[name]) for name in own} == {
        "CollectorFailed": "ExecutionsFailed of <Collector/StateMachine>, Sum > 0, 2 of 12",
        "CollectingBlocked": "BlockedSeconds of discovery-exports, Maximum > 86400, 1 of 1",
        "AgentsStopped": "AgentsStopped of discovery-exports, Maximum > 0, 1 of 1",
        "CollectingStalled": "SecondsWithoutProgress of discovery-exports, Maximum > 604800, 1 of 1",
        "CollectorDeadLetters": "ApproximateNumberOfMessagesVisible of <Collector/DeadLetters.QueueName>, "
        "Maximum > 0, 1 of 1",
        "CollectExportsErrors": "Errors of <Functions/CollectExports>, Sum > 2, 1 of 1",
        "CollectExportsThrottles": "Throttles of <Functions/CollectExports>, Sum > 0, 2 of 3",
    }


def test_states_that_a_tick_measures_stay_between_two_ticks(collecting: Template) -> None:
    for name in ("CollectingBlocked", "AgentsStopped", "CollectingStalled"):
        assert alarms(collecting)[name]["TreatMissingData"] == "ignore"


def test_the_dashboard_has_a_row_for_it(collecting: Template, template: Template) -> None:
    pages = [each.text(each.properties("Watching/Dashboard")["DashboardBody"]) for each in (collecting, template)]

    assert ["What is covered?" in page for page in pages] == [True, False]
    for metric in ("CoveredShare", "CoverageGaps", "ExportsStarted", "StartsRefused", "AgentsStopped"):
        assert metric in pages[0]
