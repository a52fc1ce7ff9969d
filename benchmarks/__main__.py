"""`make bench`: run everything, print what was found, and keep it with a picture under docs/benchmarks/."""

import argparse
from pathlib import Path

from benchmarks import tables
from benchmarks.copying import copies
from benchmarks.dropping import drops
from benchmarks.field import Field, opened, say
from benchmarks.killing import kills
from benchmarks.machine import OtherLoad, machine
from benchmarks.page import write_page
from benchmarks.peers import CONTESTANTS, versions
from benchmarks.picture import picture
from benchmarks.results import Results
from benchmarks.scenarios import FULL, QUICK, Extent
from benchmarks.targets import verdicts

DOCS = Path("docs")
KEPT = DOCS / "benchmarks" / "results.json"
PICTURE = DOCS / "benchmarks" / "copy.svg"
PAGE = DOCS / "performance.md"


def main() -> None:
    options = _options()
    if options.redraw:
        keep(Results.read(KEPT))
        return
    results = bench(QUICK if options.quick else FULL, options.seed)
    print(tables.report(results, verdicts(results), tables.plain, lambda title: f"== {title} =="))
    print(tables.disturbance(results))
    if options.quick:
        print("The quick form: small files and few rounds, so figures are rough. docs/ was left as it is.")
    else:
        keep(results)


def bench(extent: Extent, seed: int) -> Results:
    left_out = {each.name: each.missing for each in CONTESTANTS if each.missing}
    results = Results(machine(), versions(), left_out, seed, list(extent.scenarios))
    for name, missing in left_out.items():
        say(f"left out: {name}, as there is no {', '.join(missing)} here")
    load = OtherLoad()
    with opened(seed) as field:
        _run(results, field, extent)
    results.others = load.share()
    return results


def _run(results: Results, field: Field, extent: Extent) -> None:
    for scenario in extent.scenarios:
        results.runs += copies(field, scenario)
    results.drops += drops(field, extent.drops, extent.drops_of_peers)
    results.kills += kills(field, extent.kills)


def keep(results: Results) -> None:
    """Write what was found, its picture, and the tables of the page that explains them."""
    KEPT.parent.mkdir(exist_ok=True)
    results.write(KEPT)
    PICTURE.write_text(picture(results))
    write_page(PAGE, results)
    print(f"Kept in {KEPT}, {PICTURE} and {PAGE}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files and few rounds: ends within two minutes")
    parser.add_argument("--seed", type=int, default=1, help="decides bytes, cuts and kills (%(default)s)")
    parser.add_argument("--redraw", action="store_true", help="write picture and tables from the figures that are kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
