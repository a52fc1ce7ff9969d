"""The app as the CDK's command line runs it: a process of its own, told everything by its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def synth(outdir: Path, **context: object) -> subprocess.CompletedProcess[str]:
    """Run the app without any credentials, account, region or configuration of AWS."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "CDK_OUTDIR": str(outdir),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_VALIDATION": "false",  # takes ten seconds to load; cfn-lint looks at the template, too
    }
    app = [sys.executable, str(ROOT / "app.py")]
    return subprocess.run(app, cwd=outdir, env=environment, capture_output=True, text=True, check=False)


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outdir = tmp_path_factory.mktemp("cdk.out")
    done = synth(outdir, stackId="Second", maxFiles="77", downloadHosts="localhost:*,127.0.0.1:*")
    assert done.returncode == 0, done.stderr
    return outdir


def test_synthesis_needs_no_account_and_looks_nothing_up(assembly: Path) -> None:
    manifest = read(assembly / "manifest.json")

    assert manifest["artifacts"]["Second"]["environment"] == "aws://unknown-account/unknown-region"
    assert "missing" not in manifest


def test_context_reaches_the_functions(assembly: Path) -> None:
    resources = read(assembly / "Second.template.json")["Resources"].values()
    (store,) = (each for each in resources if each["Properties"].get("Handler") == "store_export.handler")

    assert store["Properties"]["Environment"]["Variables"]["MAX_FILES"] == "77"
    assert store["Properties"]["Environment"]["Variables"]["DOWNLOAD_HOSTS"] == "localhost:*,127.0.0.1:*"


def test_outputs_are_those_that_callers_rely_on(assembly: Path) -> None:
    outputs = read(assembly / "Second.template.json")["Outputs"]

    assert set(outputs) == {
        "StateMachineArn",
        "BucketName",
        "TableName",
        "TopicArn",
        "DashboardName",
        "DatabaseName",
        "WorkGroupName",
    }


def test_nothing_has_a_name_of_its_own(assembly: Path) -> None:
    """So two stacks stand side by side in one account."""
    names = {
        "BucketName",
        "TableName",
        "TopicName",
        "QueueName",
        "RoleName",
        "FunctionName",
        "StateMachineName",
        "Name",
    }
    resources = read(assembly / "Second.template.json")["Resources"].values()

    named = [
        each for each in resources if names & set(each["Properties"]) and each["Type"] != "AWS::Athena::NamedQuery"
    ]

    assert [each["Type"] for each in named] == ["AWS::Athena::WorkGroup"], "which must have one"
    assert named[0]["Properties"]["Name"].startswith("second_")


def test_bad_context_ends_synthesis_with_a_line_for_each_fault(tmp_path: Path) -> None:
    done = synth(tmp_path, waitFloorSeconds="soon", maxRatio=0, stackId="Second")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "  waitFloorSeconds: must be a whole number from 1 to 3600, not 'soon'" in done.stderr
    assert "  maxRatio: must be" in done.stderr
    assert not list(tmp_path.glob("*.template.json"))
