"""The local deployment has the template of `cdk synth` for AWS, except for context values."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from local.stack.aws import CDK_PROGRAM, LocalAws
from local.stack.deployment import CONTEXT
from local.stack.environment import inherited
from local.stack.servers import ROOT
from tests.local.stack import Stack

Position = tuple[str | int, ...]
NO_VARIABLES = {"ARCHITECTURE", "NAMED_QUERIES"}
"""Context values that are no environment variable of a function."""


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The template with the defaults of ``cdk.json``, made without credentials and without network access."""
    output = tmp_path_factory.mktemp("cdk.out")
    python = ROOT / ".venv" / "bin"
    isolation = {"HTTPS_PROXY": "http://127.0.0.1:9", "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(output)}
    env = {**inherited(os.environ), **isolation, "PATH": f"{python}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([CDK_PROGRAM, "synth", "--quiet", "--output", output], cwd=ROOT, env=env, check=True)
    (template,) = output.glob("*.template.json")
    return json.loads(template.read_text())


def test_the_deployed_template_is_the_one_for_aws_except_for_context(stack: Stack, synthesized: Any) -> None:
    named = {key for key, each in synthesized["Resources"].items() if each["Type"] == "AWS::Athena::NamedQuery"}
    assert len(named) == 12, "the queries that namedQueries leaves out"
    resources = {key: each for key, each in synthesized["Resources"].items() if key not in named}

    differing = dict(differences(stack.template(), {**synthesized, "Resources": resources}))
    members = {"Architectures", "Code", "aws:asset:path"}
    of_architecture = {path: differing.pop(path) for path in list(differing) if members.intersection(path[3:4])}

    assert {str(path[3]) for path in of_architecture} == (set() if CONTEXT["architecture"] == "arm64" else members)
    assert {path[:1] for path in differing} == {("Resources",)}
    assert {path[2:5] for path in differing} == {("Properties", "Environment", "Variables")}
    assert {str(path[5]) for path in differing} == {variable(name) for name in documented()} - NO_VARIABLES
    for path, (deployed, _) in differing.items():
        assert deployed in documented().values(), path


def test_the_context_of_the_local_deployment_is_documented(aws: LocalAws) -> None:
    assert documented() == {**CONTEXT, "architecture": "that of this computer"}
    assert aws.state.work.joinpath("cdk.out").exists()


def test_any_other_difference_is_found(synthesized: Any) -> None:
    other = json.loads(json.dumps(synthesized))
    (name, *_) = other["Resources"]
    other["Resources"][name]["DeletionPolicy"] = "Delete"
    other["Outputs"]["More"] = {}

    assert {path for path, _ in differences(other, synthesized)} == {
        ("Resources", name, "DeletionPolicy"),
        ("Outputs", "More"),
    }


def documented() -> dict[str, str]:
    """Context values of a local deployment as ``docs/local-aws.md`` has them in its first table."""
    section = (ROOT / "docs" / "local-aws.md").read_text().partition("## What differs in the deployment")[2]
    rows = re.findall(r"^\| (`.*?) \|.*?\| (.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    context: dict[str, str] = {}
    for names, values in rows:
        several = re.findall(r"`(\w+)`", names)
        context |= zip(several, values.split(", "), strict=True) if len(several) > 1 else {several[0]: plain(values)}
    return context


def plain(values: str) -> str:
    return ",".join(value.strip().strip("`") for value in values.split(","))


def variable(context: str) -> str:
    """``waitFloorSeconds`` as the functions read it: ``WAIT_FLOOR_SECONDS``."""
    return re.sub(r"(?=[A-Z])", "_", context).upper()


def differences(one: Any, other: Any, path: Position = ()) -> Iterator[tuple[Position, tuple[Any, Any]]]:
    """The paths at which two documents differ, as deep as possible, and their values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() | other.keys():
            yield from differences(one.get(name), other.get(name), (*path, name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, (*path, index))
    elif one != other:
        yield path, (one, other)
