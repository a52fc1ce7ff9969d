"""The targets of the tables, as ratios within one benchmark, and whether they are met."""

from collections.abc import Iterator

from benchmarks.page import Row, target_row
from benchmarks.tables.before import rate_before, table_bytes_before
from benchmarks.tables.competitors import DUCKDB, LINKS, PRODUCT, TABLES_OFF
from benchmarks.tables.results import Results
from benchmarks.tables.scenarios import AGENT, LARGE, MB, SMALL, SUMMARY, Contest

MIN_SPEEDUP = 6
MIN_SPEEDUP_TABLES_OFF = 2
MIN_DUCKDB = 0.8
MAX_BYTES = 0.5
MAX_LINK = 1
MAX_MEMORY = 150 * MB
MAX_GROWTH = 5 * MB


def target_results(results: Results, before: Results) -> Iterator[Row]:
    """The measure, target, result, and whether the target is met. A missing measurement is not met."""
    yield _at_least(
        "MB of CSV per CPU second compared with the way before",
        MIN_SPEEDUP,
        results.rate(AGENT, PRODUCT) / rate_before(results, before, AGENT, PRODUCT),
    )
    yield _at_least(
        "the same without tables, compared with the way before without tables",
        MIN_SPEEDUP_TABLES_OFF,
        results.rate(AGENT, TABLES_OFF) / rate_before(results, before, AGENT, TABLES_OFF),
    )
    yield _at_least(
        f"MB of CSV per CPU second compared with {DUCKDB}",
        MIN_DUCKDB,
        results.rate(AGENT, PRODUCT) / results.rate(AGENT, DUCKDB),
    )
    for export in (AGENT, SUMMARY):
        written = results.median(Contest.CONVERSION, export, PRODUCT, "table_bytes")
        share = written / table_bytes_before(results, before, export, PRODUCT)
        yield _at_most(f"{export.replace('-', ' ')}: bytes of tables compared with the way before", MAX_BYTES, share)
    yield _at_most("link to queryable: seconds compared with the best of the others", MAX_LINK, _link(results))
    yield from _memory(results)


def _link(results: Results) -> float:
    seconds = {name: results.median(Contest.LINK, AGENT, name, "seconds") for name in LINKS}
    return seconds.pop(PRODUCT) / min(seconds.values())


def _memory(results: Results) -> Iterator[Row]:
    target = f"≤ {MAX_MEMORY // MB} MB"
    for contest, measure in ((Contest.CONVERSION, "unpacking"), (Contest.LINK, "link to queryable")):
        found = [run for run in results.runs if (run.contest, run.competitor) == (contest, PRODUCT)]
        peak = max(run.peak_bytes for run in found)
        met = peak <= MAX_MEMORY and not any(run.error for run in found)
        yield target_row(f"{measure}: maximum peak memory", target, f"{peak / MB:.1f} MB", met)
    small, large = (results.median(Contest.CONVERSION, each, PRODUCT, "peak_bytes") for each in (SMALL, LARGE))
    growth = large - small
    measure = "growth of peak memory from the small export to 20 times its rows"
    yield target_row(measure, f"< {MAX_GROWTH // MB} MB", f"{growth / MB:.1f} MB", growth < MAX_GROWTH)


def _at_least(measure: str, minimum: float, ratio: float) -> Row:
    return target_row(measure, f"≥ {minimum:g} x", f"{ratio:.2f} x", ratio >= minimum)


def _at_most(measure: str, maximum: float, ratio: float) -> Row:
    return target_row(measure, f"≤ {maximum:g} x", f"{ratio:.2f} x", ratio <= maximum)
