"""What each way to wait costs and how late it notices, for the same exports."""

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
"""Decides how long exports take and the jitter of the waits."""

OURS = "discovery-exports"
EACH_60 = "an execution each, 60 s waits"
BATCHES_60 = "batches of 100, 60 s waits"

MINUTE = "100 exports of a minute, a run each"
LARGE = "10,000 exports of 10 to 60 minutes, one run"
DAY = "300 exports of a day, one run"

Found = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By case and way to wait: transitions, lambda_calls, describes, dollars, and seconds from finished to noticed."""


@dataclass(frozen=True, slots=True)
class Case:
    """``runs`` of ``exports`` each, requested when the run starts, and ``shortest`` to ``longest`` long."""

    runs: int
    exports: int
    shortest: timedelta
    longest: timedelta
    deadline: timedelta = timedelta(hours=12)

    def lengths(self) -> list[dict[str, float]]:
        """For each run, seconds by export id, evenly spread."""
        draw = random.Random(SEED)  # noqa: S311 - the same each time
        span = self.shortest.total_seconds(), self.longest.total_seconds()
        return [{f"export-{n:05d}": draw.uniform(*span) for n in range(self.exports)} for _ in range(self.runs)]


CASES = {
    MINUTE: Case(100, 1, timedelta(seconds=30), timedelta(seconds=90)),
    LARGE: Case(1, 10_000, timedelta(minutes=10), timedelta(minutes=60)),
    DAY: Case(1, 300, timedelta(hours=23), timedelta(hours=25), deadline=timedelta(hours=26)),
}


def contest() -> Found:
    minutely = {"WAIT_FLOOR_SECONDS": "60", "WAIT_CEILING_SECONDS": "60"}
    return {
        name: {
            OURS: _product(case),
            EACH_60: _an_execution_each(case, 60),
            BATCHES_60: _product(case, minutely),
        }
        for name, case in CASES.items()
    }


def _product(case: Case, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    delays: list[float] = []
    transitions = lambda_calls = describes = 0
    for number, lengths in enumerate(case.lengths()):
        product = Product(World(lengths), SEED + number, environment or {})
        product.run({"deadlineMinutes": case.deadline // timedelta(minutes=1)})
        transitions += product.transitions
        lambda_calls += product.lambda_calls
        describes += product.world.describes
        delays += product.world.detection_delays.values()
    return _measured(Cost(transitions, lambda_calls, describes), delays)


def _an_execution_each(case: Case, wait: float) -> dict[str, Any]:
    """The usual definition: describe, choose, wait, again until the export is there; then store it, and end."""
    lengths = [length for run in case.lengths() for length in run.values()]
    waits = [ceil(length / wait) for length in lengths]
    looks = sum(waits) + len(waits)
    transitions = 2 * looks + sum(waits) + 2 * len(waits)
    delays = [count * wait - length for count, length in zip(waits, lengths, strict=True)]
    return _measured(Cost(transitions, looks, looks), delays)


def _measured(bill: Cost, delays: Sequence[float]) -> dict[str, Any]:
    return {
        "transitions": bill.transitions,
        "lambda_calls": bill.lambda_calls,
        "describes": bill.describes,
        "transitions_price": round(bill.transitions_price, 4),
        "price": round(bill.price, 4),
        "mean_delay": round(mean(delays), 1),
        "p95_delay": round(sorted(delays)[int(0.95 * len(delays))], 1),
        "longest_delay": round(max(delays), 1),
    }
