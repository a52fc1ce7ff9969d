"""Simulates the workflow with the product's own code, state by state through its definition."""

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
"""A test verifies that it equals the synthesized definition."""
STORE_SECONDS = 5.0
"""The assumed time to store one export. ``STORE_CONCURRENCY`` exports are stored at once, without a poll meanwhile."""
STORE_CONCURRENCY = 5


DEFAULTS = {
    "WAIT_FLOOR_SECONDS": "15",
    "WAIT_CEILING_SECONDS": "300",
    "NOT_FOUND_GRACE_SECONDS": "600",
    "DEADLINE_MINUTES": "720",
    "SWEEP_DEADLINE_MINUTES": "55",
}
"""The default values of the settings that polling depends on."""


@dataclass
class Product:
    """Runs of the workflow in a simulated world. Counts every transition of the definition."""

    world: World
    seed: int
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings that differ from the defaults."""
    transitions: int = 0
    lambda_calls: int = 0

    def __post_init__(self) -> None:
        self._states: Mapping[str, Any] = json.loads(DEFINITION.read_text("utf-8"))["States"]
        self._settings = Settings({**DEFAULTS, **self.environment})
        self._rng = random.Random(self.seed)  # noqa: S311 - reproducible

    def run(self, run_input: Mapping[str, Any]) -> None:
        """One execution that settles every export. Its batches run in parallel, so each begins at the same time."""
        execution = {"Name": "run", "StartTime": self.world.moment.isoformat(), "Input": dict(run_input)}
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
        moment, jitter = self.world.moment, self._rng.random()
        poll = BatchPoll(batch, self.world, self.world, self._settings, moment, jitter, lambda *_: None)
        return _through_json(poll.next_state(pending if pending is not None else poll.first_state()))

    def _store(self, state: Mapping[str, Any], pending: Pending | None) -> Pending:
        assert pending is not None
        self.transitions += len(pending.ready) * len(
            [each for each in state["ItemProcessor"]["States"].values() if each["Type"] == "Task"]
        )
        for item in pending.ready:
            self.world.store(item.export_id)
        self.world.now += STORE_SECONDS * -(-len(pending.ready) // STORE_CONCURRENCY)
        return _with_results(pending, [{"progress": "settled"} for _ in pending.ready])

    def _next(self, state: Mapping[str, Any], pending: Pending | None) -> str:
        if state["Type"] != "Choice":
            return str(state["Next"])
        assert pending is not None
        conditions = {
            "{% $states.input.pending = 0 %}": not pending.ids,
            "{% $count($states.input.ready) > 0 %}": bool(pending.ready),
        }
        return str(next((each["Next"] for each in state["Choices"] if conditions[each["Condition"]]), state["Default"]))


def _batch(run: Run, ids: Sequence[str]) -> Batch:
    return Batch.from_json(1, {"run": run.to_json(), "exportIds": list(ids)})


def _through_json(pending: Pending) -> Pending:
    """The value after it was part of the state of the workflow."""
    return Pending.from_json(json.loads(json.dumps(pending.to_json()))) if pending.ids else Pending()


def _with_results(pending: Pending, results: Sequence[Mapping[str, str]]) -> Pending:
    return Pending.from_json({**pending.to_json(), "results": list(results)})
