"""Times and durations as people write and read them."""

from datetime import UTC, datetime, timedelta

import pytest

from discovery_exports.cli.failures import Misused
from discovery_exports.cli.times import read_duration, read_since, short_bytes, short_duration, short_time

EARLY = "0001-01-01T00:00+23:00"
NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", datetime(2026, 11, 28, 12, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 22, 12, 30, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 28, tzinfo=UTC)),
        ("Today", datetime(2026, 11, 29, tzinfo=UTC)),
        ("2026-11-28", datetime(2026, 11, 28, tzinfo=UTC)),
        ("2026-11-28T09:30Z", datetime(2026, 11, 28, 9, 30, tzinfo=UTC)),
        ("2026-11-28T09:30+02:00", datetime(2026, 11, 28, 7, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_duration_a_day_or_a_date(text: str, expected: datetime) -> None:
    assert read_since(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "5", "-5h", "5 fortnights", "2026-13-01", "999999999w", "0001-01-01T00:00+23:00"]
)
def test_another_text_is_no_time(text: str) -> None:
    with pytest.raises(Misused, match=r"is not a (time|duration)"):
        read_since(text, NOW)


@pytest.mark.parametrize("text", ["2026-11-30", "2026-11-29T12:31Z", "9999-12-31"])
def test_a_time_of_the_future_is_refused(text: str) -> None:
    with pytest.raises(Misused, match="is in the future: it is 2026-11-29 12:30 UTC now"):
        read_since(text, NOW)


@pytest.mark.parametrize("text", ["", "5", "h", "-5h", "1.5h", "999999999w", "999999999d", "3651d", "99999h"])
def test_another_text_is_no_duration(text: str) -> None:
    with pytest.raises(Misused, match="is not a duration"):
        read_duration(text)


def test_the_longest_duration_can_be_added_to_and_taken_from_any_time_of_now() -> None:
    assert NOW - read_duration("3650d") < NOW < NOW + read_duration("3650d")


def test_durations_show_their_two_largest_units() -> None:
    shown = [short_duration(timedelta(seconds=seconds)) for seconds in (-5, 0, 8, 60, 3_700, 90_000, 86_400 * 40)]

    assert shown == ["0 s", "0 s", "8 s", "1 min", "1 h 1 min", "1 d 1 h", "40 d"]


def test_sizes_have_three_digits_at_most_before_the_unit() -> None:
    assert [short_bytes(n) for n in (0, 999, 1_500, 2.5e6, 1e9, 3e15)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.5 MB",
        "1.0 GB",
        "3000.0 TB",
    ]


def test_times_are_shown_to_the_minute_and_other_texts_as_they_are() -> None:
    assert short_time("2026-11-23T10:00:59.123Z") == "2026-11-23 10:00"
    assert [short_time(text) for text in (None, "", "some day")] == ["", "", "some day"]
