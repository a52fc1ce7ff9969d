"""What was found as tables: plain ones for a terminal, Markdown for the docs."""

from collections.abc import Callable, Sequence
from dataclasses import astuple

from benchmarks.peers import PRODUCT
from benchmarks.results import Results, Scenario
from benchmarks.scenarios import MB, MEMORY, MIB
from benchmarks.targets import Verdict, peaks_by_size, times_as_fast

Row = Sequence[str]
Drawn = Callable[[Sequence[Row]], str]


def report(results: Results, found: Sequence[Verdict], draw: Drawn, heading: Callable[[str], str]) -> str:
    """Every table, each under its heading."""
    parts: list[str] = []
    for scenario in results.scenarios:
        if scenario.name != MEMORY:
            parts += [heading(f"{scenario.name}: {scenario.title}"), draw(_scenario(results, scenario))]
    for title, rows in (
        ("Memory", _memory(results)),
        ("Cut connections", _drops(results)),
        ("Killed processes", _kills(results)),
        ("Targets", _verdicts(found)),
    ):
        if len(rows) > 1:
            parts += [heading(title), draw(rows)]
    return "\n\n".join(parts) + "\n"


def _scenario(results: Results, scenario: Scenario) -> list[Row]:
    rows: list[Row] = [("who", "seconds", "MB/s", "ours is", "CPU s per GB", "peak MB")]
    for name in scenario.contestants:
        if name in results.left_out:
            rows.append((name, f"left out: no {', '.join(results.left_out[name])}", "", "", "", ""))
        else:
            rows.append(_contestant(results, scenario, name))
    return rows


def _contestant(results: Results, scenario: Scenario, name: str) -> Row:
    runs = results.of(scenario.name, name)
    seconds = results.middle(scenario.name, name, "seconds")
    ratio = times_as_fast(results, scenario.name, name)
    if seconds is None or ratio is None:
        return (name, "failed", "", "", "", "")
    cpu_seconds = results.middle(scenario.name, name, "cpu_seconds") or 0
    peak = results.middle(scenario.name, name, "peak_bytes") or 0
    low, high = min(run.seconds for run in runs), max(run.seconds for run in runs)
    return (
        name,
        f"{seconds:.2f} ({low:.2f}-{high:.2f})",
        f"{scenario.size / MB / seconds:.0f}",
        "" if name == PRODUCT else f"{ratio:.2f} x",
        f"{cpu_seconds / scenario.size * 1000 * MB:.2f}",
        f"{peak / MB:.0f}",
    )


def _memory(results: Results) -> list[Row]:
    peaks = peaks_by_size(results)
    return [("file", "peak MB"), *((f"{size // MIB} MiB", f"{peak / MB:.1f}") for size, peak in peaks.items())]


def _drops(results: Results) -> list[Row]:
    heads = ("who", "copies", "stored whole", "not visible", "truncated", "told fine, but not", "uploads left")
    return [heads, *(tuple(map(str, astuple(each))) for each in results.drops)]


def _kills(results: Results) -> list[Row]:
    killed = [each for each in results.kills if each.kills]
    if not killed:
        return []
    again = sum(each.fetched_again for each in killed) / sum(each.kills for each in killed)
    whole = sum(each.state == "identical" for each in killed)
    return [
        ("files", "kills", "stored whole", "MB fetched again a kill", "MB in flight at most"),
        (
            str(len(killed)),
            str(sum(each.kills for each in killed)),
            str(whole),
            f"{again / MB:.1f}",
            f"{killed[0].in_flight / killed[0].kills / MB:.1f}",
        ),
    ]


def _verdicts(found: Sequence[Verdict]) -> list[Row]:
    words = {True: "met", False: "NOT MET", None: "?"}
    return [("what", "target", "found", ""), *((each.what, each.target, each.found, words[each.met]) for each in found)]


def disturbance(results: Results) -> str:
    """How busy the machine was with something else, in a sentence."""
    return f"What is no part of the bench took {results.others:.0%} of the machine meanwhile."


def plain(rows: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Row, widths: Sequence[int]) -> str:
    first, *others = row
    cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
    return "  ".join([first.ljust(widths[0]), *cells]).rstrip()


def markdown(rows: Sequence[Row]) -> str:
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
