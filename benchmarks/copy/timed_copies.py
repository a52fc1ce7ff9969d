"""The timed copies. Competitors take turns in each round, so that a slow minute of the machine affects them all."""

from collections.abc import Iterator

from benchmarks.copy.competitors import READ_LIMIT
from benchmarks.copy.environment import BenchEnvironment
from benchmarks.copy.results import Run, Scenario
from benchmarks.copy.servers import File
from benchmarks.processes import log, turns

NAME = "export.csv"


def copies(bench_env: BenchEnvironment, scenario: Scenario) -> Iterator[Run]:
    """Interleaved runs. Each round begins with another competitor."""
    for number, competitor in turns(scenario.competitors, scenario.rounds):
        run = _copy_once(bench_env, scenario, competitor, number)
        log(f"{scenario.name} {run.round}/{scenario.rounds}: {competitor}, {run.seconds:.2f} s {run.error}")
        yield run


def _copy_once(bench_env: BenchEnvironment, scenario: Scenario, competitor: str, number: int) -> Run:
    job = bench_env.reset({NAME: File(scenario.size)}, scenario.source, scenario.bucket)
    [outcome] = bench_env.run(competitor, job)
    state = bench_env.bucket.state(NAME)
    complete = competitor == READ_LIMIT or state == "identical"
    error = outcome.error or ("" if complete else f"the object is {state}")
    figures = (outcome.seconds, outcome.cpu_seconds, outcome.peak_bytes)
    return Run(scenario.name, scenario.size, number, competitor, *figures, error)
