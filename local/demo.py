"""Start five exports on a local AWS, run the workflow, and verify every file that it stores."""

import argparse
import hashlib
import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from discovery_exports.cli.text import printable
from local.double.client import Double
from local.stack.aws import STATE, LocalAws, clean_up_when_ended
from local.stack.errors import LocalAwsFailed

RUN_TIMEOUT_SECONDS = 180
FAILURE = "The agent has not reported any data in the requested range."


def show(text: str, **options: Any) -> None:
    """Print text that can have names and messages of others in it."""
    print(printable(text, keep="\n"), **options)


@dataclass(frozen=True, slots=True)
class DemoExport:
    """One export of the demo: its request, its scenario for the double, and its expected outcome."""

    title: str
    expected: str
    request: Mapping[str, Any] = field(default_factory=dict)
    scenario: Mapping[str, Any] = field(default_factory=dict)


def demo_exports(agents: Sequence[str]) -> list[DemoExport]:
    def of_agent(agent: str) -> Mapping[str, Any]:
        return {"filters": [{"name": "agentIds", "condition": "EQUALS", "values": [agent]}]}

    recommend: Mapping[str, Any] = {"preferences": {"ec2RecommendationsPreferences": {"enabled": True}}}
    return [
        DemoExport("summary", "STORED", {}, {"in_progress_seconds": 2}),
        DemoExport("agent", "STORED", of_agent(agents[0]), {"in_progress_seconds": 4, "rows": 2000}),
        DemoExport("ec2-recommendations", "STORED", recommend, {"in_progress_seconds": 1}),
        DemoExport(
            "agent, at its size cap", "TRUNCATED", of_agent(agents[1]), {"in_progress_seconds": 3, "is_truncated": True}
        ),
        DemoExport(
            "agent, without data",
            "FAILED",
            of_agent(agents[2]),
            {"in_progress_seconds": 2, "outcome": "FAILED", "status_message": FAILURE},
        ),
    ]


class DemoFailed(Exception):
    """The result of the run is not the expected one."""


class Demo:
    """The demo on a running local AWS."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._outputs = aws.outputs
        self._double = Double(aws.instance.discovery, aws.state.bundle)
        self._s3 = aws.client("s3")
        self._table = aws.client("dynamodb")
        self._steps = aws.client("stepfunctions")

    def run(self) -> None:
        """Start exports, run the workflow, and show and verify the result. Raises DemoFailed."""
        if not self._aws.instance.own_double:
            raise DemoFailed("the local AWS uses another service than the test double; stop it first: make local-stop")
        earlier = self._stored_earlier()
        started = self._start(demo_exports(self._double.agents()))
        gets_before = self._double.gets(earlier) if earlier else 0
        output = self._run([*earlier, *started])
        self._show_outcomes(output, started)
        self._verify(output, started, earlier)
        stored = [export for export in output["exports"] if "manifest" in export and export["exportId"] in started]
        self._show_objects(stored)
        self._show_item(stored[0]["exportId"])
        self._show_downloads(list(started), earlier, gets_before)
        self._show_commands(stored[0])

    def _stored_earlier(self) -> list[str]:
        """The exports that an earlier demo stored on this local AWS, at most 90."""
        found = [
            item["exportId"]["S"]
            for status in ("STORED", "TRUNCATED")
            for page in self._table.get_paginator("query").paginate(
                TableName=self._outputs["TableName"],
                IndexName="ByStatus",
                KeyConditionExpression="#status = :status",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":status": {"S": status}},
            )
            for item in page["Items"]
        ]
        if found:
            show(f"\nStored by an earlier run, and requested again: {len(found)}")
        return found[:90]

    def _start(self, exports: Sequence[DemoExport]) -> dict[str, DemoExport]:
        show("\nStarting exports with StartExportTask:")
        discovery = self._aws.client("discovery")
        started = {}
        with self._double.with_scenarios(*(export.scenario for export in exports)):
            for export in exports:
                export_id = discovery.start_export_task(**export.request)["exportId"]
                started[export_id] = export
                show(f"  {export_id}  {export.title}")
        return started

    def _run(self, export_ids: Sequence[str]) -> dict[str, Any]:
        """Start the workflow, print every change of a status until the run ends, and return its output."""
        run_input = {"exportIds": list(export_ids), "onFailure": "report", "correlationId": "demo"}
        name = f"demo-{uuid.uuid4().hex[:8]}"
        arn = self._steps.start_execution(
            stateMachineArn=self._outputs["StateMachineArn"], name=name, input=json.dumps(run_input)
        )["executionArn"]
        show(f"\nRun {name}:")
        began, seen = time.monotonic(), dict.fromkeys(export_ids, "")
        while (execution := self._steps.describe_execution(executionArn=arn))["status"] == "RUNNING":
            if time.monotonic() - began > RUN_TIMEOUT_SECONDS:
                raise DemoFailed(f"the run did not end within {RUN_TIMEOUT_SECONDS} s")
            self._show_changes(seen, time.monotonic() - began)
            time.sleep(0.3)
        self._show_changes(seen, time.monotonic() - began)
        if execution["status"] != "SUCCEEDED":
            raise DemoFailed(f"the run ended with the status {execution['status']}: {execution.get('cause', '')}")
        show(f"  {time.monotonic() - began:5.1f} s  the run has ended")
        output: dict[str, Any] = json.loads(execution["output"])
        return output

    def _show_changes(self, seen: dict[str, str], seconds: float) -> None:
        keys = [{"exportId": {"S": export_id}} for export_id in seen]
        request = {self._outputs["TableName"]: {"Keys": keys}}
        for item in self._table.batch_get_item(RequestItems=request)["Responses"][self._outputs["TableName"]]:
            export_id, status = item["exportId"]["S"], item["status"]["S"]
            if seen[export_id] != status:
                seen[export_id] = status
                show(f"  {seconds:5.1f} s  {export_id}  {status}", flush=True)

    def _show_outcomes(self, output: Mapping[str, Any], started: Mapping[str, DemoExport]) -> None:
        show(f"\nOutcomes of {output['requested']} exports: {output['counts']}")
        rows = [("export", "request", "outcome", "kind", "message")]
        for export in output["exports"]:
            each = started.get(export["exportId"])
            title = each.title if each else "(stored earlier)"
            details = export.get("kind", ""), export.get("statusMessage", "")
            rows.append((export["exportId"], title, export["outcome"], *details))
        for export_id, title, outcome, kind, message in rows:
            show(f"  {export_id:<43} {title:<24} {outcome:<10} {kind:<19} {message}".rstrip())

    def _verify(self, output: Mapping[str, Any], started: Mapping[str, DemoExport], earlier: Sequence[str]) -> None:
        """Verify every outcome, and the SHA-256 of every file in a manifest."""
        outcomes = {export["exportId"]: export["outcome"] for export in output["exports"]}
        for export_id, each in started.items():
            if outcomes.get(export_id) != each.expected:
                raise DemoFailed(f"the outcome of {export_id} is {outcomes.get(export_id)}, not {each.expected}")
        if wrong := [each for each in earlier if outcomes.get(each) not in {"STORED", "TRUNCATED"}]:
            raise DemoFailed(f"no longer stored: {', '.join(wrong)}")
        for export in output["exports"]:
            for file in self._manifest(export)["files"] if "manifest" in export else ():
                if self._digest(file["key"]) != file["sha256"]:
                    raise DemoFailed(f"the SHA-256 of {file['key']} differs from its manifest")
        show("\nEvery outcome is the expected one, and the SHA-256 of every file is the one in its manifest.")

    def _manifest(self, export: Mapping[str, Any]) -> dict[str, Any]:
        bucket, key = export["manifest"].removeprefix("s3://").split("/", 1)
        document: dict[str, Any] = json.load(self._s3.get_object(Bucket=bucket, Key=key)["Body"])
        return document

    def _digest(self, key: str) -> str:
        digest = hashlib.sha256()
        body: Iterator[bytes] = self._s3.get_object(Bucket=self._outputs["BucketName"], Key=key)["Body"].iter_chunks(
            2**20
        )
        for chunk in body:
            digest.update(chunk)
        return digest.hexdigest()

    def _show_objects(self, stored: Sequence[Mapping[str, Any]]) -> None:
        show(f"\nStored in s3://{self._outputs['BucketName']}:")
        show(f"  {'bytes':>10} {'rows':>7}  key")
        for export in stored:
            manifest = self._manifest(export)
            raw = manifest["raw"]
            show(f"  {raw['bytes']:>10,} {'':>7}  {raw['key']}")
            for file in manifest["files"]:
                rows = "" if file["rows"] is None else f"{file['rows']:,}"
                show(f"  {file['bytes']:>10,} {rows:>7}  {file['key']}")

    def _show_item(self, export_id: str) -> None:
        key = {"exportId": {"S": export_id}}
        item = self._table.get_item(TableName=self._outputs["TableName"], Key=key)["Item"]
        show("\nCatalog item of the first export:")
        for name in sorted(item):
            (value,) = item[name].values()
            show(f"  {name:<18} {value}")

    def _show_downloads(self, started: Sequence[str], earlier: Sequence[str], gets_before: int) -> None:
        """Show the downloads that the double counted. Raises DemoFailed if an export was downloaded again."""
        show(f"\nDownloads (GET) of the new exports: {self._double.gets(started)}", end="")
        if not earlier:
            show(".")
            return
        again = self._double.gets(earlier) - gets_before
        show(f"; of the exports stored earlier: {again}.")
        if again:
            raise DemoFailed("an export that was stored earlier was downloaded again")

    def _show_commands(self, export: Mapping[str, Any]) -> None:
        key = json.dumps({"exportId": {"S": export["exportId"]}})
        show("\nMore commands:")
        show(f"  . {self._shown(self._aws.state.env)}")
        show("  .venv/bin/discovery-exports status")
        show(f"  aws s3 ls --recursive s3://{self._outputs['BucketName']}/")
        show(f"  aws s3 cp {export['manifest']} -")
        show(f"  aws dynamodb get-item --table-name {self._outputs['TableName']} --key '{key}'")
        show(f"  aws stepfunctions list-executions --state-machine-arn {self._outputs['StateMachineArn']}")
        show("\nThe local AWS keeps running. To stop it: make local-stop")

    @staticmethod
    def _shown(path: Path) -> str:
        return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--state", type=Path, default=STATE, help="folder of the local AWS (default: .local)")
    aws = LocalAws(parser.parse_args().state)
    clean_up_when_ended()
    try:
        aws.up()
        with aws.state.only_one("demo"):
            Demo(aws).run()
    except (LocalAwsFailed, DemoFailed, BotoCoreError, ClientError, HTTPError) as failure:
        show(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        show("\nInterrupted. `make local-stop` stops the local AWS. `make demo` starts again.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
