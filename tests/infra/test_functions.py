"""The functions have the same configuration, and the settings that their code reads."""

import json
import re
from typing import Any

import pytest

from discovery_exports.locations import FUNCTIONS
from exports.aws.discovery import DISCOVERY_CONFIG, MAX_SEARCH_SECONDS
from exports.dependencies import CONFIG
from infra.settings.settings import Settings
from tests.infra.synthesis import of_stack
from tests.infra.template import Template

NAMES = ["Functions/PlanRun", "Functions/CheckExports", "Functions/StoreExport", "Functions/ReportRun"]


def test_there_are_no_other_functions(template: Template) -> None:
    assert sorted(template.of_type("AWS::Lambda::Function")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_functions_have_the_same_configuration(template: Template, name: str) -> None:
    properties = template.properties(name)

    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert template.text(properties["Role"]) == f"<{name}Role.Arn>"
    assert template.text(properties["LoggingConfig"]["LogGroup"]) == f"<{name}Logs>"
    namespace = properties["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    assert template.text(namespace) == "DiscoveryExports/<AWS::StackName>"


def test_functions_share_one_asset(template: Template) -> None:
    code = [json.dumps(template.properties(name)["Code"]) for name in NAMES]

    assert len(set(code)) == 1


def test_the_architecture_is_a_setting_and_decides_which_packages_are_deployed(template: Template) -> None:
    intel = of_stack(Settings(architecture="x86_64"))

    for name in NAMES:
        assert intel.properties(name)["Architectures"] == ["x86_64"]
        assert intel.properties(name)["Code"] != template.properties(name)["Code"]


def test_every_log_group_has_a_retention_period(template: Template) -> None:
    assert {log["Properties"]["RetentionInDays"] for log in template.of_type("AWS::Logs::LogGroup").values()} == {90}


def test_store_budget_is_less_than_half_of_the_timeout(template: Template) -> None:
    properties = template.properties("Functions/StoreExport")

    assert int(properties["Environment"]["Variables"]["STORE_BUDGET_SECONDS"]) < properties["Timeout"] / 2


def test_fault_42_a_search_that_ends_with_a_call_without_an_answer_fits_into_a_poll(template: Template) -> None:
    """The delays of botocore's standard mode are at most 1, 2, 4 and so on seconds."""
    config: Any = DISCOVERY_CONFIG
    attempts = config.retries["total_max_attempts"]
    delays = sum(2**attempt for attempt in range(attempts - 1))
    seconds = MAX_SEARCH_SECONDS + attempts * (config.connect_timeout + config.read_timeout) + delays

    assert seconds < template.properties("Functions/CheckExports")["Timeout"] - 10


def test_fault_33_a_call_of_dynamodb_without_an_answer_ends_before_the_time_limit_of_each_function(
    collecting: Template,
) -> None:
    """The delays of botocore's standard mode are at most 1, 2, 4 and so on up to 20 seconds."""
    config: Any = CONFIG
    attempts = config.retries["total_max_attempts"]
    delays = sum(min(2**attempt, 20) for attempt in range(attempts - 1))
    seconds = attempts * (config.connect_timeout + config.read_timeout) + delays

    for name in (*NAMES, "Functions/CollectExports"):
        assert seconds < collecting.properties(name)["Timeout"] - 10


def test_every_setting_that_the_code_reads_is_set(template: Template, collecting: Template) -> None:
    """For at least one function, by the stack or by Lambda. A sweep has no maximum age."""
    source = (FUNCTIONS / "exports" / "settings.py").read_text("utf-8")
    read = set(re.findall(r'_Variable\("([A-Z_]+)", \w+\)', source))
    functions = [template.properties(name) for name in NAMES] + [collecting.properties("Functions/CollectExports")]
    given = {variable for function in functions for variable in function["Environment"]["Variables"]}

    assert read - {"SWEEP_MAX_AGE_DAYS", "AWS_LAMBDA_FUNCTION_NAME"} <= given
