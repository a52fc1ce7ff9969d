"""The deployed stack as its callers, readers and operators see it."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from local.stack.aws import LocalAws
from local.stack.environment import ACCOUNT, REGION
from tests.local.waiting import NeverHappened, until

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has ended. ``report`` is the one in the bucket, with every export; None if there is none."""

    arn: str
    name: str
    status: str
    output: Any
    error: str | None
    cause: str | None
    report: Mapping[str, Any] | None

    @property
    def counts(self) -> Mapping[str, int]:
        assert self.report, f"{self.status} without a report: {self.error} {self.cause}"
        counts: Mapping[str, int] = self.report["counts"]
        return counts

    def entry(self, export_id: str) -> Mapping[str, Any]:
        """The entry of the export in the report."""
        assert self.report, f"{self.status} without a report: {self.error} {self.cause}"
        (entry,) = (export for export in self.report["exports"] if export["exportId"] == export_id)
        return dict(entry)

    def outcome(self, export_id: str) -> str:
        return str(self.entry(export_id)["outcome"])

    def reason(self, export_id: str) -> str | None:
        return self.entry(export_id).get("reason")


@dataclass(frozen=True, slots=True)
class Execution:
    """The execution of a run or of one of its batches, with all data from Step Functions."""

    arn: str
    described: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]

    @property
    def text(self) -> str:
        return json.dumps([self.described, self.events], default=str)


class Stack:
    """Runs the workflow and reads everything that it stores."""

    def __init__(self, aws: LocalAws, outputs: Mapping[str, str] | None = None) -> None:
        outputs = outputs or aws.outputs
        self.machine = outputs["StateMachineArn"]
        self.bucket = outputs["BucketName"]
        self.table = outputs["TableName"]
        self.topic = outputs["TopicArn"]
        self.steps: SFNClient = aws.client("stepfunctions")
        self.s3: S3Client = aws.client("s3")
        self.dynamodb: DynamoDBClient = aws.client("dynamodb")
        self.logs: CloudWatchLogsClient = aws.client("logs")
        self.iam: IAMClient = aws.client("iam")
        self._functions: LambdaClient = aws.client("lambda")
        self._cloudformation: CloudFormationClient = aws.client("cloudformation")

    # --- runs ---

    def run(self, **asked: object) -> Run:
        """Start a run with this input and wait for its end."""
        return self.ended(self.start(asked))

    def start(self, asked: object) -> str:
        """Start a run with any input and return its ARN."""
        name, text = f"test-{uuid.uuid4()}", json.dumps(asked)
        return self.steps.start_execution(stateMachineArn=self.machine, name=name, input=text)["executionArn"]

    def ended(self, arn: str) -> Run:
        """Wait for the end of the run. A run that does not end in time is stopped and disturbs no other test."""
        try:
            execution: Any = until(lambda: self._ended(arn), what=f"the end of {arn}")
        except NeverHappened:
            self.steps.stop_execution(executionArn=arn)
            raise
        output = execution.get("output")
        return Run(
            arn=arn,
            name=execution["name"],
            status=execution["status"],
            output=json.loads(output) if output else None,
            error=execution.get("error"),
            cause=execution.get("cause"),
            report=self.document(f"runs/{execution['name']}.json"),
        )

    def _ended(self, arn: str) -> Mapping[str, Any] | None:
        execution = self.steps.describe_execution(executionArn=arn)
        return None if execution["status"] == "RUNNING" else execution

    def history(self, arn: str) -> list[Execution]:
        """The run's execution, then those of its batches, with all their events so far."""
        return list(self._executions([arn]))

    def all_histories(self) -> list[Execution]:
        """The executions of all runs so far."""
        pages = self.steps.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return list(self._executions(execution["executionArn"] for page in pages for execution in page["executions"]))

    def _executions(self, arns: Iterable[str]) -> Iterator[Execution]:
        for arn in arns:
            yield self._execution(arn)
            for map_run in self.steps.list_map_runs(executionArn=arn)["mapRuns"]:
                pages = self.steps.get_paginator("list_executions").paginate(mapRunArn=map_run["mapRunArn"])
                for child in (child for page in pages for child in page["executions"]):
                    yield self._execution(child["executionArn"])

    def _execution(self, arn: str) -> Execution:
        described: Any = self.steps.describe_execution(executionArn=arn)
        pages = self.steps.get_paginator("get_execution_history").paginate(executionArn=arn, includeExecutionData=True)
        events: Any = tuple(event for page in pages for event in page["events"])
        return Execution(arn, {name: value for name, value in described.items() if name != "ResponseMetadata"}, events)

    # --- the bucket ---

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def keys_of(self, export_id: str) -> list[str]:
        """Every key that contains the id of the export."""
        return [key for key in self.keys() if export_id in key]

    def body(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def versions(self, key: str) -> int:
        """The number of versions of the object."""
        listed = self.s3.list_object_versions(Bucket=self.bucket, Prefix=key)
        return sum(version["Key"] == key for version in listed.get("Versions", ()))

    def document(self, key: str) -> Any:
        """The JSON document at the key; None if there is none."""
        try:
            return json.loads(self.body(key))
        except self.s3.exceptions.NoSuchKey:
            return None

    def manifest(self, export_id: str) -> Any:
        return self.document(f"manifests/{export_id}.json")

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    # --- the catalog ---

    @property
    def table_arn(self) -> str:
        return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self.table}"

    def row(self, export_id: str) -> dict[str, Any] | None:
        item = self.dynamodb.get_item(
            TableName=self.table, Key={"exportId": {"S": export_id}}, ConsistentRead=True
        ).get("Item")
        return _plain(item) if item else None

    def rows(self) -> list[dict[str, Any]]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table)
        return [_plain(item) for page in pages for item in page["Items"]]

    def by_status(self, status: str, since: datetime) -> list[str]:
        """Ids of exports with the status that were first seen since then, by the index, oldest first."""
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            IndexName="ByStatus",
            KeyConditionExpression="#status = :status AND firstSeenAt >= :since",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}, ":since": {"S": since.isoformat()}},
        )
        return [str(_plain(item)["exportId"]) for page in pages for item in page["Items"]]

    # --- resources ---

    def resources(self, kind: str) -> dict[str, str]:
        """Physical ids by logical id of the resources of a type, such as ``AWS::Lambda::Function``."""
        stack = self.machine.rpartition(":")[2].partition("-")[0]
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        resources = (resource for page in pages for resource in page["StackResourceSummaries"])
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources if each["ResourceType"] == kind
        }

    def template(self) -> Any:
        """The deployed template, from CloudFormation."""
        stack = self.machine.rpartition(":")[2].partition("-")[0]
        body: Any = self._cloudformation.get_template(StackName=stack)["TemplateBody"]
        return json.loads(body) if isinstance(body, str) else body

    def function(self, construct: str) -> str:
        """The name of a function by the id of its construct, such as ``StoreExport``."""
        (name,) = (
            name
            for logical, name in self.resources("AWS::Lambda::Function").items()
            if f"Functions{construct}" in logical
        )
        return name

    def role_of(self, construct: str) -> str:
        """The name of the role that a function runs with."""
        arn = self._functions.get_function_configuration(FunctionName=self.function(construct))["Role"]
        return arn.rpartition("/")[2]

    def log_lines(self) -> Iterator[tuple[str, str]]:
        """Log group and message of every log event."""
        for group in self.resources("AWS::Logs::LogGroup").values():
            yield from ((group, message) for message in self._messages(group))

    def _messages(self, group: str) -> Iterator[str]:
        """All messages of a group: the local AWS returns the first 10,000 events from a time on, and no token."""
        start, seen = 0, 0
        while events := self.logs.filter_log_events(logGroupName=group, startTime=start)["events"][seen:]:
            yield from (event["message"] for event in events)
            last = events[-1]["timestamp"]
            seen = sum(event["timestamp"] == last for event in events) + (seen if last == start else 0)
            start = last


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}
