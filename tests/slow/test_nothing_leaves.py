"""Commands that do not deploy use no profile, credentials or endpoint of the caller, and send nothing anywhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE_TRAP = Path(__file__).with_name("trap.js")
PYTHON_TRAP = """
import os, sys

def note(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple) or event == "socket.getaddrinfo":
        with open(os.environ["TRAP"], "a") as trap:
            trap.write(f"connects to {arguments[:2]}\\n")

sys.addaudithook(note)
"""
MAKEFILE = """
include Makefile
environment: ; @env
synth-to: ; @$(CDK) synth --quiet --output "$(OUT)"
deploy: ; @:
"""
PROFILE = """
[profile company]
region = eu-central-1
endpoint_url = http://127.0.0.1:9
aws_access_key_id = AKIACOMPANY
aws_secret_access_key = secret-of-the-company
"""


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell with a profile, and with traps for every connection of Python and Node.js."""
    (tmp_path / "config").write_text(PROFILE)
    (tmp_path / "sitecustomize.py").write_text(PYTHON_TRAP)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TRAP": str(tmp_path / "trap"),
        "PYTHONPATH": str(tmp_path),
        "NODE_OPTIONS": f"--require {NODE_TRAP}",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_PROFILE": "company",
        "AWS_ACCESS_KEY_ID": "AKIACOMPANY",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-company",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE": "http://127.0.0.1:9",
        "AWS_REGION": "eu-central-1",
    }


def run(command: list[str], shell: dict[str, str], cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, env=shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(shell: dict[str, str], *goals: str) -> str:
    return run(["make", "--no-print-directory", "-f", f"{shell['HOME']}/Makefile", *goals], shell)


def trapped(shell: dict[str, str]) -> list[str]:
    trap = Path(shell["TRAP"])
    return trap.read_text().splitlines() if trap.exists() else []


def test_attack_2_a_synthesis_opens_no_connection(shell: dict[str, str], tmp_path: Path) -> None:
    make(shell, "synth-to", f"OUT={tmp_path}/cdk.out")

    noted = trapped(shell)
    assert list(tmp_path.glob("cdk.out/*.template.json"))
    assert len(noted) == len([each for each in noted if "app.py" in each or "program.js" in each]) == 2, noted


def test_the_traps_note_connections_and_processes(shell: dict[str, str]) -> None:
    connects = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    run([sys.executable, "-c", connects], shell)
    run(["node", "-e", "require('net').connect(9, '127.0.0.1').on('error', () => {})"], shell)
    run(["node", "-e", "require('child_process').spawn('true')"], shell)

    assert [each.split()[0] for each in trapped(shell)] == ["connects", "connects", "starts"]


def test_attack_2_commands_that_do_not_deploy_get_nothing_of_the_caller(shell: dict[str, str]) -> None:
    given = {line for line in make(shell, "environment").splitlines() if line.startswith("AWS_")}

    assert given == {
        "AWS_CONFIG_FILE=/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
        "AWS_EC2_METADATA_DISABLED=true",
        "AWS_ENDPOINT_URL_APPLICATION_DISCOVERY_SERVICE=http://127.0.0.1:9",
    }


def test_a_deployment_gets_all_of_the_caller(shell: dict[str, str]) -> None:
    given = set(make(shell, "environment", "deploy").splitlines())

    assert {f"{name}={value}" for name, value in shell.items() if name.startswith("AWS_")} <= given


def test_attack_2_tests_get_nothing_of_the_caller(shell: dict[str, str], tmp_path: Path) -> None:
    """The same file of settings as for all tests of this project."""
    (tmp_path / "test_probe.py").write_text(
        "import boto3, os\n"
        "def test_probe():\n"
        "    assert {each for each in os.environ if each.startswith('AWS_')} == {\n"
        "        'AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_EC2_METADATA_DISABLED'}\n"
        "    assert boto3.Session().get_credentials() is None\n"
        "    assert boto3.client('sts', region_name='us-east-1').meta.endpoint_url == 'https://sts.us-east-1.amazonaws.com'\n"
    )
    options = ["-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", "-p", "no:cacheprovider"]
    run([sys.executable, "-m", "pytest", *options, str(tmp_path / "test_probe.py")], shell)

    assert trapped(shell) == []
