"""The functions called one after the other, as the workflow calls them but without its retries and beside no other."""

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.stack.aws import LocalAws
from tests.local.stack import Stack

MAX_POLLS = 20


class CallFailed(AssertionError):
    """A function raised, or a batch goes on and on."""


class ManualCalls:
    """A run that nobody but the caller moves on: what a function may not do shows at once."""

    def __init__(self, aws: LocalAws, stack: Stack) -> None:
        self._functions: Any = aws.client("lambda")
        self._names = {name: stack.function(name) for name in ("PlanRun", "CheckExports", "StoreExport", "ReportRun")}
        self.name = ""

    def begins(self, **asked: object) -> list[dict[str, Any]]:
        """Plan a run, and say its batches."""
        self.name = f"by-hand-{uuid.uuid4()}"
        execution = {"Name": self.name, "StartTime": datetime.now(UTC).isoformat(), "Input": asked}
        return list(self._call("PlanRun", {"execution": execution})["batches"])

    def settles(self, batches: Iterable[Mapping[str, Any]]) -> None:
        """Go round until nothing of the batches is pending."""
        for pointer in batches:
            state = self._call("CheckExports", pointer)
            for _ in range(MAX_POLLS):
                if not state["pending"]:
                    break
                state = self._call("CheckExports", self._stored(state) if state["ready"] else self._waited(state))
            else:
                raise CallFailed(f"still pending after {MAX_POLLS} looks: {state}")

    def reports(self, *batches: Mapping[str, Any] | None) -> dict[str, Any]:
        """The run's counts; ``batches`` is what each of them ended with, nothing if it was settled."""
        told = {"execution": {"Name": self.name}, "batches": list(batches or [None])}
        return dict(self._call("ReportRun", told)["output"]["counts"])

    def _stored(self, state: Mapping[str, Any]) -> dict[str, Any]:
        results = [self._call("StoreExport", {"batch": state["batch"], "item": item}) for item in state["ready"]]
        return {**state, "results": results}

    def _waited(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        until = datetime.fromisoformat(state["nextCheckAt"])
        time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()))
        return state

    def _call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._functions.invoke(FunctionName=self._names[function], Payload=json.dumps(event).encode())
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise CallFailed(f"{function}: {told}")
        return told
