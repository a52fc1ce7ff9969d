"""`make bench`: measure the copy beside others, print what was found, and keep it under docs/."""

import argparse
from dataclasses import asdict

from benchmarks import tables
from benchmarks.copying import copies
from benchmarks.dropping import drops
from benchmarks.field import opened
from benchmarks.killing import kills
from benchmarks.machine import OtherLoad, machine
from benchmarks.page import keep
from benchmarks.peers import versions
from benchmarks.results import Results
from benchmarks.scenarios import FULL, QUICK, Extent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files and few rounds: ends within two minutes")
    quick = parser.parse_args().quick
    results = bench(QUICK if quick else FULL)
    print(tables.report(results))
    if quick:
        print("\nThe quick form: small files and few rounds, so figures are rough. docs/ was left as it is.")
    else:
        keep("results", asdict(results), "performance.md", tables.report(results))


def bench(extent: Extent) -> Results:
    results = Results(machine(), versions(), extent.scenarios)
    load = OtherLoad()
    with opened() as field:
        for scenario in extent.scenarios:
            results.runs += copies(field, scenario)
        results.drops += drops(field, extent.drops, extent.drops_of_peers)
        results.kills += kills(field, extent.kills)
    results.others = load.share()
    return results


if __name__ == "__main__":
    main()
