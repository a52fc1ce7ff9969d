"""Every command of the runbook, run from top to bottom in one shell, as an operator with the policy of the examples."""

import json
import re
import uuid
from pathlib import Path

import pytest

from local.stack.aws import LocalAws
from local.stack.servers import ROOT
from tests.local.caller import as_operator
from tests.local.commands import run_command
from tests.local.log_sinks import DeadLetters
from tests.local.service import Service
from tests.local.stack import Run, Stack

pytestmark = pytest.mark.alone
RUNBOOK = ROOT / "docs" / "runbook.md"


EXIT_CODES = """
discovery-exports() { command discovery-exports "$@" || case $? in 1|3) ;; *) return 1 ;; esac; }
"""
"""Exports of other tests are not stored or pending: that is no failure of the page."""


def commands(page: Path) -> list[str]:
    return re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_commands_of_the_runbook_show_failures_and_request_exports_again(
    aws: LocalAws, stack: Stack, service: Service
) -> None:
    rejected = service.has(download_url="http://exports.example/")
    failed = stack.run(exportIds=[rejected])
    collector = {"CollectingTableName": "none", "CollectorStateMachineArn": f"{stack.machine}-none"}
    operator = as_operator(aws, stack, StackName="DiscoveryExports", **collector)
    message = f"a message for the operator: {uuid.uuid4()}"

    with DeadLetters(aws, stack).with_message(message):
        script = EXIT_CODES + "\n".join(commands(RUNBOOK))
        done = run_command(aws, "bash", "-euxo", "pipefail", "-c", script, variables=operator)

    assert (done.returncode, failed.status) == (0, "FAILED"), done.stderr
    assert "AccessDenied" not in done.stderr
    assert "ExportsNotStored" in done.stdout
    assert done.stdout.count(message) == len([*stack.resources("AWS::SQS::Queue")])
    assert '"reason": "URL_REFUSED"' in done.stdout
    lines = [line for line in done.stdout.splitlines() if "store export finished" in line and rejected in line]
    assert any("URL_REFUSED" in json.loads(line)["detail"] for line in lines), "the log says why"
    arns = re.findall(r"arn:\S+:execution:[\w-]+:[0-9a-f-]{36}$", done.stdout, re.MULTILINE)
    repeated = [run for run in map(stack.ended, arns) if run.status == "FAILED" and holds(run, rejected)]
    assert [run.counts for run in repeated] == [{"REJECTED": 1}]


def holds(run: Run, export_id: str) -> bool:
    return any(export["exportId"] == export_id for export in (run.report or {"exports": ()})["exports"])
