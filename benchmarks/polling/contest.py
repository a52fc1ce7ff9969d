"""Every way to wait in every case, from the same exports."""

from collections.abc import Iterable, Mapping, Sequence
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

Waited = tuple[Bill, list[float]]
"""What it cost, and how late each export was noticed, in seconds."""
Found = dict[str, dict[str, dict[str, Any]]]
"""By case and by who waits: transitions, looks, describes, lambda_ms, transitions_price, price, mean and p95 delay."""


def contest(seed: int) -> Found:
    alone = [[task] for task in at_once(100, seed)]
    return {
        "1 export at once, 100 times": _case(alone, seed, {"deadlineMinutes": 720}, every=None),
        "100 exports at once": crowd(100, seed),
        "10,000 exports at once": crowd(10_000, seed),
        f"{SWEEPS_FOR_DAYS} days with bursts, hourly sweeps": _case(
            [days(SWEEPS_FOR_DAYS, seed)], seed, {}, every=HOUR
        ),
    }


def crowd(count: int, seed: int) -> dict[str, dict[str, Any]]:
    """So many exports that begin at once, by who waits for them."""
    return _case([at_once(count, seed)], seed, {"deadlineMinutes": 720}, every=None)


def _case(
    crowds: Sequence[Sequence[Task]], seed: int, asked: Mapping[str, Any], every: float | None
) -> dict[str, dict[str, Any]]:
    """Each crowd of exports in a world of its own; what they use is added up."""

    def product(policy: Policy) -> Waited:
        return _together(_product(crowd, seed + n, policy, asked, every) for n, crowd in enumerate(crowds))

    tasks = [task for crowd in crowds for task in crowd]
    ours = product(Policy())
    minutely = product(Policy(wait_floor=MINUTE, wait_ceiling=MINUTE))
    looks = max(1, ours[0].describes // sum(-(-len(crowd) // 100) for crowd in crowds))
    return {
        OURS: _told(*ours),
        EACH_60: _told(*fixed(60)(tasks)),
        "an execution each, 30 s waits": _told(*fixed(30)(tasks)),
        "an execution each, retried with backoff": _told(*retried(30, 1.5, 300)(tasks)),
        "batches of 100, 60 s waits": _told(*minutely),
        "batches of 100, knowing the future": _told(*_together(knowing(crowd, looks) for crowd in crowds)),
    }


def _product(tasks: Sequence[Task], seed: int, policy: Policy, asked: Mapping[str, Any], every: float | None) -> Waited:
    """One run, or one every so many seconds until everything is stored."""
    world = World.of(tasks)
    product = Product(world, seed, policy)
    starts = 0
    while len(world.stored) < len(tasks):
        world.now = max(world.now, starts * (every or 0))
        product.run(asked)
        starts += 1
    return product.bill(), list(world.noticed.values())


def _together(parts: Iterable[Waited]) -> Waited:
    bills, delays = zip(*parts, strict=True)
    return sum(bills, Bill()), [delay for each in delays for delay in each]


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
