"""The definition of the workflow. ``UPDATE_SNAPSHOTS=1 pytest tests/infra`` accepts its changes."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from exports.workflow.checking import LAMBDA_ERRORS
from infra.settings.settings import Settings
from tests.infra.template import Template

SNAPSHOT = Path(__file__).with_name("workflow.asl.json")
TASKS = {
    "Plan run": "PlanRun",
    "Check exports": "CheckExports",
    "Store export": "StoreExport",
    "Report run": "ReportRun",
}


def test_definition_equals_the_snapshot(definition: dict[str, Any]) -> None:
    text = json.dumps(definition, indent=2) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(text, "utf-8")

    assert text == SNAPSHOT.read_text("utf-8")


@pytest.mark.parametrize(("state", "function"), TASKS.items())
def test_task_invokes_its_function_with_a_longer_timeout(
    template: Template, definition: dict[str, Any], state: str, function: str
) -> None:
    task = states(definition)[state]
    limit = template.properties(f"Functions/{function}")["Timeout"]

    assert task["Arguments"]["FunctionName"] == f"<Functions/{function}.Arn>"
    assert limit < task["TimeoutSeconds"] <= limit + 60


@pytest.mark.parametrize("state", TASKS)
def test_fault_28_task_is_retried_with_backoff_and_jitter(definition: dict[str, Any], state: str) -> None:
    not_retried, _, retry = states(definition)[state]["Retry"]

    assert (not_retried["ErrorEquals"][0], not_retried["MaxAttempts"]) == ("NonRetryableError", 0)
    assert retry["ErrorEquals"] == ["States.TaskFailed", "States.Timeout"]
    assert retry["MaxAttempts"] >= 2
    assert retry["BackoffRate"] > 1
    assert retry["JitterStrategy"] == "FULL"
    assert retry["MaxDelaySeconds"] <= 60


@pytest.mark.parametrize(
    ("state", "minutes"), [("Plan run", 20), ("Check exports", 20), ("Store export", 4), ("Report run", 20)]
)
def test_fault_28_errors_of_lambda_are_retried_for_minutes(
    definition: dict[str, Any], state: str, minutes: int
) -> None:
    """``minutes`` on average: with full jitter, a delay is half of its maximum on average."""
    _, retry, _ = states(definition)[state]["Retry"]

    assert retry["ErrorEquals"][0] == "Lambda.TooManyRequestsException"
    assert retry["JitterStrategy"] == "FULL"
    assert sum(delays(retry)) / 2 >= minutes * 60
    assert max(delays(retry)) <= 300


def test_fault_47_report_run_is_told_to_fail_only_if_it_is_retried(definition: dict[str, Any]) -> None:
    """After so many errors of Lambda, which have other retries, it may be told that it is the last attempt."""
    report = states(definition)["Report run"]
    may_retry = report["Arguments"]["Payload"]["mayRetry"]

    assert may_retry == f"{{% $states.context.State.RetryCount < {report['Retry'][2]['MaxAttempts']} ? true : false %}}"


def test_fault_28_export_whose_store_ends_with_an_error_of_lambda_stays_pending(definition: dict[str, Any]) -> None:
    for state in TASKS:
        assert set(states(definition)[state]["Retry"][1]["ErrorEquals"]) == LAMBDA_ERRORS


def test_errors_of_lambda_are_those_of_its_api_and_of_step_functions() -> None:
    model = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")
    of_the_api = {f"Lambda.{shape.name}" for shape in model.error_shapes}

    assert LAMBDA_ERRORS - of_the_api == {
        "Lambda.AWSLambdaException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.SdkClientException",
    }


def test_a_run_leaves_half_of_the_usual_quota_of_lambda_to_others() -> None:
    defaults = Settings()

    assert defaults.batch_concurrency * defaults.store_concurrency <= 1_000 / 2


def test_a_failure_of_one_item_does_not_affect_others(definition: dict[str, Any]) -> None:
    for name in ("Check exports", "Store export"):
        (catch,) = states(definition)[name]["Catch"]
        assert catch["ErrorEquals"] == ["States.ALL"]
    assert states(definition)["Settle each batch"]["ToleratedFailurePercentage"] == 100


def test_only_jsonata_is_used(definition: dict[str, Any]) -> None:
    paths = {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "ItemsPath"}

    assert definition["QueryLanguage"] == "JSONata"
    assert all(state.get("QueryLanguage", "JSONata") == "JSONata" for state in states(definition).values())
    assert not [name for name, state in states(definition).items() if paths & set(state)]


def test_timeout_of_the_workflow_exceeds_the_longest_deadline(definition: dict[str, Any]) -> None:
    """Each of the last tasks may use all the delays of its retries."""
    longest = 10_080 * 60
    last_store = 3 * states(definition)["Store export"]["TimeoutSeconds"]
    last = ["Store export", "Check exports", "Report run"]
    last_delays = sum(sum(delays(retry)) for state in last for retry in states(definition)[state]["Retry"])

    assert definition["TimeoutSeconds"] > longest + last_store + last_delays


def test_logs_contain_errors_without_data(template: Template) -> None:
    logging = template.properties("Workflow/StateMachine")["LoggingConfiguration"]

    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)


def test_no_state_machine_adds_to_the_resource_policy_of_cloudwatch_logs(triggers: Template) -> None:
    """The policy of the account may have 5,120 characters. It covers log groups with this prefix once for all."""
    machines = triggers.of_type("AWS::StepFunctions::StateMachine").values()
    destinations = [each["Properties"]["LoggingConfiguration"]["Destinations"] for each in machines]
    groups = [triggers.text(each["CloudWatchLogsLogGroup"]["LogGroupArn"]) for (each,) in destinations]

    assert sorted(groups) == ["<CloudTrail/Logs.Arn>", "<Workflow/Logs.Arn>"]
    for group in ("CloudTrail/Logs", "Workflow/Logs"):
        assert triggers.properties(group)["LogGroupName"].startswith("/aws/vendedlogs/states/DiscoveryExports-")


def delays(retry: Mapping[str, Any]) -> list[float]:
    """The maximum of each delay in seconds."""
    backoff = (retry["IntervalSeconds"] * retry["BackoffRate"] ** attempt for attempt in range(retry["MaxAttempts"]))
    return [min(delay, retry["MaxDelaySeconds"]) for delay in backoff]


def states(definition: Mapping[str, Any]) -> dict[str, Any]:
    """All states, including those inside Maps."""
    return dict(_states(definition))


def _states(processor: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, state in processor["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from _states(state["ItemProcessor"])
