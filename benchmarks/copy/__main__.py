"""`make bench`: compare the copy with other tools, print the results, and write them to docs/."""

import argparse
from dataclasses import asdict

from benchmarks.copy import report_tables
from benchmarks.copy.competitors import versions
from benchmarks.copy.cut_connections import drops
from benchmarks.copy.environment import bench_environment
from benchmarks.copy.killed_processes import kills
from benchmarks.copy.results import Results
from benchmarks.copy.scenarios import FULL, QUICK, RunSize
from benchmarks.copy.timed_copies import copies
from benchmarks.machine import OtherLoad, machine
from benchmarks.page import save


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files, few rounds: two minutes, writes nothing")
    quick = parser.parse_args().quick
    results = bench(QUICK if quick else FULL)
    print(report_tables.report(results))
    if quick:
        print("\nSmall files and few rounds: the figures are rough, and docs/ is not changed.")
    else:
        save("results", asdict(results), "performance.md", report_tables.report(results))


def bench(run_size: RunSize) -> Results:
    results = Results(machine(), versions(), run_size.scenarios)
    load = OtherLoad()
    with bench_environment() as bench_env:
        for scenario in run_size.scenarios:
            results.runs += copies(bench_env, scenario)
        results.drops += drops(bench_env, run_size.drops, run_size.competitor_drops)
        results.kills += kills(bench_env, run_size.kills)
    results.others = load.share()
    return results


if __name__ == "__main__":
    main()
