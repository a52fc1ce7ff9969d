"""The results of `make bench` as Markdown tables."""

from collections.abc import Iterator
from dataclasses import astuple

from benchmarks.copy.competitors import PRODUCT, READ_LIMIT
from benchmarks.copy.results import Kills, Results, Scenario
from benchmarks.copy.scenarios import MB, MEMORY, MIB
from benchmarks.copy.targets import peaks_by_size, speedup, target_results
from benchmarks.page import Row, markdown, measured_on


def report(results: Results) -> str:
    """The date, the machine and the versions, and every table with its heading."""
    setup = measured_on(results.machine, results.others, results.versions)
    return "\n\n".join([setup, *(f"### {title}\n\n{markdown(*rows)}" for title, rows in _tables(results))])


def _tables(results: Results) -> Iterator[tuple[str, list[Row]]]:
    for scenario in results.scenarios:
        if scenario.name != MEMORY:
            heads = ("competitor", "seconds", "MB/s", "our speedup", "CPU s per GB", "peak MB")
            rows = (_competitor(results, scenario, name) for name in scenario.competitors)
            yield f"{scenario.name}: {scenario.title}", [heads, *rows]
    peaks = peaks_by_size(results).items()
    yield "Memory", [("file", "peak MB"), *((f"{size // MIB} MiB", f"{peak / MB:.1f}") for size, peak in peaks)]
    heads = ("competitor", "copies", "complete", "no object", "truncated", "false success")
    yield "Cut connections", [heads, *([str(value) for value in astuple(each)] for each in results.drops)]
    of_kills = ("kills", "object", "MB downloaded again", "maximum MB in flight")
    yield "Killed processes", [of_kills, *map(_killed, results.kills)]
    yield "Targets", [("measure", "target", "result", ""), *target_results(results)]


def _competitor(results: Results, scenario: Scenario, name: str) -> Row:
    seconds = results.values(scenario.name, name, "seconds")
    if not seconds:
        return name, "failed", "", "", "", ""
    median = results.median(scenario.name, name, "seconds")
    return (
        name,
        f"{median:.2f} ({min(seconds):.2f}-{max(seconds):.2f})",
        f"{scenario.size / MB / median:.0f}",
        "" if name == PRODUCT else f"{speedup(results, scenario.name, name):.2f} x",
        f"{results.median(scenario.name, name, 'cpu_seconds') / scenario.size * 1000 * MB:.2f}",
        "" if name == READ_LIMIT else f"{results.median(scenario.name, name, 'peak_bytes') / MB:.0f}",
    )


def _killed(each: Kills) -> Row:
    return str(each.kills), each.state, f"{each.fetched_again / MB:.1f}", f"{each.in_flight / MB:.1f}"
