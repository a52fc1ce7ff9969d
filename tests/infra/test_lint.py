"""CloudFormation and Step Functions would take what was synthesized, as far as cfn-lint can tell."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.infra.template import Template

DOUBLE_DEPENDENCY = "W3005"
"""The CDK says that a function depends on its role, which CloudFormation knows."""


def lint(document: dict[str, Any], path: Path) -> list[str]:
    """Ids and messages of all that cfn-lint finds."""
    path.write_text(json.dumps(document), "utf-8")
    return lint_file(path)


def lint_file(path: Path) -> list[str]:
    program = Path(sys.executable).with_name("cfn-lint")
    command: list[str | Path] = [program, "--format", "json", "--ignore-checks", DOUBLE_DEPENDENCY, "--template", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [f"{found['Rule']['Id']} {found['Message']}" for found in json.loads(done.stdout)]


def with_definition(template: Template, definition: dict[str, Any]) -> dict[str, Any]:
    """The template with the definition as plain text, which cfn-lint reads, unlike one joined from parts."""
    document = copy.deepcopy(template.document)
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            resource["Properties"]["DefinitionString"] = json.dumps(definition).replace("<AWS::Partition>", "aws")
    return document


def test_template_and_definition_have_no_faults(template: Template, definition: dict[str, Any], tmp_path: Path) -> None:
    assert lint(with_definition(template, definition), tmp_path / "template.json") == []


def test_a_fault_in_the_definition_would_be_found(
    template: Template, definition: dict[str, Any], tmp_path: Path
) -> None:
    broken = copy.deepcopy(definition)
    del broken["States"]["Plan run"]["Resource"]

    found = lint(with_definition(template, broken), tmp_path / "template.json")

    assert [message for message in found if message.startswith("E3601")]
