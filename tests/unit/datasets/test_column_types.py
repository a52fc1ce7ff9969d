"""Cells in uncommon forms are numbers and times, other text is not."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from arro3.compute import cast
from arro3.core import Array
from hypothesis import given
from hypothesis import strategies as st

from exports.datasets.column_types import CONVERTIBLE, bigint_text, double_text, timestamp_text
from exports.formats.csv_reader import TEXT
from exports.formats.parquet_writer import TYPES

MOMENT = "2020-07-14 20:46:38"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("2.0", "2"),
        ("2E0", "2"),
        ("12e2", "1200"),
        (" 5 ", "5"),
        ("007", "7"),
        ("+1", "1"),
        ("-3.", "-3"),
        ("0e9999", "0"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", None),
        ("1" * 38, None),
        ("0" * 500 + "1", "1"),
        ("1." + "0" * 500, "1"),
        ("0e" + "9" * 500, None),
        ("1e9999", None),
        ("2.5", None),
        ("1e-400", None),
        ("1_000", None),
        ("1,000", None),
        ("٣", None),
        ("0x10", None),
        ("NaN", None),
        ("n/a", None),
        ("", None),
    ],
)
def test_bad_input_36_whole_numbers(cell: str, text: str | None) -> None:
    assert bigint_text(cell) == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (".5", ".5"),
        (" 5\t", "5"),
        ("1e-400", "1e-400"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("1e00001", "1e00001"),
        ("1" * 300 + "." + "1" * 500, "1" * 300 + "." + "1" * 500),
        ("1" * 400, None),
        ("1e400", None),
        ("NaN", None),
        ("-Infinity", None),
        ("1d", None),
        ("1_0", None),
        (".", None),
        ("e5", None),
    ],
)
def test_bad_input_36_finite_numbers(cell: str, text: str | None) -> None:
    assert double_text(cell) == text


@pytest.mark.parametrize(
    "cell",
    [
        MOMENT,
        f" {MOMENT} ",
        f"{MOMENT}.0",
        f"{MOMENT}.000",
        f"{MOMENT},0",
        "2020-07-14T20:46:38",
        "2020-07-14T20:46:38Z",
        "2020-07-14T22:46:38+02:00",
        "2020-07-14T22:46:38+0200",
        "2020-07-14T22:46:38+02",
        "2020-07-14T22:46:38+02:00[Europe/Paris]",
        "2020-07-14 20:46:38 UTC",
        "20200714T204638Z",
        "07/14/2020 08:46:38 PM",
        "07/14/2020 08:46:38PM",
        "7/14/2020 20:46:38",
        "Tue Jul 14 20:46:38 UTC 2020",
    ],
)
def test_bad_input_36_times_in_all_forms_are_in_utc(cell: str) -> None:
    assert timestamp_text(cell) == MOMENT


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("2020-07-14T20:46", "2020-07-14 20:46:00"),
        ("2020-07-14", "2020-07-14 00:00:00"),
        ("07/14/2020 12:00:00 AM", "2020-07-14 00:00:00"),
        ("2020-07-14 20:46:38.123456789", "2020-07-14 20:46:38.123456"),
        ("07/14/2020 00:00:00 AM", None),
        ("14/07/2020 20:46:38", None),
        ("2020-02-30 00:00:00", None),
        ("2020-07-14 20:46:38.1234567890123", "2020-07-14 20:46:38.123456"),
        ("2016-12-31T23:59:60Z", "2017-01-01 00:00:00"),
        ("07/14/2020 08:46:60 PM", "2020-07-14 20:47:00"),
        ("9999-12-31 23:59:60+00:01", "9999-12-31 23:59:00"),
        ("9999-12-31 23:59:60", None),
        ("9999-12-31 23:59:59-01:00", None),
        ("0000-12-31", None),
        ("2020-07-14 20:46:61", None),
        ("2020-07-14 24:00:01", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("2020", None),
        ("1594759598", None),
        ("20:46:38", None),
        ("", None),
        ("Jul 14", None),
    ],
)
def test_bad_input_36_parts_of_times(cell: str, text: str | None) -> None:
    assert timestamp_text(cell) == text


@given(
    st.datetimes(datetime.fromisoformat("0002-01-01"), datetime.fromisoformat("9998-12-31")),
    st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(
        lambda offset: timedelta(minutes=offset.seconds // 60)
    ),
)
def test_bad_input_36_any_time_of_iso_8601_is_read(moment: datetime, offset: timedelta) -> None:
    zoned = moment.replace(tzinfo=timezone(offset))

    assert timestamp_text(zoned.isoformat()) == zoned.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")


@pytest.mark.parametrize("kind", list(CONVERTIBLE))
@given(
    st.text(st.sampled_from("0123456789+-.eE:/ TZ,[]aApPmM"), max_size=24)
    | st.floats().map(str)
    | st.integers().map(str)
)
def test_bad_input_36_arrow_converts_every_text_that_is_returned(kind: str, cell: str) -> None:
    text = CONVERTIBLE[kind](cell)

    assert cast(Array([text], TEXT), TYPES[kind]).null_count == (text is None)
