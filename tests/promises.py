"""Writes docs/reliability.md from the list of promises and the names of the tests: ``python -m tests.promises``.

A test belongs to the rows whose kind and numbers its name holds: ``test_fault_23_24_killed_…`` shows faults 23 and 24.
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
PAGE = TESTS.parent / "docs" / "reliability.md"
LIST = TESTS / "promises.toml"
_NAMED = re.compile(r"(fault|bad_input|invariant)((?:_\d\d?(?=_))+)_")

INTRODUCTION = """# Reliability

What may go wrong, what is promised then, and the tests that fail when the promise breaks. This page is written by
`python -m tests.promises` from [the list](../tests/promises.toml) and the tests' names; a row without a test fails the
build. `tests/unit`, `tests/infra` and `tests/slow` need nothing else, `tests/faults` has servers that misbehave on
loopback, and `tests/local` runs the deployed stack on a local AWS.

`make soak` does more of the latter for a quarter of an hour: ten runs at once for the same twenty exports, ten rounds
of twenty exports whose functions are killed at random moments (`SEED=n` for others), a service that throttles or
fails a third of all calls and downloads, every permission of every function taken away once, and a look for links in
all that this left.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. ``kind`` is ``fault``, ``bad_input`` or ``invariant``; ``number`` counts from 1 within it."""

    kind: str
    number: int
    fault: str
    place: str
    promise: str


Tests = Mapping[tuple[str, int], Sequence[str]]
"""Tests by kind and number of the rows they show: ``tests/unit/test_x.py::test_y``."""


def rows() -> dict[str, list[Row]]:
    """Rows by kind, as the list has them."""
    listed = tomllib.loads(LIST.read_text("utf-8"))
    return {
        kind: [Row(kind, number, *row) for number, row in enumerate(table["rows"], start=1)]
        for kind, table in listed.items()
    }


def tests() -> Tests:
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for path, name in _functions():
        for kind, numbers in _NAMED.findall(name):
            for number in re.findall(r"\d+", numbers):
                found[kind, int(number)].append(f"{path}::{name}")
    return found


def skipped() -> list[str]:
    """Tests of rows that are marked to be skipped or to fail, whatever the condition."""
    return [f"{path}::{name}" for path, name in _functions(marked=("skip", "xfail")) if _NAMED.search(name)]


def page() -> str:
    """The page as it should be."""
    listed, shown = tomllib.loads(LIST.read_text("utf-8")), tests()
    parts = [INTRODUCTION]
    for kind, of_kind in rows().items():
        parts += [f"## {listed[kind]['title']}", listed[kind]["lead"], _table(of_kind, shown)]
    parts.append(_count(shown))
    return "\n".join(f"{part}\n" if not part.endswith("\n") else part for part in parts)


def _table(of_kind: Sequence[Row], shown: Tests) -> str:
    lines = ["| # | what | where | promise | tests |", "| ---: | --- | --- | --- | --- |"]
    for row in of_kind:
        by = "<br>".join(_link(test) for test in shown.get((row.kind, row.number), ()))
        lines.append(f"| {row.number} | {row.fault} | {row.place} | {row.promise} | {by} |")
    return "\n".join(lines)


def _link(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{_NAMED.sub('', name.removeprefix('test_')).replace('_', ' ')}](../{path})"


def _count(shown: Tests) -> str:
    every = [row for of_kind in rows().values() for row in of_kind]
    distinct = {test for found in shown.values() for test in found}
    return f"{len(every)} rows, {len(distinct)} tests that show them, {len(skipped())} of them skipped."


def _functions(marked: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """File and name of every function of the tests; with ``marked``, of those with such a decorator."""
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
