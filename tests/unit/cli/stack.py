"""A stack in memory for the command, and the command on it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from discovery_exports.cli.app import app
from exports.keys import batch_key, plan_key, report_key
from exports.model import utc_text
from tests.unit.builders import NOW, SESSION, create_indexed_catalog

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:Exports"
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:")
BUCKET, TABLE = "bucket", "catalog"
OUTPUTS = {"StateMachineArn": MACHINE, "BucketName": BUCKET, "TableName": TABLE, "TopicArn": "arn:aws:sns:topic"}


@cache
def shared_client(service: str) -> Any:
    """One client for all tests, as it takes longer to make than most tests. A test that changes it makes its own."""
    return SESSION.client(service)  # type: ignore[call-overload]


def client_error(code: str, message: str = "", operation: str = "DescribeStacks") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class FakeSteps:
    """Executions by name. ``after_pause`` is what has happened at each pause of the command, in turn."""

    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: list[Any] = field(default_factory=list)
    error: Exception | None = None

    class exceptions:  # noqa: N801  # as botocore names it
        class ExecutionDoesNotExist(Exception): ...

        class InvalidArn(Exception): ...

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Mapping[str, Any]:  # noqa: N803
        assert stateMachineArn == MACHINE
        if self.error:
            raise self.error
        self.inputs.append(json.loads(input))
        self.executions[name] = {"status": "RUNNING"}
        return {"executionArn": f"{EXECUTION}:{name}"}

    def describe_execution(self, *, executionArn: str) -> Mapping[str, Any]:  # noqa: N803
        name = executionArn.removeprefix(f"{EXECUTION}:")
        if name not in self.executions:
            raise self.exceptions.ExecutionDoesNotExist
        return {"name": name, "executionArn": executionArn, "startDate": NOW, **self.executions[name]}


class FakeCloudFormation:
    def __init__(self) -> None:
        self.outputs = dict(OUTPUTS)
        self.error: Exception | None = None
        self.names: list[str] = []

    def describe_stacks(self, *, StackName: str) -> Mapping[str, Any]:  # noqa: N803
        self.names.append(StackName)
        if self.error:
            raise self.error
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()]}]}


class FakeDiscovery:
    """Lists the exports of one agent, with their download URLs."""

    def __init__(self) -> None:
        self.exports: dict[str, list[str]] = {}

    def get_paginator(self, operation: str) -> "FakeDiscovery":
        assert operation == "describe_export_tasks"
        return self

    def paginate(self, *, filters: list[Any]) -> list[Any]:
        ids = [each for agent in filters[0]["values"] for each in self.exports.get(agent, ())]
        return [{"exportsInfo": [{"exportId": each, "configurationsDownloadUrl": "https://secret"}]} for each in ids]


class FakeStack:
    """What the command can reach. ``events`` happen one at each pause."""

    def __init__(self) -> None:
        self.now = NOW
        self.dynamodb = shared_client("dynamodb")
        self.s3 = shared_client("s3")
        self.steps = FakeSteps()
        self.cloudformation = FakeCloudFormation()
        self.discovery = FakeDiscovery()
        self.events: list[Callable[[], object]] = []
        self.pauses: list[float] = []
        self.others: dict[str, Any] = {}
        self.configs: list[Config | None] = []
        self.s3.create_bucket(Bucket=BUCKET)
        create_indexed_catalog(self.dynamodb, TABLE)

    # --- what replaces the parts of the context ---

    def client(self, service: str, region: str | None = None, config: Config | None = None) -> Any:
        self.configs.append(config)
        if service == "s3" and config:
            return SESSION.client("s3", config=config)
        return {
            "dynamodb": self.dynamodb,
            "s3": self.s3,
            "stepfunctions": self.steps,
            "cloudformation": self.cloudformation,
            "discovery": self.discovery,
            **self.others,
        }[service]

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)
        if self.events:
            self.events.pop(0)()

    # --- what a test prepares ---

    def has(self, export_id: str, status: str = "STORED", *, hours: float = 1, **attributes: Any) -> str:
        """An item that was first seen, requested and recorded ``hours`` ago. None leaves an attribute out."""
        time = utc_text(NOW - timedelta(hours=hours))
        item = {"exportId": export_id, "status": status, "firstSeenAt": time, "exportRequestTime": time}
        if status != "IN_PROGRESS":
            item |= {"settledAt" if status in {"STORED", "TRUNCATED", "FAILED", "REJECTED"} else "announcedAt": time}
        values = {name: value for name, value in {**item, **attributes}.items() if value is not None}
        serialize = TypeSerializer().serialize
        self.dynamodb.put_item(TableName=TABLE, Item={name: serialize(value) for name, value in values.items()})
        return export_id

    def puts(self, key: str, document: Any) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def plans(self, run_id: str, *export_ids: str, by_id: bool = True) -> None:
        """The files that a run has written once it has planned its batches, of two exports each here."""
        run = {"id": run_id, "startedAt": utc_text(NOW), "deadline": utc_text(NOW + timedelta(hours=12)), "byId": by_id}
        batches = [export_ids[first : first + 2] for first in range(0, len(export_ids), 2)]
        for number, ids in enumerate(batches, start=1):
            self.puts(batch_key(run_id, number), {"run": run, "exportIds": ids})
        self.puts(plan_key(run_id), {"run": run, "batches": len(batches)})

    def ends(self, run_id: str, *exports: Mapping[str, Any], **execution: Any) -> None:
        """The run has ended with this report."""
        self.puts(report_key(run_id), {"runId": run_id, "requested": len(exports), "exports": exports})
        self.steps.executions[run_id] = {"status": "SUCCEEDED", **execution}

    @property
    def run_id(self) -> str:
        """The last run that was started."""
        return list(self.steps.executions)[-1]


def run(*arguments: str, env: Mapping[str, str] | None = None) -> Answer:
    """Run the command in this process, without a terminal."""
    result = CliRunner().invoke(app, arguments, env=env, prog_name="discovery-exports")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)
