"""The expressions of schedules that are accepted, compared with a second reading of the rules of EventBridge Scheduler.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings.rules import SettingsError
from infra.settings.settings import Deployment

RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (1, 7), "year": (1970, 2199)}
WORDS = {
    "month": ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
    "weekday": ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
}
ODD = ["?", "L", "LW", "W", "15W", "32W", "2#1", "2#6", "6L", "jan", "", " ", "-1", "007", "\N{ARABIC-INDIC DIGIT ONE}"]


def field(name: str) -> st.SearchStrategy[str]:
    """Lists of values, ranges and steps near the bounds of a field; some are forms of other fields, or no form."""
    low, high = RANGES[name]
    bounds = [str(number) for number in (low - 1, low, high, high + 1)]
    value = st.integers(low, high).map(str) | st.sampled_from(bounds) | st.sampled_from(["*", *WORDS.get(name, ())])
    item = st.builds(
        lambda first, *rest: first + "".join(rest),
        value,
        st.just("") | value.map("-{}".format),
        st.just("") | value.map("/{}".format),
    )
    return st.lists(item | value | value | st.sampled_from(ODD), min_size=1, max_size=2).map(",".join)


VALID = ["0 6 1 * ? *", "0 6 ? * 2 *"]


@pytest.mark.parametrize("changed", range(6))
@given(data=st.data())
def test_an_accepted_cron_expression_has_only_values_that_its_fields_can_have(
    changed: int, data: st.DataObject
) -> None:
    fields = data.draw(st.sampled_from(VALID)).split()
    fields[changed] = data.draw(field(list(RANGES)[changed]))

    if not is_accepted(f"cron({' '.join(fields)})"):
        return
    assert (fields[2] == "?") != (fields[4] == "?")
    for name, text in zip(RANGES, fields, strict=True):
        assert text == "?" or all(is_possible(name, item) for item in text.split(",")), (name, text)


@given(
    st.lists(st.tuples(*[st.integers(*bounds) for bounds in RANGES.values()]), min_size=1, max_size=3), st.booleans()
)
def test_every_list_of_possible_values_is_accepted(times: Sequence[Sequence[int]], weekday: bool) -> None:
    fields = [",".join(str(time[number]) for time in times) for number in range(len(RANGES))]
    fields[2 if weekday else 4] = "?"

    assert is_accepted(f"cron({' '.join(fields)})")


@pytest.mark.parametrize("unit", ["minute", "hours", "days"])
@given(number=st.integers(-5, 10**12) | st.text(max_size=5))
def test_a_rate_is_accepted_if_its_number_is_positive(unit: str, number: int | str) -> None:
    is_positive = re.fullmatch("[1-9][0-9]{0,8}", str(number)) is not None

    assert is_accepted(f"rate({number} {unit})") == is_positive


def is_accepted(expression: str) -> bool:
    try:
        Deployment.from_context({"schedules": [{"expression": expression}]})
    except SettingsError:
        return False
    return True


def is_possible(name: str, item: str) -> bool:
    """Whether an item of a list may be in this field: a value, a range, steps, or a form of days."""
    if name == "day" and re.fullmatch("L|LW|[0-9]+W", item):
        return item.startswith("L") or is_value(name, item[:-1])
    if name == "weekday" and (form := re.fullmatch("(.*)(?:L|#[1-5])", item)):
        return form[1] == "" or is_value(name, form[1])
    span, slash, step = item.partition("/")
    return (span == "*" or all(is_value(name, part) for part in span.split("-"))) and (not slash or step.isdecimal())


def is_value(name: str, text: str) -> bool:
    low, high = RANGES[name]
    return text.upper() in WORDS.get(name, ()) or (text.isdecimal() and text.isascii() and low <= int(text) <= high)
