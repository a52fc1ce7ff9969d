"""`make bench-polling`: what waiting costs and how late it notices, beside other ways; kept in docs/."""

import json
from pathlib import Path

from benchmarks.polling.contest import contest
from benchmarks.polling.page import tables, write_page

KEPT = Path("docs") / "benchmarks" / "polling.json"
PAGE = Path("docs") / "polling.md"


def main() -> None:
    found = contest()
    print(tables(found))
    KEPT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    write_page(PAGE, found)
    print(f"\nKept in {KEPT} and {PAGE}")


if __name__ == "__main__":
    main()
