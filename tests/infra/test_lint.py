"""CloudFormation and Step Functions would take what was synthesized, as far as cfn-lint can tell."""

import copy
import json
from typing import Any

import cfnlint.api
from cfnlint.config import ManualArgs

from tests.infra.template import Template

MACHINE = "AWS::StepFunctions::StateMachine"
DOUBLE_DEPENDENCY = "W3005"
"""The CDK says that a function depends on its role, which CloudFormation knows."""


def lint(template: str) -> list[str]:
    """Ids and messages of all that cfn-lint finds in a template, JSON or YAML."""
    found = cfnlint.api.lint(template, config=ManualArgs(ignore_checks=[DOUBLE_DEPENDENCY]))
    return [f"{each.rule.id} {each.message}" for each in found]


def with_definition(template: Template, definition: dict[str, Any]) -> dict[str, Any]:
    """The template with the definition as plain text, which cfn-lint reads, unlike one joined from parts."""
    document = copy.deepcopy(template.document)
    for resource in document["Resources"].values():
        if resource["Type"] == MACHINE:
            resource["Properties"]["DefinitionString"] = json.dumps(definition).replace("<AWS::Partition>", "aws")
    return document


def test_template_and_definition_have_no_faults(template: Template, definition: dict[str, Any]) -> None:
    assert lint(json.dumps(with_definition(template, definition))) == []


def test_a_fault_in_the_definition_would_be_found(template: Template, definition: dict[str, Any]) -> None:
    broken = copy.deepcopy(definition)
    del broken["States"]["Plan run"]["Resource"]
    document = with_definition(template, broken)
    machine = {key: each for key, each in document["Resources"].items() if each["Type"] == MACHINE}

    found = lint(json.dumps({"Resources": machine}))

    assert [message for message in found if message.startswith("E3601")]
