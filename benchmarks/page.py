"""Writes raw figures to docs/benchmarks/, and tables of them between two markers of a page."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path("docs")

Row = Sequence[str]


def save(name: str, facts: Mapping[str, Any], page: str, text: str, picture: str = "") -> None:
    """Write ``facts`` to docs/benchmarks/NAME.json, and ``text`` between the markers NAME of ``page``.

    A ``picture``, which is SVG, is written to docs/benchmarks/NAME.svg.
    """
    figures, written = DOCS / "benchmarks" / f"{name}.json", DOCS / page
    if picture:
        figures.with_suffix(".svg").write_text(picture, "utf-8")
    figures.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    marked = re.compile(f"(<!-- {name} -->\n).*(\n<!-- /{name} -->)", re.DOTALL)
    written.write_text(marked.sub(lambda found: found[1] + text + found[2], written.read_text("utf-8")), "utf-8")
    print(f"\nWritten to {figures} and {written}")


def markdown(*rows: Row) -> str:
    """A table. The first row is the header; all columns except the first are figures."""
    header, *body = rows
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def measured_on(machine: Mapping[str, Any], others: float, versions: Mapping[str, str]) -> str:
    """The date, the machine with the share that ``others`` used, 0 to 1, and the versions of the competitors."""
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured on {machine['date']}: {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gib']} GiB, {machine['system']}. Other processes used {others:.0%} of the machine.\n"
        f"Versions: {named}."
    )


def target_row(measure: str, target: str, result: str, met: bool) -> Row:
    return measure, target, result, "met" if met else "NOT MET"
