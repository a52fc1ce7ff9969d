"""Other ways to wait, with the transitions that their usual definitions make."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.polling.prices import Bill
from benchmarks.polling.world import Task

AROUND = 2
"""Transitions of an execution beside its looks: storing, and its end."""
A_LOOK = 3
"""Describe, choose, wait."""


def fixed(seconds: float) -> Callable[[Sequence[Task]], tuple[Bill, list[float]]]:
    """One execution per export that looks every so many seconds."""

    def wait(tasks: Sequence[Task]) -> tuple[Bill, list[float]]:
        waits = [-(-(task.ends - task.begins) // seconds) for task in tasks]
        looks = sum(int(each) + 1 for each in waits)
        delays = [each * seconds - (task.ends - task.begins) for each, task in zip(waits, tasks, strict=True)]
        transitions = sum(int(each) * A_LOOK + 2 + AROUND for each in waits)
        return Bill(transitions, looks, looks), delays

    return wait


def retried(first: float, rate: float, most: float) -> Callable[[Sequence[Task]], tuple[Bill, list[float]]]:
    """One execution per export whose task fails until the export is there; each retry is a transition."""

    def wait(tasks: Sequence[Task]) -> tuple[Bill, list[float]]:
        looks, delays = 0, []
        for task in tasks:
            at, pause = 0.0, first
            looks += 1
            while at < task.ends - task.begins:
                at, pause, looks = at + pause, min(pause * rate, most), looks + 1
            delays.append(at - (task.ends - task.begins))
        return Bill(looks + AROUND * len(tasks), looks, looks), delays

    return wait


def knowing(tasks: Sequence[Task], looks: int) -> tuple[Bill, list[float]]:
    """Batches of 100 that are looked at ``looks`` times each, at the best moments there are for the mean delay."""
    delays: list[float] = []
    taken = 0
    for start in range(0, len(tasks), 100):
        ends = sorted(task.ends for task in tasks[start : start + 100])
        groups = min(looks, len(ends))
        delays += _best(ends, groups)
        taken += groups
    transitions = taken * (A_LOOK + A_LOOK) + len(tasks) + 6
    return Bill(transitions, taken, taken), delays


def _best(ends: Sequence[float], groups: int) -> Iterable[float]:
    """Delays when sorted ``ends`` are cut into groups, each noticed with its last, so that their sum is least."""
    count = len(ends)
    sums = [0.0]
    for end in ends:
        sums.append(sums[-1] + end)
    cost = [0.0] + [float("inf")] * count
    cuts: list[list[int]] = []
    for _ in range(groups):
        following, cut = [float("inf")] * (count + 1), [0] * (count + 1)
        for last in range(1, count + 1):
            for first in range(last):
                here = cost[first] + (last - first) * ends[last - 1] - (sums[last] - sums[first])
                if here < following[last]:
                    following[last], cut[last] = here, first
        cost, cuts = following, [*cuts, cut]
    return _delays(ends, cuts)


def _delays(ends: Sequence[float], cuts: Sequence[Sequence[int]]) -> Iterator[float]:
    last = len(ends)
    for cut in reversed(cuts):
        first = cut[last]
        yield from (ends[last - 1] - end for end in ends[first:last])
        last = first
