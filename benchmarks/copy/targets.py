"""What the copy is to reach, as ratios within one bench, and whether it did."""

from collections.abc import Iterator

from benchmarks.copy.competitors import FILEOBJ, OBSTORE, PRODUCT, READ_LIMIT
from benchmarks.copy.results import Results
from benchmarks.copy.scenarios import LAMBDA, MB, MEMORY, REGION
from benchmarks.page import Row

SPEEDS = (
    (LAMBDA, READ_LIMIT, 0.95),
    (REGION, FILEOBJ, 4.0),
    (REGION, OBSTORE, 0.95),
)
MAX_CPU = 1
MAX_MEMORY = 80 * MB
MAX_GROWTH = 5 * MB


def verdicts(results: Results) -> Iterator[Row]:
    """What, target, found, and whether it was met. What was not measured is not met."""
    for scenario, peer, least in SPEEDS:
        ratio = times_as_fast(results, scenario, peer)
        yield _row(f"{scenario}: speed beside {peer}", f"≥ {least:g} x", f"{ratio:.2f} x", ratio >= least)

    cpu = results.middle(LAMBDA, PRODUCT, "cpu_seconds") / results.middle(LAMBDA, FILEOBJ, "cpu_seconds")
    yield _row(f"{LAMBDA}: CPU per GB beside {FILEOBJ}", f"≤ {MAX_CPU} x", f"{cpu:.2f} x", cpu <= MAX_CPU)

    peak = max(run.peak_bytes for run in results.runs if run.competitor == PRODUCT)
    yield _row("peak memory of any copy", f"≤ {MAX_MEMORY // MB} MB", f"{peak / MB:.1f} MB", peak <= MAX_MEMORY)

    small, large = peaks_by_size(results).values()
    growth = large - small
    target = f"< {MAX_GROWTH // MB} MB"
    yield _row("growth of peak memory with the file", target, f"{growth / MB:.1f} MB", growth < MAX_GROWTH)

    ours = next(each for each in results.drops if each.competitor == PRODUCT)
    whole = not ours.truncated and not ours.wrongly_fine
    yield _row("truncated objects after cut connections", "0", f"{ours.truncated} of {ours.copies}", whole)

    again = max((each.fetched_again / each.in_flight for each in results.kills if each.kills), default=float("nan"))
    whole = all(each.state == "identical" for each in results.kills)
    yield _row("fetched again after a kill", "≤ 1 x the parts in flight", f"{again:.2f} x", whole and again <= 1)


def times_as_fast(results: Results, scenario: str, peer: str) -> float:
    """How many times as fast as the peer the product is, by the medians."""
    return results.middle(scenario, peer, "seconds") / results.middle(scenario, PRODUCT, "seconds")


def peaks_by_size(results: Results) -> dict[int, float]:
    """The product's peak of resident memory, in bytes, by the size of the file; small ones first."""
    sizes = [scenario.size for scenario in results.scenarios if scenario.name == MEMORY]
    return {size: results.middle(MEMORY, PRODUCT, "peak_bytes", size) for size in sizes}


def _row(what: str, target: str, found: str, met: bool) -> Row:
    return what, target, found, "met" if met else "NOT MET"
