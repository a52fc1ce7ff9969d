"""Every command of the runbook, run from top to bottom in one shell, as somebody on call would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.aws import LocalAws
from local.servers import ROOT
from tests.local.service import Service
from tests.local.sinks import DeadLetters
from tests.local.stack import Stack

pytestmark = pytest.mark.alone
RUNBOOK = ROOT / "docs" / "runbook.md"
AWS_CLI = ROOT / ".venv-awscli" / "bin"


def commands(page: Path) -> list[str]:
    return re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_commands_of_the_runbook_tell_what_broke_and_ask_again(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    rejected = service.has(link="http://exports.example/")
    failed = stack.run(exportIds=[rejected])
    path = os.pathsep.join([str(Path(sys.executable).parent), str(AWS_CLI), os.environ["PATH"]])
    script = "set -euo pipefail\n" + "\n".join(commands(RUNBOOK))

    letters = DeadLetters(aws, stack)
    with letters.holding("a letter for whoever is on call"):
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env={**os.environ, **aws.env, "PATH": path},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    assert (done.returncode, failed.status) == (0, "FAILED"), done.stderr
    assert "ExportsNotStored" in done.stdout
    assert done.stdout.count("a letter for whoever is on call") == len([*stack.resources("AWS::SQS::Queue")])
    assert '"reason": "URL_REFUSED"' in done.stdout
    asked_again = re.findall(r"arn:\S+:execution:[\w-]+:[0-9a-f-]{36}$", done.stdout, re.MULTILINE)
    assert [stack.ended(arn).counts for arn in asked_again if stack.ended(arn).status == "FAILED"] == [{"REJECTED": 1}]
