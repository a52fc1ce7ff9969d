"""cfn-lint finds no faults in the synthesized template and in the definition of the workflow."""

import copy
import json
from typing import Any

from tests.infra.synthesis import by_default, with_everything
from tests.infra.template import Template

MACHINE = "AWS::StepFunctions::StateMachine"
DOUBLE_DEPENDENCY = "W3005"
"""The CDK adds DependsOn from a function to its role, which CloudFormation infers anyway."""


def lint(template: str) -> list[str]:
    """Ids and messages of all findings of cfn-lint in a template, JSON or YAML."""
    import cfnlint.api  # takes two seconds in each of the processes that collect the tests
    from cfnlint.config import ManualArgs

    found = cfnlint.api.lint(template, config=ManualArgs(ignore_checks=[DOUBLE_DEPENDENCY]))
    return [f"{each.rule.id} {each.message}" for each in found]


def with_definition(template: Template, definition: dict[str, Any]) -> dict[str, Any]:
    """The template with the definition as one string: cfn-lint does not check one that Fn::Join assembles."""
    document = copy.deepcopy(template.document)
    for resource in document["Resources"].values():
        if resource["Type"] == MACHINE:
            resource["Properties"]["DefinitionString"] = json.dumps(definition).replace("<AWS::Partition>", "aws")
    return document


def test_template_and_definition_have_no_faults() -> None:
    template = by_default()

    assert lint(json.dumps(with_definition(template, template.definition()))) == []


def test_the_template_with_every_setting_has_no_faults() -> None:
    assert lint(json.dumps(with_everything().document)) == []


def test_a_fault_in_the_definition_is_found() -> None:
    template = by_default()
    broken = template.definition()
    del broken["States"]["Plan run"]["Resource"]
    document = with_definition(template, broken)
    machine = {key: each for key, each in document["Resources"].items() if each["Type"] == MACHINE}

    found = lint(json.dumps({"Resources": machine}))

    assert [message for message in found if message.startswith("E3601")]
