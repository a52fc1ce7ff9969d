"""What the copy is to reach, as ratios within one bench, and whether it did."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.peers import FILEOBJ, OBSTORE, PRODUCT, READ_LIMIT
from benchmarks.results import Results
from benchmarks.scenarios import LAMBDA, MB, MEMORY, REGION

SPEEDS = (
    (LAMBDA, READ_LIMIT, 0.95),
    (REGION, FILEOBJ, 4.0),
    (REGION, OBSTORE, 0.95),
)
MOST_CPU = 1
MOST_MEMORY = 80 * MB
MOST_GROWTH = 5 * MB


@dataclass(frozen=True, slots=True)
class Verdict:
    """``met`` is None when there was nothing to tell by."""

    what: str
    target: str
    found: str = "not measured"
    met: bool | None = None


def verdicts(results: Results) -> list[Verdict]:
    return [
        *(_speed(results, scenario, peer, least) for scenario, peer, least in SPEEDS),
        _cpu(results),
        _peak(results),
        _growth(results),
        _truncated(results),
        _fetched_again(results),
    ]


def times_as_fast(results: Results, scenario: str, peer: str) -> float | None:
    """How many times as fast as the peer the product is, by the medians."""
    return _over(results.middle(scenario, peer, "seconds"), results.middle(scenario, PRODUCT, "seconds"))


def peaks_by_size(results: Results) -> dict[int, float]:
    """The product's peak of resident memory, in bytes, by the size of the file."""
    sizes = sorted({run.size for run in results.of(MEMORY, PRODUCT)})
    return {size: results.middle(MEMORY, PRODUCT, "peak_bytes", size) or 0 for size in sizes}


def _judged(
    what: str, target: str, value: float | None, good: Callable[[float], bool], unit: str = "x", divisor: float = 1
) -> Verdict:
    if value is None:
        return Verdict(what, target)
    return Verdict(what, target, f"{value / divisor:.2f} {unit}", good(value))


def _over(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


def _speed(results: Results, scenario: str, peer: str, least: float) -> Verdict:
    ratio = times_as_fast(results, scenario, peer)
    return _judged(f"{scenario}: speed beside {peer}", f"≥ {least:g} x", ratio, lambda ratio: ratio >= least)


def _cpu(results: Results) -> Verdict:
    ratio = _over(results.middle(LAMBDA, PRODUCT, "cpu_seconds"), results.middle(LAMBDA, FILEOBJ, "cpu_seconds"))
    return _judged(f"{LAMBDA}: CPU per GB beside {FILEOBJ}", f"≤ {MOST_CPU} x", ratio, lambda ratio: ratio <= MOST_CPU)


def _peak(results: Results) -> Verdict:
    peak = max((run.peak_bytes for run in results.runs if run.contestant == PRODUCT), default=None)
    target = f"≤ {MOST_MEMORY // MB} MB"
    return _judged("peak memory of any copy", target, peak, lambda peak: peak <= MOST_MEMORY, "MB", MB)


def _growth(results: Results) -> Verdict:
    peaks = peaks_by_size(results).values()
    growth = max(peaks) - min(peaks) if peaks else None
    target = f"< {MOST_GROWTH // MB} MB"
    return _judged("growth of peak memory with the file", target, growth, lambda growth: growth < MOST_GROWTH, "MB", MB)


def _truncated(results: Results) -> Verdict:
    what, target = "truncated objects after cut connections", "0"
    ours = next((each for each in results.drops if each.contestant == PRODUCT), None)
    if ours is None:
        return Verdict(what, target)
    return Verdict(what, target, f"{ours.truncated} of {ours.copies}", not ours.truncated and not ours.wrongly_fine)


def _fetched_again(results: Results) -> Verdict:
    worst = max((each.fetched_again / each.in_flight for each in results.kills if each.in_flight), default=None)
    whole = all(each.state == "identical" for each in results.kills)
    target = "≤ 1 x the parts in flight"
    return _judged("fetched again after a kill", target, worst, lambda worst: whole and worst <= 1)
