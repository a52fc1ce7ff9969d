"""The timed copies: every contestant in turn, round after round, so that a slow minute of the machine hits them all."""

from collections.abc import Iterator

from benchmarks.field import Field, say
from benchmarks.peers import READ_LIMIT
from benchmarks.results import Run, Scenario
from benchmarks.servers import File

NAME = "export.csv"


def copies(field: Field, scenario: Scenario) -> Iterator[Run]:
    """Interleaved runs; each round begins with another contestant."""
    for number in range(scenario.rounds):
        turn = number % len(scenario.contestants)
        for contestant in scenario.contestants[turn:] + scenario.contestants[:turn]:
            run = _copy_once(field, scenario, contestant, number + 1)
            say(f"{scenario.name} {run.round}/{scenario.rounds}: {contestant}, {run.seconds:.2f} s {run.error}")
            yield run


def _copy_once(field: Field, scenario: Scenario, contestant: str, number: int) -> Run:
    job = field.plan({NAME: File(scenario.size)}, scenario.source, scenario.bucket)
    [found] = field.run(contestant, job)
    state = field.bucket.state(NAME)
    whole = contestant == READ_LIMIT or state == "identical"
    error = found.error or ("" if whole else f"the object is {state}")
    figures = (found.seconds, found.cpu_seconds, found.peak_bytes)
    return Run(scenario.name, scenario.size, number, contestant, *figures, error)
