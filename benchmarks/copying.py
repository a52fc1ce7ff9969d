"""The timed copies: every contestant in turn, round after round, so that a slow minute of the machine hits them all."""

from collections.abc import Iterable, Iterator

from benchmarks.field import Field, say
from benchmarks.peers import CONTESTANTS, Contestant
from benchmarks.results import Run, Scenario
from benchmarks.servers import File, Plan

NAME = "export.csv"


def copies(field: Field, scenario: Scenario) -> Iterator[Run]:
    """Interleaved runs; each round begins with another contestant."""
    present = [each for each in CONTESTANTS if each.name in scenario.contestants and not each.missing]
    for number in range(1, scenario.rounds + 1):
        for contestant in _rotated(present, number - 1):
            run = _copy_once(field, scenario, contestant, number)
            say(f"{scenario.name} {number}/{scenario.rounds}: {run.contestant}, {run.seconds:.2f} s {run.error}")
            yield run


def _copy_once(field: Field, scenario: Scenario, contestant: Contestant, number: int) -> Run:
    field.servers.plan(Plan({NAME: File(scenario.size)}, scenario.source, scenario.bucket))
    taken, outcomes = field.run(contestant, field.job(NAME))
    state = field.servers.seen()[NAME].state
    seconds, cpu_seconds, error = taken.seconds, taken.cpu_seconds, "it ended without a word"
    for outcome in outcomes:
        seconds, cpu_seconds, error = outcome.seconds, outcome.cpu_seconds, outcome.error or ""
    if contestant.copies and state != "identical":
        error = error or f"the object is {state}"
    return Run(
        scenario.name, scenario.size, number, contestant.name, seconds, cpu_seconds, taken.peak_bytes, state, error
    )


def _rotated(contestants: list[Contestant], by: int) -> Iterable[Contestant]:
    turn = by % len(contestants)
    return contestants[turn:] + contestants[:turn]
