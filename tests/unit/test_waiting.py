"""How long until the next look."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.waiting import MAX_POLLS, next_look

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WAITS = SimpleNamespace(wait_floor=timedelta(seconds=15), wait_ceiling=timedelta(seconds=300))


def seconds(age_minutes: float, *, polls: int = 0, left: timedelta = timedelta(hours=12), jitter: float = 0.5) -> float:
    look = next_look(
        NOW,
        requested_at=[NOW - timedelta(minutes=age_minutes), NOW - timedelta(days=3)],
        deadline=NOW + left,
        polls=polls,
        waits=WAITS,
        jitter=jitter,
    )
    return (look - NOW).total_seconds()


@pytest.mark.parametrize(("age_minutes", "waits"), [(0, 15), (1, 15), (10, 44.1), (20, 62.4), (60, 108), (1000, 300)])
def test_the_wait_grows_with_the_root_of_the_youngest_age_within_floor_and_ceiling(
    age_minutes: float, waits: float
) -> None:
    assert seconds(age_minutes) == pytest.approx(waits, abs=0.05)


def test_jitter_spreads_a_wait_by_a_tenth_each_way() -> None:
    assert seconds(20, jitter=0) == pytest.approx(62.35 * 0.9, abs=0.05)
    assert seconds(20, jitter=1) == pytest.approx(62.35 * 1.1, abs=0.05)


def test_the_last_look_is_at_the_deadline() -> None:
    assert seconds(1000, left=timedelta(seconds=40)) == 40
    assert seconds(1000, left=timedelta(seconds=-40)) == 0


def test_an_export_from_the_future_is_looked_at_after_the_floor() -> None:
    assert seconds(-1000) == 15


@given(st.floats(0, 1), st.integers(1, 7 * 24 * 60), st.integers(-10, 10_000))
def test_a_batch_reaches_its_deadline_within_its_polls(jitter: float, minutes: int, age_minutes: int) -> None:
    now, deadline, polls = NOW, NOW + timedelta(minutes=minutes), 0
    while now < deadline:
        requested_at = [NOW - timedelta(minutes=age_minutes)]
        now = next_look(now, requested_at=requested_at, deadline=deadline, polls=polls, waits=WAITS, jitter=jitter)
        polls += 1

    assert polls <= MAX_POLLS
