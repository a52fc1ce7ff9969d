"""`make bench`: measure the copy beside others, print what was found, and keep it under docs/."""

import argparse
from dataclasses import asdict

from benchmarks.copy import report_tables
from benchmarks.copy.competitors import versions
from benchmarks.copy.cut_connections import drops
from benchmarks.copy.environment import opened
from benchmarks.copy.killed_processes import kills
from benchmarks.copy.results import Results
from benchmarks.copy.scenarios import FULL, QUICK, RunSize
from benchmarks.copy.timed_copies import copies
from benchmarks.machine import OtherLoad, machine
from benchmarks.page import keep


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files and few rounds: ends within two minutes")
    quick = parser.parse_args().quick
    results = bench(QUICK if quick else FULL)
    print(report_tables.report(results))
    if quick:
        print("\nThe quick form: small files and few rounds, so figures are rough. docs/ was left as it is.")
    else:
        keep("results", asdict(results), "performance.md", report_tables.report(results))


def bench(extent: RunSize) -> Results:
    results = Results(machine(), versions(), extent.scenarios)
    load = OtherLoad()
    with opened() as field:
        for scenario in extent.scenarios:
            results.runs += copies(field, scenario)
        results.drops += drops(field, extent.drops, extent.drops_of_peers)
        results.kills += kills(field, extent.kills)
    results.others = load.progress()
    return results


if __name__ == "__main__":
    main()
