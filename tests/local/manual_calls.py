"""Invokes the functions in the order of the workflow, one at a time and without retries."""

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.stack.aws import LocalAws
from tests.local.stack import Stack

MAX_POLLS = 20


class InvocationFailed(AssertionError):
    """A function raised an error, or a batch did not end."""


class ManualCalls:
    """A run whose steps the test invokes, so that a missing permission fails at once."""

    def __init__(self, aws: LocalAws, stack: Stack) -> None:
        self._functions: Any = aws.client("lambda")
        self._names = {name: stack.function(name) for name in ("PlanRun", "CheckExports", "StoreExport", "ReportRun")}
        self.name = ""

    def plan(self, **asked: object) -> list[dict[str, Any]]:
        """Plan a run and return its batches."""
        self.name = f"manual-{uuid.uuid4()}"
        execution = {"Name": self.name, "StartTime": datetime.now(UTC).isoformat(), "Input": asked}
        return list(self._invoke("PlanRun", {"execution": execution})["batches"])

    def settle(self, batches: Iterable[Mapping[str, Any]]) -> None:
        """Poll and store until no export of the batches is pending. A batch may be given by its state after a poll."""
        for state_before in batches:
            state = self._invoke("CheckExports", state_before)
            for _ in range(MAX_POLLS):
                if not state["pending"]:
                    break
                state = self._invoke("CheckExports", self._store(state) if state["ready"] else self._wait(state))
            else:
                raise InvocationFailed(f"still pending after {MAX_POLLS} polls: {state}")

    def report(self, *batches: Mapping[str, Any]) -> dict[str, Any]:
        """The counts of the run; ``batches`` has the last output of each batch, by default of one that is settled."""
        event = {"execution": {"Name": self.name}, "batches": list(batches or [{"batch": 1, "pending": 0}])}
        return dict(self._invoke("ReportRun", event)["output"]["counts"])

    def _store(self, state: Mapping[str, Any]) -> dict[str, Any]:
        results = [self._invoke("StoreExport", {"batch": state["batch"], "item": item}) for item in state["ready"]]
        return {**state, "results": results}

    def _wait(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        next_poll = datetime.fromisoformat(state["nextCheckAt"])
        time.sleep(max(0.0, (next_poll - datetime.now(UTC)).total_seconds()))
        return state

    def _invoke(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        response = self._functions.invoke(FunctionName=self._names[function], Payload=json.dumps(event).encode())
        result: dict[str, Any] = json.loads(response["Payload"].read())
        if "FunctionError" in response:
            raise InvocationFailed(f"{function}: {result}")
        return result
