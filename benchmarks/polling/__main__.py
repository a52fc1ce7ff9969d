"""`make bench-polling`: what waiting costs and how late it notices, beside other ways; kept under docs/benchmarks/."""

import argparse
import json
from pathlib import Path

from benchmarks.polling.contest import contest
from benchmarks.polling.page import picture, table, write_page

DOCS = Path("docs")
KEPT = DOCS / "benchmarks" / "polling.json"
PICTURE = DOCS / "benchmarks" / "polling.svg"
PAGE = DOCS / "polling.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polling", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides how long exports take (%(default)s)")
    found = contest(parser.parse_args().seed)
    print(table(found))
    KEPT.write_text(json.dumps(found, indent=1) + "\n")
    PICTURE.write_text(picture(found))
    write_page(PAGE, found)
    print(f"Kept in {KEPT}, {PICTURE} and {PAGE}")


if __name__ == "__main__":
    main()
