"""The cost and the detection delay of each polling method, for the same exports."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from statistics import mean
from typing import Any

from benchmarks.polling.prices import Cost
from benchmarks.polling.product import Product
from benchmarks.polling.world import World

SEED = 1
"""The seed of the export durations and of the jitter."""

OURS = "discovery-exports"
EACH_60 = "an execution each, 60 s waits"
BATCHES_60 = "batches of 100, 60 s waits"

MINUTE = "100 exports of a minute, a run each"
LARGE = "10,000 exports of 10 to 60 minutes, one run"
DAY = "300 exports of a day, one run"

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By case and polling method: transitions, lambda_calls, describes, prices in dollars, and delays in seconds."""


@dataclass(frozen=True, slots=True)
class Case:
    """``runs`` of ``exports`` each, requested when the run starts, with durations from ``shortest`` to ``longest``."""

    runs: int
    exports: int
    shortest: timedelta
    longest: timedelta
    deadline: timedelta = timedelta(hours=12)

    def durations(self) -> list[dict[str, float]]:
        """For each run, seconds by export id, uniformly distributed."""
        rng = random.Random(SEED)  # noqa: S311 - reproducible
        span = self.shortest.total_seconds(), self.longest.total_seconds()
        return [{f"export-{n:05d}": rng.uniform(*span) for n in range(self.exports)} for _ in range(self.runs)]


CASES = {
    MINUTE: Case(100, 1, timedelta(seconds=30), timedelta(seconds=90)),
    LARGE: Case(1, 10_000, timedelta(minutes=10), timedelta(minutes=60)),
    DAY: Case(1, 300, timedelta(hours=23), timedelta(hours=25), deadline=timedelta(hours=26)),
}


def contest() -> Found:
    every_minute = {"WAIT_FLOOR_SECONDS": "60", "WAIT_CEILING_SECONDS": "60"}
    return {
        name: {
            OURS: _product(case),
            EACH_60: _one_execution_each(case, 60),
            BATCHES_60: _product(case, every_minute),
        }
        for name, case in CASES.items()
    }


def _product(case: Case, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    delays: list[float] = []
    transitions = lambda_calls = describes = 0
    for number, durations in enumerate(case.durations()):
        product = Product(World(durations), SEED + number, environment or {})
        product.run({"deadlineMinutes": case.deadline // timedelta(minutes=1)})
        transitions += product.transitions
        lambda_calls += product.lambda_calls
        describes += product.world.describes
        delays += product.world.detection_delays.values()
    return _measured(Cost(transitions, lambda_calls, describes), delays)


def _one_execution_each(case: Case, wait: float) -> dict[str, Any]:
    """The usual definition: a loop of describe, choose and wait until the export is finished; then store and end."""
    durations = [seconds for run in case.durations() for seconds in run.values()]
    waits = [ceil(seconds / wait) for seconds in durations]
    polls = sum(waits) + len(waits)
    transitions = 2 * polls + sum(waits) + 2 * len(waits)
    delays = [count * wait - seconds for count, seconds in zip(waits, durations, strict=True)]
    return _measured(Cost(transitions, polls, polls), delays)


def _measured(cost: Cost, delays: Sequence[float]) -> dict[str, Any]:
    return {
        "transitions": cost.transitions,
        "lambda_calls": cost.lambda_calls,
        "describes": cost.describes,
        "transitions_price": round(cost.transitions_price, 4),
        "price": round(cost.price, 4),
        "mean_delay": round(mean(delays), 1),
        "p95_delay": round(sorted(delays)[int(0.95 * len(delays))], 1),
        "longest_delay": round(max(delays), 1),
    }
