"""Raw figures in docs/benchmarks/, and tables of them between two marks of the page that explains them."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path("docs")

Row = Sequence[str]


def keep(name: str, facts: Mapping[str, Any], page: str, text: str) -> None:
    """Write ``facts`` to docs/benchmarks/NAME.json, and ``text`` between the marks NAME of ``page``."""
    kept, written = DOCS / "benchmarks" / f"{name}.json", DOCS / page
    kept.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    marked = re.compile(f"(<!-- {name} -->\n).*(\n<!-- /{name} -->)", re.DOTALL)
    written.write_text(marked.sub(lambda found: found[1] + text + found[2], written.read_text("utf-8")), "utf-8")
    print(f"\nKept in {kept} and {written}")


def markdown(*rows: Row) -> str:
    """A table whose first row is its head; all columns but the first are figures."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
