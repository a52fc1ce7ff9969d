"""The time until the next poll."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.settings import Settings
from exports.workflow.poll_interval import MAX_POLLS, next_poll_at

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def seconds(
    *ages: float, polls: int = 0, left: float = DAY, jitter: float = 0, floor: float = 15, ceiling: float = 300
) -> float:
    """Time until the next poll for exports of these ages, with ``left`` until the deadline; all in seconds."""
    next_poll = next_poll_at(
        NOW,
        requested_at=[NOW - timedelta(seconds=age) for age in ages],
        deadline=NOW + timedelta(seconds=left),
        polls=polls,
        settings=settings(floor, ceiling),
        jitter=jitter,
    )
    return (next_poll - NOW).total_seconds()


def settings(floor: float, ceiling: float) -> Settings:
    return Settings({"WAIT_FLOOR_SECONDS": str(floor), "WAIT_CEILING_SECONDS": str(ceiling)})


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (0, 15),
        (2 * MINUTE - 1, 15),
        (2 * MINUTE, 60),
        (HOUR - 1, 60),
        (HOUR, 300),
        (30 * DAY, 300),
    ],
)
def test_the_interval_is_the_floor_then_a_minute_then_the_ceiling(age: float, wait: float) -> None:
    assert seconds(age) == wait


def test_the_youngest_export_determines_the_interval() -> None:
    assert seconds(3 * DAY, MINUTE, HOUR) == 15


@pytest.mark.parametrize("ages", [[], [-HOUR]], ids=["none known", "requested in the future"])
def test_an_export_without_an_age_is_polled_like_a_new_one(ages: Sequence[float]) -> None:
    assert seconds(*ages) == 15


@pytest.mark.parametrize(
    ("floor", "ceiling", "expected"), [(1, 2, [1, 2, 2]), (90, 300, [90, 90, 300]), (60, 60, [60, 60, 60])]
)
def test_the_interval_is_between_the_floor_and_the_ceiling(floor: float, ceiling: float, expected: list[float]) -> None:
    ages = (MINUTE, 30 * MINUTE, DAY)

    assert [seconds(age, floor=floor, ceiling=ceiling) for age in ages] == expected


@pytest.mark.parametrize("age", [0, 30 * MINUTE, DAY])
def test_jitter_shortens_the_interval_by_at_most_a_tenth(age: float) -> None:
    assert seconds(age, jitter=0.5) == 0.95 * seconds(age)
    assert seconds(age, jitter=1) == 0.9 * seconds(age)


def test_the_last_poll_is_at_the_deadline() -> None:
    assert seconds(DAY, left=40) == 40
    assert seconds(DAY, left=-40) == 0


def test_the_second_half_of_the_polls_is_spread_over_the_time_left() -> None:
    assert seconds(DAY, polls=MAX_POLLS // 2, left=7 * DAY) == 300
    assert seconds(DAY, polls=300, left=7 * DAY) == 7 * DAY / 100
    assert seconds(DAY, polls=300, left=HOUR) == 300


@given(st.floats(0, 1), st.integers(1, 7 * 24 * 60), st.integers(-10, 10_000))
def test_a_batch_reaches_its_deadline_within_its_polls(jitter: float, minutes: int, age_minutes: int) -> None:
    now, deadline, polls = NOW, NOW + timedelta(minutes=minutes), 0
    requested_at = [NOW - timedelta(minutes=age_minutes)]
    while now < deadline:
        now = next_poll_at(
            now, requested_at=requested_at, deadline=deadline, polls=polls, settings=settings(15, 300), jitter=jitter
        )
        polls += 1

    assert polls <= MAX_POLLS
