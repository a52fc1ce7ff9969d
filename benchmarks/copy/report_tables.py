"""What was found, as Markdown."""

from collections.abc import Iterator
from dataclasses import astuple

from benchmarks.copy.competitors import PRODUCT, READ_LIMIT
from benchmarks.copy.results import Kills, Results, Scenario
from benchmarks.copy.scenarios import MB, MEMORY, MIB
from benchmarks.copy.targets import peaks_by_size, times_as_fast, verdicts
from benchmarks.page import Row, markdown


def report(results: Results) -> str:
    """When, on what and with what it was found, and every table under its heading."""
    return "\n\n".join([_taken(results), *(f"### {title}\n\n{markdown(*rows)}" for title, rows in _tables(results))])


def _taken(results: Results) -> str:
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return (
        f"Taken on {machine['date']}: {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, "
        f"{machine['system']}. What is no part of the bench took {results.others:.0%} of the machine meanwhile.\n"
        f"Versions: {versions}."
    )


def _tables(results: Results) -> Iterator[tuple[str, list[Row]]]:
    for scenario in results.scenarios:
        if scenario.name != MEMORY:
            heads = ("who", "seconds", "MB/s", "ours is", "CPU s per GB", "peak MB")
            rows = (_contestant(results, scenario, name) for name in scenario.competitors)
            yield f"{scenario.name}: {scenario.title}", [heads, *rows]
    peaks = peaks_by_size(results).items()
    yield "Memory", [("file", "peak MB"), *((f"{size // MIB} MiB", f"{peak / MB:.1f}") for size, peak in peaks)]
    heads = ("who", "copies", "stored whole", "not visible", "truncated", "told fine, but not")
    yield "Cut connections", [heads, *([str(value) for value in astuple(each)] for each in results.drops)]
    of_kills = ("kills", "object", "MB fetched again", "MB in flight at most")
    yield "Killed processes", [of_kills, *map(_killed, results.kills)]
    yield "Targets", [("what", "target", "found", ""), *verdicts(results)]


def _contestant(results: Results, scenario: Scenario, name: str) -> Row:
    seconds = results.found(scenario.name, name, "seconds")
    if not seconds:
        return name, "failed", "", "", "", ""
    middle = results.middle(scenario.name, name, "seconds")
    return (
        name,
        f"{middle:.2f} ({min(seconds):.2f}-{max(seconds):.2f})",
        f"{scenario.size / MB / middle:.0f}",
        "" if name == PRODUCT else f"{times_as_fast(results, scenario.name, name):.2f} x",
        f"{results.middle(scenario.name, name, 'cpu_seconds') / scenario.size * 1000 * MB:.2f}",
        "" if name == READ_LIMIT else f"{results.middle(scenario.name, name, 'peak_bytes') / MB:.0f}",
    )


def _killed(each: Kills) -> Row:
    return str(each.kills), each.state, f"{each.fetched_again / MB:.1f}", f"{each.in_flight / MB:.1f}"
