"""The product's own planning, checking and waiting, walked through its definition state by state."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.polling.prices import CALL_SECONDS
from benchmarks.polling.world import World
from exports.runs import BATCH_SIZE, Batch, Run
from exports.settings import Settings
from exports.workflow.batch_state import Pending
from exports.workflow.checking import BatchPoll
from exports.workflow.planning import plan, write_batches
from exports.workflow.run_input import read_run

DEFINITION = Path(__file__).parents[2] / "tests" / "infra" / "workflow.asl.json"
"""A test keeps it equal to what is synthesized."""
STORE_SECONDS = 5.0
"""Taken for storing one export; ``storeConcurrency`` of them go at once, and nobody looks meanwhile."""
STORES_AT_ONCE = 10


DEFAULTS = {
    "WAIT_FLOOR_SECONDS": "15",
    "WAIT_CEILING_SECONDS": "300",
    "NOT_FOUND_GRACE_SECONDS": "600",
    "DEADLINE_MINUTES": "720",
    "SWEEP_DEADLINE_MINUTES": "55",
}
"""Settings that waiting depends on, as the stack sets them by default."""


@dataclass
class Product:
    """Runs of the workflow in a world; counts every transition that the definition makes."""

    world: World
    seed: int
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings that differ from the defaults."""
    transitions: int = 0
    lambda_calls: int = 0

    def __post_init__(self) -> None:
        self._states: Mapping[str, Any] = json.loads(DEFINITION.read_text("utf-8"))["States"]
        self._settings = Settings({**DEFAULTS, **self.environment})
        self._draw = random.Random(self.seed)  # noqa: S311 - the same each time

    def run(self, asked: Mapping[str, Any]) -> None:
        """One execution that settles every export. Its batches go side by side, so each begins at the same moment."""
        execution = {"Name": "run", "StartTime": self.world.moment.isoformat(), "Input": dict(asked)}
        run = read_run(execution, self._settings)
        ids = plan(run, service=self.world, rows=self.world.rows, max_age=None).export_ids
        write_batches(run, ids, lambda key, document: None)
        # Plan run, Input accepted?, Settle each batch, Report run, All stored?, Run done
        self.transitions += sum(name not in {"Invalid input", "Exports not stored"} for name in self._states)
        self.lambda_calls += 2  # Plan run, Report run
        for start in range(0, len(ids), BATCH_SIZE):
            self.world.now = 0.0
            self._settle(_batch(run, ids[start : start + BATCH_SIZE]))

    def _settle(self, batch: Batch) -> None:
        """The child execution of one batch, from state to state."""
        processor = self._states["Settle each batch"]["ItemProcessor"]
        states, name = processor["States"], processor["StartAt"]
        pending: Pending | None = None
        while True:
            self.transitions += 1
            state = states[name]
            if name == "Check exports":
                pending = self._check(batch, pending)
            elif name == "Store each export":
                pending = self._store(state, pending)
            elif name == "Wait":
                assert pending is not None
                assert pending.next_poll_at is not None
                self.world.now += max(0.0, (pending.next_poll_at - self.world.moment).total_seconds())
            elif state["Type"] == "Succeed":
                return
            name = self._next(state, pending)

    def _check(self, batch: Batch, pending: Pending | None) -> Pending:
        self.lambda_calls += 1
        self.world.now += CALL_SECONDS
        moment, jitter = self.world.moment, self._draw.random()
        check = BatchPoll(batch, self.world, self.world, self._settings, moment, jitter, lambda *_: None)
        return _through_json(check.next(pending if pending is not None else check.start()))

    def _store(self, state: Mapping[str, Any], pending: Pending | None) -> Pending:
        assert pending is not None
        self.transitions += len(pending.ready) * len(
            [each for each in state["ItemProcessor"]["States"].values() if each["Type"] == "Task"]
        )
        for item in pending.ready:
            self.world.store(item.export_id)
        self.world.now += STORE_SECONDS * -(-len(pending.ready) // STORES_AT_ONCE)
        return _with_results(pending, [{"progress": "settled"} for _ in pending.ready])

    def _next(self, state: Mapping[str, Any], pending: Pending | None) -> str:
        if state["Type"] != "Choice":
            return str(state["Next"])
        assert pending is not None
        holds = {
            "{% $states.input.pending = 0 %}": not pending.ids,
            "{% $count($states.input.ready) > 0 %}": bool(pending.ready),
        }
        return str(next((each["Next"] for each in state["Choices"] if holds[each["Condition"]]), state["Default"]))


def _batch(run: Run, ids: Sequence[str]) -> Batch:
    return Batch.from_json(1, {"run": run.to_json(), "exportIds": list(ids)})


def _through_json(pending: Pending) -> Pending:
    """As it comes out of the workflow's state."""
    return Pending.from_json(json.loads(json.dumps(pending.to_json()))) if pending.ids else Pending()


def _with_results(pending: Pending, results: Sequence[Mapping[str, str]]) -> Pending:
    return Pending.from_json({**pending.to_json(), "results": list(results)})
