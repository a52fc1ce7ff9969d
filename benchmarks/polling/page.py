"""The results and the targets, as the tables of docs/polling.md."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.page import markdown
from benchmarks.polling.contest import DAY, EACH_60, LARGE, MINUTE, OURS, Found

MAX_CALLS_PER_DAY = 1_159
"""The calls of an earlier method, whose waits grew with the square root of the age of an export."""


@dataclass(frozen=True, slots=True)
class Target:
    """``found`` must be at most ``most``. Both are here as numbers and as text."""

    what: str
    most: float
    found: float
    most_shown: str
    found_shown: str

    @property
    def met(self) -> bool:
        return self.found <= self.most


def targets(found: Found) -> Iterator[Target]:
    large, each = found[LARGE][OURS], found[LARGE][EACH_60]
    of_each = "10 to 60 minutes: {} compared with an execution each, 60 s waits"
    yield _share(of_each.format("price of transitions"), 20, large["transitions"], each["transitions"])
    yield _share(of_each.format("DescribeExportTasks calls"), 50, large["describes"], each["describes"])
    yield _seconds("10 to 60 minutes: mean delay", 31, large["mean_delay"])
    yield _seconds("10 to 60 minutes: p95 delay", 60, large["p95_delay"])
    yield _seconds("a minute: p95 delay", 15, found[MINUTE][OURS]["p95_delay"])
    most, calls = MAX_CALLS_PER_DAY, found[DAY][OURS]["describes"]
    yield Target("a day: DescribeExportTasks calls", most, calls, f"{most:,}", f"{calls:,}")


def _share(what: str, fraction: int, ours: int, other: int) -> Target:
    return Target(what, 1 / fraction, ours / other, f"1/{fraction}", f"1/{other / ours:.1f}")


def _seconds(what: str, most: float, found: float) -> Target:
    return Target(what, most, found, f"{most:g} s", f"{found:g} s")


def tables(found: Found) -> str:
    parts = ["### Targets", _of_targets(found)]
    for case, methods in found.items():
        parts += [f"### {case}", _of_case(methods)]
    return "\n\n".join(parts)


def _of_targets(found: Found) -> str:
    met = {True: "met", False: "NOT MET"}
    rows = ((each.what, each.most_shown, each.found_shown, met[each.met]) for each in targets(found))
    return markdown(("exports of", "target: at most", "result", ""), *rows)


def _of_case(methods: Mapping[str, Mapping[str, Any]]) -> str:
    shown = {
        "transitions": "{transitions:,}",
        "$ for transitions": "{transitions_price:.4f}",
        "Lambda invocations": "{lambda_calls:,}",
        "$ in total": "{price:.4f}",
        "DescribeExportTasks calls": "{describes:,}",
        "mean delay, s": "{mean_delay}",
        "p95, s": "{p95_delay}",
        "maximum, s": "{longest_delay}",
    }
    rows = ([name, *(form.format(**method) for form in shown.values())] for name, method in methods.items())
    return markdown(["method", *shown], *rows)
