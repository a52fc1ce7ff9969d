"""What was found beside the targets, as the tables of docs/polling.md."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.page import markdown
from benchmarks.polling.contest import DAY, EACH_60, LARGE, MINUTE, OURS, Found

MAX_CALLS_PER_DAY = 1_159
"""What waits took that grew with the square root of an export's age."""


@dataclass(frozen=True, slots=True)
class Target:
    """``found`` has to be no more than ``most``; both as numbers and as they are shown."""

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
    of_each = "10 to 60 minutes: {} beside an execution each, 60 s waits"
    yield _share(of_each.format("price of transitions"), 20, large["transitions"], each["transitions"])
    yield _share(of_each.format("calls of DescribeExportTasks"), 50, large["describes"], each["describes"])
    yield _seconds("10 to 60 minutes: mean delay", 31, large["mean_delay"])
    yield _seconds("10 to 60 minutes: 95 of 100 noticed within", 60, large["p95_delay"])
    yield _seconds("a minute: 95 of 100 noticed within", 15, found[MINUTE][OURS]["p95_delay"])
    most, calls = MAX_CALLS_PER_DAY, found[DAY][OURS]["describes"]
    yield Target("a day: calls of DescribeExportTasks", most, calls, f"{most:,}", f"{calls:,}")


def _share(what: str, fraction: int, ours: int, theirs: int) -> Target:
    return Target(what, 1 / fraction, ours / theirs, f"1/{fraction}", f"1/{theirs / ours:.1f}")


def _seconds(what: str, most: float, found: float) -> Target:
    return Target(what, most, found, f"{most:g} s", f"{found:g} s")


def tables(found: Found) -> str:
    parts = ["### Targets", _of_targets(found)]
    for case, ways in found.items():
        parts += [f"### {case}", _of_case(ways)]
    return "\n\n".join(parts)


def _of_targets(found: Found) -> str:
    met = {True: "met", False: "NOT MET"}
    rows = ((each.what, each.most_shown, each.found_shown, met[each.met]) for each in targets(found))
    return markdown(("exports of", "at most", "found", ""), *rows)


def _of_case(ways: Mapping[str, Mapping[str, Any]]) -> str:
    shown = {
        "transitions": "{transitions:,}",
        "$ of them": "{transitions_price:.4f}",
        "Lambda calls": "{lambda_calls:,}",
        "$ in all": "{price:.4f}",
        "describes": "{describes:,}",
        "mean s late": "{mean_delay}",
        "p95": "{p95_delay}",
        "longest": "{longest_delay}",
    }
    rows = ([name, *(form.format(**way) for form in shown.values())] for name, way in ways.items())
    return markdown(["way to wait", *shown], *rows)
