"""The timed copies: every contestant in turn, round after round, so that a slow minute of the machine hits them all."""

from collections.abc import Iterable, Iterator

from benchmarks.bystanders import QUIET, Bystanders, Hush
from benchmarks.field import Field, file, plan, say, with_disk
from benchmarks.peers import CONTESTANTS, WRITE_LIMIT, Contestant
from benchmarks.results import Run, Scenario

NAME = "export.csv"
TRIES = 4


def copies(field: Field, scenario: Scenario, hush: Hush) -> Iterator[Run]:
    """Interleaved runs; each round begins with another contestant. Disturbed ones are repeated while there is time."""
    present = [each for each in CONTESTANTS if each.name in scenario.contestants and not each.missing]
    for number in range(1, scenario.rounds + 1):
        for contestant in _rotated(present, number - 1):
            run = _undisturbed(field, scenario, contestant, number, hush)
            say(f"{scenario.name} {number}/{scenario.rounds}: {_told(run)}")
            yield run


def _told(run: Run) -> str:
    disturbed = [f"others had {run.others:.0%}"] if run.others > QUIET else []
    return ", ".join([run.contestant, f"{run.seconds:.2f} s", *disturbed, *([run.error] if run.error else [])])


def _undisturbed(field: Field, scenario: Scenario, contestant: Contestant, number: int, hush: Hush) -> Run:
    """The first of a few runs that nobody disturbed, or the one that was disturbed least."""
    runs: list[Run] = []
    while not runs or (len(runs) < TRIES and runs[-1].others > QUIET and hush.seconds > 0):
        hush.wait()
        runs.append(copy_once(field, scenario, contestant, number))
    hush.spend(sum(run.process_seconds for run in runs[1:]))
    return min(runs, key=lambda run: run.others)


def copy_once(field: Field, scenario: Scenario, contestant: Contestant, number: int) -> Run:
    field.servers.plan(plan({NAME: file(scenario.size)}, scenario))
    job = field.job(NAME)
    if contestant.name == WRITE_LIMIT:
        job = with_disk(job, field.disk(scenario.size))
    bystanders = Bystanders(field.servers.pids)
    taken, outcomes = field.run(contestant, job)
    others = bystanders.share()
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
        others,
        error,
    )


def _rotated(contestants: list[Contestant], by: int) -> Iterable[Contestant]:
    turn = by % len(contestants)
    return contestants[turn:] + contestants[:turn]
