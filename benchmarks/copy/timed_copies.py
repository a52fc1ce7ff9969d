"""The timed copies: every contestant in turn, round after round, so that a slow minute of the machine hits them all."""

from collections.abc import Iterator

from benchmarks.copy.competitors import READ_LIMIT
from benchmarks.copy.environment import BenchEnvironment, say
from benchmarks.copy.results import Run, Scenario
from benchmarks.copy.servers import File

NAME = "export.csv"


def copies(field: BenchEnvironment, scenario: Scenario) -> Iterator[Run]:
    """Interleaved runs; each round begins with another contestant."""
    for number in range(scenario.rounds):
        turn = number % len(scenario.competitors)
        for competitor in scenario.competitors[turn:] + scenario.competitors[:turn]:
            run = _copy_once(field, scenario, competitor, number + 1)
            say(f"{scenario.name} {run.round}/{scenario.rounds}: {competitor}, {run.seconds:.2f} s {run.error}")
            yield run


def _copy_once(field: BenchEnvironment, scenario: Scenario, competitor: str, number: int) -> Run:
    job = field.plan({NAME: File(scenario.size)}, scenario.source, scenario.bucket)
    [found] = field.run(competitor, job)
    state = field.bucket.state(NAME)
    whole = competitor == READ_LIMIT or state == "identical"
    error = found.error or ("" if whole else f"the object is {state}")
    figures = (found.seconds, found.cpu_seconds, found.peak_bytes)
    return Run(scenario.name, scenario.size, number, competitor, *figures, error)
