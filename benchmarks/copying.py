"""The timed copies: every contestant in turn, round after round, so that a slow minute of the machine hits them all."""

from collections.abc import Iterable, Iterator

from benchmarks.field import Field, file, plan, say, with_disk
from benchmarks.peers import CONTESTANTS, WRITE_LIMIT, Contestant
from benchmarks.results import Run, Scenario

NAME = "export.csv"


def copies(field: Field, scenario: Scenario) -> Iterator[Run]:
    """Interleaved runs; each round begins with another contestant."""
    present = [each for each in CONTESTANTS if each.name in scenario.contestants and not each.missing]
    for number in range(1, scenario.rounds + 1):
        for contestant in _rotated(present, number - 1):
            run = copy_once(field, scenario, contestant, number)
            say(
                f"{scenario.name} {number}/{scenario.rounds}: {contestant.name}, {run.seconds:.2f} s"
                f"{', ' + run.error if run.error else ''}"
            )
            yield run


def copy_once(field: Field, scenario: Scenario, contestant: Contestant, number: int) -> Run:
    field.servers.plan(plan({NAME: file(scenario.size)}, scenario))
    job = field.job(NAME)
    if contestant.name == WRITE_LIMIT:
        job = with_disk(job, field.disk(scenario.size))
    taken, outcomes = field.run(contestant, job)
    told = field.servers.told()[NAME]
    seconds, cpu_seconds = taken.seconds, taken.cpu_seconds
    error = "it ended without a word" if taken.failed else ""
    for outcome in outcomes:
        seconds, cpu_seconds, error = outcome.seconds, outcome.cpu_seconds, outcome.error or ""
    if contestant.copies and told["state"] != "identical" and not error:
        error = f"the object is {told['state']}"
    return Run(
        scenario.name,
        scenario.size,
        number,
        contestant.name,
        seconds,
        cpu_seconds,
        taken.seconds,
        taken.peak_bytes,
        told["state"],
        error,
    )


def _rotated(contestants: list[Contestant], by: int) -> Iterable[Contestant]:
    turn = by % len(contestants)
    return contestants[turn:] + contestants[:turn]
