"""The targets of the copy, as ratios within one benchmark, and whether they are met."""

from collections.abc import Iterator

from benchmarks.copy.competitors import FILEOBJ, OBSTORE, PRODUCT, READ_LIMIT
from benchmarks.copy.results import Results
from benchmarks.copy.scenarios import LAMBDA, MB, MEMORY, REGION
from benchmarks.page import Row, target_row

SPEEDS = (
    (LAMBDA, READ_LIMIT, 0.95),
    (REGION, FILEOBJ, 4.0),
    (REGION, OBSTORE, 0.95),
)
MAX_CPU = 1
MAX_MEMORY = 80 * MB
MAX_GROWTH = 5 * MB


def target_results(results: Results) -> Iterator[Row]:
    """The measure, target, result, and whether the target is met. A missing measurement is not met."""
    for scenario, competitor, minimum in SPEEDS:
        ratio = speedup(results, scenario, competitor)
        measure = f"{scenario}: speed compared with {competitor}"
        yield target_row(measure, f"≥ {minimum:g} x", f"{ratio:.2f} x", ratio >= minimum)

    cpu = results.median(LAMBDA, PRODUCT, "cpu_seconds") / results.median(LAMBDA, FILEOBJ, "cpu_seconds")
    yield target_row(f"{LAMBDA}: CPU per GB compared with {FILEOBJ}", f"≤ {MAX_CPU} x", f"{cpu:.2f} x", cpu <= MAX_CPU)

    peak = max(run.peak_bytes for run in results.runs if run.competitor == PRODUCT)
    yield target_row("maximum peak memory", f"≤ {MAX_MEMORY // MB} MB", f"{peak / MB:.1f} MB", peak <= MAX_MEMORY)

    small, large = peaks_by_size(results).values()
    growth = large - small
    target = f"< {MAX_GROWTH // MB} MB"
    yield target_row("growth of peak memory with the file size", target, f"{growth / MB:.1f} MB", growth < MAX_GROWTH)

    product = next(each for each in results.drops if each.competitor == PRODUCT)
    safe = not product.truncated and not product.wrongly_fine
    yield target_row("truncated objects after cut connections", "0", f"{product.truncated} of {product.copies}", safe)

    again = max((each.fetched_again / each.in_flight for each in results.kills if each.kills), default=float("nan"))
    safe = all(each.state == "identical" for each in results.kills)
    yield target_row(
        "downloaded again after a kill", "≤ 1 x the parts in flight", f"{again:.2f} x", safe and again <= 1
    )


def speedup(results: Results, scenario: str, competitor: str) -> float:
    """The speed of the product divided by that of the competitor, by the medians."""
    return results.median(scenario, competitor, "seconds") / results.median(scenario, PRODUCT, "seconds")


def peaks_by_size(results: Results) -> dict[int, float]:
    """The product's peak resident memory in bytes, by file size, smallest first."""
    sizes = [scenario.size for scenario in results.scenarios if scenario.name == MEMORY]
    return {size: results.median(MEMORY, PRODUCT, "peak_bytes", size) for size in sizes}
