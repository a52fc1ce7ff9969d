"""The history of an agent in slices of equal length, for a bar on a page or a terminal."""

from collections.abc import Iterator
from enum import StrEnum

from exports.collecting.coverage import AgentCoverage
from exports.collecting.ranges import TimeRange, subtract


class Slice(StrEnum):
    """What is true of a slice, the first that applies."""

    GAP = "gap"
    """At least a part of it is given up."""
    STORED = "stored"
    """All of it is stored."""
    PARTLY = "partly"
    """A part of it is stored."""
    MISSING = "missing"


def timeline(agent: AgentCoverage, count: int) -> list[Slice]:
    """``count`` slices from the first to the last moment that is wanted; none if it is not known or has no length."""
    if agent.wanted is None or not agent.wanted.length:
        return []
    return [_slice(agent, each) for each in _slices(agent.wanted, count)]


def _slices(whole: TimeRange, count: int) -> Iterator[TimeRange]:
    for number in range(count):
        yield TimeRange(whole.start + whole.length * number / count, whole.start + whole.length * (number + 1) / count)


def _slice(agent: AgentCoverage, of: TimeRange) -> Slice:
    if any(gap.start < of.end and of.start < gap.end for gap, _ in agent.gaps):
        return Slice.GAP
    missing = subtract(of, agent.covered)
    if not missing:
        return Slice.STORED
    return Slice.MISSING if missing == (of,) else Slice.PARTLY
