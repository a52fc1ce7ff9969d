"""`make bench-tables`: compare the making of tables with other tools, and write the results to docs/."""

import argparse
from dataclasses import asdict

from benchmarks.machine import OtherLoad, machine
from benchmarks.page import save
from benchmarks.processes import log, turns
from benchmarks.tables import before
from benchmarks.tables.competitors import versions
from benchmarks.tables.environment import bench_environment
from benchmarks.tables.report_tables import picture, report
from benchmarks.tables.results import Results, Size
from benchmarks.tables.scenarios import FULL, QUICK, Plan


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small exports, one round: two minutes, writes nothing")
    quick = parser.parse_args().quick
    results = bench(QUICK if quick else FULL)
    results_before = Results.load(before.FILE)
    text = report(results, results_before)
    print(text)
    if quick:
        print("\nSmall exports and one round: the figures are rough, and docs/ is not changed.")
    else:
        save("tables", asdict(results), "performance.md", text, picture(results, results_before))


def bench(plan: Plan) -> Results:
    """Competitors take turns in each round, so that a slow minute of the machine affects them all."""
    results = Results(machine(), versions())
    load = OtherLoad()
    with bench_environment(plan.exports) as bench_env:
        results.sizes = {name: Size(each.zip_bytes, each.csv_bytes) for name, each in bench_env.exports.items()}
        for scenario in plan.scenarios:
            for number, competitor in turns(tuple(scenario.modules), scenario.rounds):
                run = bench_env.run(scenario, competitor, number)
                results.runs.append(run)
                log(
                    f"{run.contest} {run.export} {number}/{scenario.rounds}: {competitor}, "
                    f"{run.cpu_seconds:.2f} CPU s in {run.seconds:.2f} s {run.error}"
                )
    results.others = load.share()
    return results


if __name__ == "__main__":
    main()
