"""Writes docs/reliability.md from the list of promises and the names of the tests: ``python -m tests.promises``.

The name of a test contains the kind and the numbers of its rows: ``test_fault_23_24_kills_…`` tests faults 23 and 24.
A bound names its tests itself, because they are often those of a row of another kind.
"""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
BOUNDS = "bound"
PAGE = TESTS.parent / "docs" / "reliability.md"
LIST = TESTS / "promises.toml"
_NAMED = re.compile(r"(fault|bad_input|attack|contents|invariant)((?:_\d\d?(?=_))+)_")

INTRODUCTION = """# Reliability

This page lists faults and invalid input, the guaranteed behavior for each, and the tests that fail if the behavior
changes. `python -m tests.promises` writes it from [promises.toml](../tests/promises.toml) and the names of the tests. A
row without a test fails the build.

- `tests/unit`, `tests/infra`, `tests/fuzz` and `tests/slow` need no server.
- `tests/faults` uses HTTP servers on loopback that produce faults.
- `tests/local` runs the deployed stack on a local AWS.

`make soak` runs more tests on a local AWS, for about 25 minutes:

- ten runs at the same time for the same twenty exports;
- ten rounds of twenty exports, in which the functions are killed at random moments (`SEED=n` selects other moments);
- a service that throttles or fails a third of all calls and downloads;
- runs without one permission of one function, for every permission of every function;
- a search for download URLs in all logs and data of these runs;
- a run of 300 exports on an account that allows 10 concurrent Lambda invocations;
- a deployment over the template and the running batches of an earlier version.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. ``kind`` is a table of the list, such as ``fault``; ``number`` counts from 1 within it."""

    kind: str
    number: int
    fault: str
    place: str
    promise: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A resource with its limit. ``tests`` names the functions that test it; ``worst`` is the worst value measured."""

    resource: str
    limit: str
    held_by: str
    worst: str
    tests: Sequence[str]


Tests = Mapping[tuple[str, int], Sequence[str]]
"""Tests by kind and number of their rows: ``tests/unit/test_x.py::test_y``."""


def rows() -> dict[str, list[Row]]:
    """Rows by kind, in the order of the list."""
    listed = tomllib.loads(LIST.read_text("utf-8"))
    return {
        kind: [Row(kind, number, *row) for number, row in enumerate(table["rows"], start=1)]
        for kind, table in listed.items()
        if kind != BOUNDS
    }


def bounds() -> list[Bound]:
    """The bounds, in the order of the list."""
    return [Bound(*row) for row in tomllib.loads(LIST.read_text("utf-8"))[BOUNDS]["rows"]]


def tests_of_bounds() -> dict[str, list[str]]:
    """Tests by the name by which a bound names them; none for a name that no test has."""
    named = {name for bound in bounds() for name in bound.tests}
    found: dict[str, list[str]] = {name: [] for name in named}
    for path, name in _functions():
        if name in named:
            found[name].append(f"{path}::{name}")
    return found


def tests() -> Tests:
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for path, name in _functions():
        for kind, numbers in _NAMED.findall(name):
            for number in re.findall(r"\d+", numbers):
                found[kind, int(number)].append(f"{path}::{name}")
    return found


def skipped() -> list[str]:
    """Tests of rows and bounds that have a ``skip`` or ``xfail`` marker, with or without a condition."""
    return [
        f"{path}::{name}"
        for path, name in _functions(marked=("skip", "xfail"))
        if _NAMED.search(name) or name in tests_of_bounds()
    ]


def page() -> str:
    """The text of docs/reliability.md."""
    listed, shown = tomllib.loads(LIST.read_text("utf-8")), tests()
    parts = [INTRODUCTION]
    for kind, of_kind in rows().items():
        parts += [f"## {listed[kind]['title']}", listed[kind]["lead"], _table(of_kind, shown)]
    parts += [f"## {listed[BOUNDS]['title']}", listed[BOUNDS]["lead"], _table_of_bounds()]
    parts.append(_count(shown))
    return "\n".join(f"{part}\n" if not part.endswith("\n") else part for part in parts)


def _table(of_kind: Sequence[Row], shown: Tests) -> str:
    lines = ["| # | what | where | behavior | tests |", "| ---: | --- | --- | --- | --- |"]
    for row in of_kind:
        by = "<br>".join(_link(test) for test in shown.get((row.kind, row.number), ()))
        lines.append(f"| {row.number} | {row.fault} | {row.place} | {row.promise} | {by} |")
    return "\n".join(lines)


def _table_of_bounds() -> str:
    found = tests_of_bounds()
    lines = ["| resource | bound | what holds it | worst value measured | tests |", "| --- | --- | --- | --- | --- |"]
    for bound in bounds():
        by = "<br>".join(_link(test) for name in bound.tests for test in found[name])
        lines.append(f"| {bound.resource} | {bound.limit} | {bound.held_by} | {bound.worst} | {by} |")
    return "\n".join(lines)


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{_NAMED.sub('', name.removeprefix('test_')).replace('_', ' ')}](../{path})"


def _count(shown: Tests) -> str:
    every = [row for of_kind in rows().values() for row in of_kind]
    distinct = {test for found in shown.values() for test in found}
    distinct |= {test for found in tests_of_bounds().values() for test in found}
    return f"{len(every)} rows and {len(bounds())} bounds, {len(distinct)} tests, {len(skipped())} of them skipped."


def _functions(marked: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """File and name of each function in the tests; with ``marked``, only of functions with such a decorator."""
    for path, function in _every_function():
        if not marked or any(mark in ast.unparse(each) for each in function.decorator_list for mark in marked):
            yield path, function.name


@cache
def _every_function() -> Sequence[tuple[str, ast.FunctionDef]]:
    return [
        (file.relative_to(TESTS.parent).as_posix(), node)
        for file in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]


def main() -> None:
    PAGE.write_text(page(), "utf-8")
    print(_count(tests()))


if __name__ == "__main__":
    main()
