"""Sets of ranges: nothing is counted twice, and nothing is lost between what is covered and what is missing."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exports.collecting.ranges import TimeRange, normalized, subtract, total

START = datetime(2026, 11, 1, tzinfo=UTC)
SECONDS = st.integers(0, 60)


def second(number: int) -> datetime:
    return START + timedelta(seconds=number)


RANGES = st.builds(lambda start, end: TimeRange(second(start), second(end)), SECONDS, SECONDS)


def seconds(ranges: tuple[TimeRange, ...] | list[TimeRange]) -> set[int]:
    """The seconds that begin in the ranges."""
    return {number for number in range(61) if any(each.start <= second(number) < each.end for each in ranges)}


@given(st.lists(RANGES))
def test_normalized_ranges_have_the_same_seconds_without_overlaps_or_shared_boundaries(ranges: list[TimeRange]) -> None:
    found = normalized(ranges)

    assert seconds(found) == seconds(ranges)
    assert all(one.end < other.start for one, other in pairwise(found))
    assert total(found) == timedelta(seconds=len(seconds(ranges)))
    assert normalized(found) == found


@given(RANGES, st.lists(RANGES))
def test_what_is_covered_and_what_is_missing_are_together_all_and_have_nothing_in_common(
    whole: TimeRange, covered: list[TimeRange]
) -> None:
    missing = subtract(whole, covered)

    assert seconds(missing) == seconds([whole]) - seconds(covered)
    assert missing == normalized(missing)
    assert subtract(whole, missing) == normalized(
        TimeRange(max(each.start, whole.start), min(each.end, whole.end)) for each in covered
    )
