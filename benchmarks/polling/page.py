"""What was found beside the targets, as the tables of docs/polling.md."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.polling.contest import DAY, EACH_60, EARLIER_RULE, LARGE, MINUTE, OURS, Found

MARKS = re.compile(r"<!-- figures -->.*<!-- /figures -->", re.DOTALL)


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
    most, calls = found[DAY][EARLIER_RULE]["describes"], found[DAY][OURS]["describes"]
    yield Target(
        "a day: calls of DescribeExportTasks, no more than by the earlier rule", most, calls, f"{most:,}", f"{calls:,}"
    )


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
    lines = ["| exports of | at most | found | |", "| --- | ---: | ---: | --- |"]
    lines += [
        f"| {each.what} | {each.most_shown} | {each.found_shown} | {'met' if each.met else 'NOT MET'} |"
        for each in targets(found)
    ]
    return "\n".join(lines)


def _of_case(ways: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "| way to wait | transitions | $ of them | Lambda calls | $ in all | describes | mean s late | p95 | longest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {way['transitions']:,} | {way['transitions_price']:.4f} | {way['lambda_calls']:,} | "
        f"{way['price']:.4f} | {way['describes']:,} | {way['mean_delay']} | {way['p95_delay']} | "
        f"{way['longest_delay']} |"
        for name, way in ways.items()
    ]
    return "\n".join(lines)


def write_page(page: Path, found: Found) -> None:
    """Put the tables between the page's marks."""
    figures = f"<!-- figures -->\n{tables(found)}\n<!-- /figures -->"
    page.write_text(MARKS.sub(lambda _: figures, page.read_text("utf-8")), "utf-8")
