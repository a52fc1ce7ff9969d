"""The app as the CDK CLI runs it: in its own process, configured by environment variables."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONTEXT: dict[str, Any] = {"stackId": "Second", "maxFiles": "77", "downloadHosts": "localhost:*,127.0.0.1:*"}


def synth(
    outdir: Path, *, clone: Path = ROOT, umask: int = 0o022, **context: object
) -> subprocess.CompletedProcess[str]:
    """Run the app of ``clone`` without AWS credentials, account, Region, configuration or network."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "CDK_OUTDIR": str(outdir),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_VALIDATION": "false",  # takes ten seconds to load; cfn-lint checks the template
    }
    app = [sys.executable, str(clone / "app.py")]
    return subprocess.run(app, cwd=outdir, env=environment, capture_output=True, text=True, check=False, umask=umask)


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outdir = tmp_path_factory.mktemp("cdk.out")
    done = synth(outdir, **CONTEXT)
    assert done.returncode == 0, done.stderr
    return outdir


@pytest.fixture
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that a synthesis reads."""
    folder = tmp_path_factory.mktemp("clone")
    for file in ("app.py", "cdk.json"):
        shutil.copy(ROOT / file, folder)
    for name in ("discovery_exports", "infra", "functions", "docs/queries", ".lambda"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_synthesis_needs_no_account_and_no_lookups(assembly: Path) -> None:
    manifest = read(assembly / "manifest.json")

    assert manifest["artifacts"]["Second"]["environment"] == "aws://unknown-account/unknown-region"
    assert "missing" not in manifest


def test_context_reaches_the_functions(assembly: Path) -> None:
    resources = read(assembly / "Second.template.json")["Resources"].values()
    (store,) = (each for each in resources if each["Properties"].get("Handler") == "store_export.handler")

    assert store["Properties"]["Environment"]["Variables"]["MAX_FILES"] == "77"
    assert store["Properties"]["Environment"]["Variables"]["DOWNLOAD_HOSTS"] == "localhost:*,127.0.0.1:*"


def test_a_setting_that_is_in_cdk_json_twice_stops_the_synthesis(clone: Path, tmp_path: Path) -> None:
    file = clone / "cdk.json"
    before = file.read_text("utf-8")
    file.write_text(before.replace('"context": {', '"context": {"collect": {"summary": "rate(7 days)"},'), "utf-8")

    done = synth(tmp_path, clone=clone)
    file.write_text(before, "utf-8")

    assert (done.returncode, "collect: is 2 times in cdk.json" in done.stderr) == (1, True), done.stderr


def test_the_umask_changes_neither_the_modes_nor_the_hash_of_the_asset(assembly: Path, tmp_path: Path) -> None:
    done = synth(tmp_path, umask=0o077, stackId="Second")
    assert done.returncode == 0, done.stderr

    (expected,), (asset,) = assembly.glob("asset.*"), tmp_path.glob("asset.*")
    modes = {(path.is_dir(), path.stat().st_mode & 0o7777) for path in (asset, *asset.rglob("*"))}
    assert asset.name == expected.name
    assert modes == {(True, 0o755), (False, 0o644)}


def test_another_clone_has_the_same_template(assembly: Path, clone: Path, tmp_path: Path) -> None:
    done = synth(tmp_path, clone=clone, **CONTEXT)
    assert done.returncode == 0, done.stderr

    template = "Second.template.json"
    assert (tmp_path / template).read_bytes() == (assembly / template).read_bytes()


def test_a_clone_without_the_packages_of_lambda_names_the_command(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(clone / ".lambda" / "x86_64")

    done = synth(tmp_path, clone=clone, architecture="x86_64")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(
        ".lambda/x86_64 does not have the packages of functions/requirements.txt. "
        "This installs the packages again: rm -rf .lambda && make setup\n"
    )
    assert not list(tmp_path.glob("*.template.json"))


def test_outputs_are_those_that_callers_use(assembly: Path) -> None:
    outputs = read(assembly / "Second.template.json")["Outputs"]

    assert set(outputs) == {
        "Release",
        "StateMachineArn",
        "BucketName",
        "TableName",
        "TopicArn",
        "DashboardName",
        "DatabaseName",
        "WorkGroupName",
    }


def test_resources_have_no_fixed_physical_names(assembly: Path) -> None:
    """So that one account can have two stacks."""
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

    assert [each["Type"] for each in named] == ["AWS::Athena::WorkGroup"], "a work group requires a name"
    assert named[0]["Properties"]["Name"].startswith("second_")


def test_invalid_context_fails_with_a_line_for_each_fault(tmp_path: Path) -> None:
    done = synth(tmp_path, waitFloorSeconds="soon", maxRatio=0, stackId="Second")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "  waitFloorSeconds: must be a whole number from 1 to 3600, not 'soon'" in done.stderr
    assert "  maxRatio: must be" in done.stderr
    assert not list(tmp_path.glob("*.template.json"))
