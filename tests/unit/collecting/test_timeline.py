"""The slices of an agent's history."""

from datetime import UTC, datetime, timedelta

import pytest

from exports.collecting.coverage import AgentCoverage, AgentProgress
from exports.collecting.ranges import TimeRange
from exports.collecting.timeline import timeline

START = datetime(2026, 11, 1, tzinfo=UTC)


def hours(first: float, last: float) -> TimeRange:
    return TimeRange(START + timedelta(hours=first), START + timedelta(hours=last))


def agent(*covered: TimeRange, gaps: tuple[TimeRange, ...] = (), wanted: TimeRange | None) -> AgentCoverage:
    return AgentCoverage("a", "", AgentProgress.WAITING, "", wanted, covered, [(each, "GONE") for each in gaps], None)


@pytest.mark.parametrize(
    ("covered", "gaps", "shown"),
    [
        ((), (), "missing missing missing missing"),
        ((hours(0, 8),), (), "stored stored stored stored"),
        ((hours(0, 3),), (), "stored partly missing missing"),
        ((hours(6, 8),), (hours(0, 1),), "gap missing missing stored"),
        ((hours(0, 2), hours(4, 8)), (hours(2, 4),), "stored gap stored stored"),
        ((hours(0, 2), hours(2, 8)), (), "stored stored stored stored"),
    ],
)
def test_each_slice_says_what_is_true_of_all_of_it(
    covered: tuple[TimeRange, ...], gaps: tuple[TimeRange, ...], shown: str
) -> None:
    assert " ".join(timeline(agent(*covered, gaps=gaps, wanted=hours(0, 8)), 4)) == shown


@pytest.mark.parametrize("wanted", [None, hours(3, 3)])
def test_an_agent_without_a_known_history_has_no_slices(wanted: TimeRange | None) -> None:
    assert timeline(agent(wanted=wanted), 4) == []
