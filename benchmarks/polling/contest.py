"""Every way to wait in every case, from the same exports."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import mean
from typing import Any

from benchmarks.polling.others import fixed, knowing, retried
from benchmarks.polling.prices import Bill
from benchmarks.polling.product import Policy, Product
from benchmarks.polling.world import Task, World, at_once, days

OURS = "discovery-exports"
EACH_60 = "an execution each, 60 s waits"
MINUTE = timedelta(seconds=60)
HOUR = 3_600.0
SWEEPS_FOR_DAYS = 3

Found = dict[str, dict[str, dict[str, Any]]]
"""By case and by who waits: transitions, looks, describes, lambda_ms, transitions_price, price, mean and p95 delay."""


def contest(seed: int) -> Found:
    found: Found = {}
    for count in (1, 100, 10_000):
        case = f"{count:,} export{'s' if count > 1 else ''} at once"
        found[case] = _case(at_once(count, seed), seed, {"deadlineMinutes": 720}, every=None)
    found[f"{SWEEPS_FOR_DAYS} days with bursts, hourly sweeps"] = _case(
        days(SWEEPS_FOR_DAYS, seed), seed, {}, every=HOUR
    )
    return found


def at_ten_thousand(seed: int) -> Bill:
    """What the product uses in the case that its targets are about."""
    return _product(at_once(10_000, seed), seed, Policy(), {"deadlineMinutes": 720}, None)[0]


def _case(tasks: Sequence[Task], seed: int, asked: Mapping[str, Any], every: float | None) -> dict[str, dict[str, Any]]:
    ours = _product(tasks, seed, Policy(), asked, every)
    minutely = _product(tasks, seed, Policy(wait_floor=MINUTE, wait_ceiling=MINUTE), asked, every)
    best = knowing(tasks, max(1, ours[0].describes // -(-len(tasks) // 100)))
    return {
        OURS: _told(*ours),
        EACH_60: _told(*fixed(60)(tasks)),
        "an execution each, 30 s waits": _told(*fixed(30)(tasks)),
        "an execution each, retried with backoff": _told(*retried(30, 1.5, 300)(tasks)),
        "batches of 100, 60 s waits": _told(*minutely),
        "batches of 100, knowing the future": _told(*best),
    }


def _product(
    tasks: Sequence[Task], seed: int, policy: Policy, asked: Mapping[str, Any], every: float | None
) -> tuple[Bill, list[float]]:
    """One run, or one every so many seconds until everything is stored."""
    world = World.of(tasks)
    product = Product(world, seed, policy)
    starts = 0
    while len(world.stored) < len(tasks):
        world.now = max(world.now, starts * (every or 0))
        product.run(asked)
        starts += 1
    return product.bill(), list(world.noticed.values())


def _told(bill: Bill, delays: Sequence[float]) -> dict[str, Any]:
    return {
        "transitions": bill.transitions,
        "looks": bill.looks,
        "describes": bill.describes,
        "lambda_ms": bill.lambda_ms,
        "transitions_price": round(bill.transitions_price, 4),
        "price": round(bill.price, 4),
        "mean_delay": round(mean(delays), 1),
        "p95_delay": round(sorted(delays)[int(len(delays) * 0.95)] if len(delays) > 1 else delays[0], 1),
    }
