"""A stack that starts exports, and its collector as a test drives it: tick by tick."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

from exports.aws.dynamodb import plain
from exports.collecting.coverage import Coverage, coverage
from local.stack.aws import LocalAws
from tests.local.commands import run_command
from tests.local.stack import Run, Stack
from tests.local.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

STACK = "Collecting"


class CollectingStack(Stack):
    """The stack with its collector. Nothing ticks by itself: the schedules are deleted after the deployment."""

    def __init__(self, aws: LocalAws, outputs: Mapping[str, str], name: str) -> None:
        super().__init__(aws, outputs)
        self.name = name
        self.outputs = outputs
        self.collector = outputs["CollectorStateMachineArn"]
        self.collecting_table = outputs["CollectingTableName"]
        self._aws = aws
        self._runs_seen: set[str] = set()

    def start_tick(self, **given: object) -> str:
        """Start an execution of the collector with this input, and return its ARN."""
        return self.steps.start_execution(stateMachineArn=self.collector, input=json.dumps(given))["executionArn"]

    def tick(self, **given: object) -> str:
        """Run the collector to its end, and return the status of the execution."""
        arn = self.start_tick(**given)
        status: str = until(lambda: self._status(arn), what=f"the end of {arn}")
        return status

    def last_execution(self) -> Mapping[str, Any]:
        """The execution of the collector that was started last, with its ``error`` and ``cause`` if it failed."""
        (last,) = self.steps.list_executions(stateMachineArn=self.collector, maxResults=1)["executions"]
        return self.steps.describe_execution(executionArn=last["executionArn"])

    def _status(self, arn: str) -> str | None:
        status = self.steps.describe_execution(executionArn=arn)["status"]
        return None if status == "RUNNING" else status

    def new_runs(self) -> list[Run]:
        """The runs that ticks have started since the last call, when they have ended."""
        pages = self.steps.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        arns = {each["executionArn"] for page in pages for each in page["executions"]} - self._runs_seen
        self._runs_seen |= arns
        return [self.ended(arn) for arn in sorted(arns)]

    def items(self) -> list[dict[str, Any]]:
        """All items of the table of the collector."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.collecting_table, ConsistentRead=True)
        return [plain(item) for page in pages for item in page["Items"]]

    def coverage(self) -> Coverage:
        return coverage(self.items(), datetime.now(UTC))

    def command(self, *arguments: str, variables: Mapping[str, str] | None = None) -> "CompletedProcess[str]":
        """Run the command ``discovery-exports`` for this stack, with other environment variables."""
        program = str(Path(sys.executable).parent / "discovery-exports")
        changed = [f"{name}={value}" for name, value in (variables or {}).items()]
        return run_command(self._aws, "env", *changed, program, "--stack", self.name, *arguments)


@contextmanager
def collecting_stack(
    aws: LocalAws, collect: Mapping[str, object], folder: Path, **context: str
) -> Iterator[CollectingStack]:
    """Deploy a stack with the setting ``collect`` and perhaps other context values, and destroy it after the block."""
    values, outputs = {"stackId": STACK, **context, "collect": json.dumps(collect)}, folder / "outputs.json"
    aws.deploy_beside(values, outputs)
    try:
        stack = CollectingStack(aws, json.loads(outputs.read_text())[values["stackId"]], values["stackId"])
        scheduler: EventBridgeSchedulerClient = aws.client("scheduler")
        for physical in stack.resources("AWS::Scheduler::Schedule").values():
            scheduler.delete_schedule(Name=physical.rpartition("|")[2])
        yield stack
    finally:
        aws.client("cloudformation").delete_stack(StackName=values["stackId"])
