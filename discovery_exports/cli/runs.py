"""Runs: starts them, finds them, and reads what they wrote to the bucket."""

import json
import re
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from discovery_exports.cli.catalog import Catalog
from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import NotStored
from exports.keys import batch_key, plan_key, report_key

EXECUTION_NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")
"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
OWN_NAME = re.compile(r"(store|again)-\d{8}T\d{6}-\w+")
"""The names of :meth:`Runs.start`."""
READERS = 8
"""Batch files that are read at the same time; a sweep can have 1,000."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The exports of a run, and when it stops waiting for them."""

    export_ids: tuple[str, ...]
    started_at: datetime
    deadline: datetime
    by_id: bool

    @property
    def requested_at(self) -> datetime | None:
        """Time before which FAILED and REJECTED do not count as this run's outcome; None if they always count."""
        return self.started_at if self.by_id else None


@dataclass(frozen=True, slots=True)
class Execution:
    """A run as Step Functions describes it."""

    run_id: str
    arn: str
    status: str
    error: str = ""
    cause: str = ""

    @property
    def running(self) -> bool:
        return self.status in {"RUNNING", "PENDING_REDRIVE"}


class Runs:
    """The runs of the stack."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def start(self, command: str, run_input: Mapping[str, Any]) -> Execution:
        """Start a run. Its name starts with the command, and sorts by time."""
        now = self._context.now()
        name = f"{command}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        started = self._context.steps.start_execution(
            stateMachineArn=self._context.state_machine_arn, name=name, input=json.dumps(run_input)
        )
        return Execution(name, started["executionArn"], "RUNNING")

    def find(self, name: str) -> Execution | None:
        """The run with this ID or ARN; None if the stack has none, and for an export whose run has been deleted."""
        steps = self._context.steps
        prefix = self._context.state_machine_arn.replace(":stateMachine:", ":execution:", 1)
        if name.startswith("arn:") and not name.startswith(f"{prefix}:"):
            raise NotStored(f"{name} is not a run of the stack {self._context.stack}. Check --stack and --region.")
        name = name.removeprefix(f"{prefix}:")
        if not EXECUTION_NAME.fullmatch(name):
            return None
        try:
            found: Any = steps.describe_execution(executionArn=f"{prefix}:{name}")
        except (steps.exceptions.ExecutionDoesNotExist, steps.exceptions.InvalidArn):
            return self._past(name, f"{prefix}:{name}")
        return Execution(
            found["name"],
            found["executionArn"],
            found["status"],
            found.get("error", ""),
            found.get("cause", ""),
        )

    def _past(self, run_id: str, arn: str) -> Execution | None:
        """A run that Step Functions has deleted, 90 days after its end, by its report. An export comes first."""
        if Catalog(self._context.dynamodb, self._context.table_name).item(run_id) or not self.report(run_id):
            return None
        return Execution(run_id, arn, "SUCCEEDED")

    def plan(self, run_id: str) -> Plan | None:
        """What the run is for; None until it has planned its batches, or if its input was not valid."""
        plan = self._json(plan_key(run_id))
        if plan is None:
            return None
        keys = [batch_key(run_id, number) for number in range(1, plan["batches"] + 1)]
        with ThreadPoolExecutor(READERS) as pool:
            batches = list(pool.map(self._json, keys))
        run = plan["run"]
        return Plan(
            tuple(export_id for batch in batches if batch for export_id in batch["exportIds"]),
            datetime.fromisoformat(run["startedAt"]),
            datetime.fromisoformat(run["deadline"]),
            run.get("byId", True),
        )

    def report(self, run_id: str) -> dict[str, Any] | None:
        """The report of the run with every export; None if there is none."""
        report: dict[str, Any] | None = self._json(report_key(run_id))
        return report

    def _json(self, key: str) -> Any:
        s3 = self._context.s3
        try:
            return json.loads(s3.get_object(Bucket=self._context.bucket_name, Key=key)["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None
