"""A schedule that starts runs: its expression, time zone and input."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

import fastjsonschema
from annotated_types import Predicate
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from discovery_exports.locations import FUNCTIONS

INPUT_SCHEMA = FUNCTIONS / "exports" / "workflow" / "run_input.schema.json"
"""The schema that a run validates its input against."""


def _cron_field(value: str, step: str, special: str = "") -> str:
    """A list of ``*``, values and ranges, optionally with steps (``0/15``), and of forms that only this field has."""
    item = rf"(?:(?:\*|(?:{value})(?:-(?:{value}))?)(?:/(?:{step}))?{special})"
    return f"{item}(?:,{item})*"


DAY = "0?[1-9]|[12][0-9]|3[01]"
DAYS = _cron_field(DAY, DAY, special=f"|L|LW|(?:{DAY})W")
WEEKDAYS = _cron_field("[1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT)", "[1-7]", special="|L|[1-7]L|[1-7]#[1-5]")
MONTHS = _cron_field("0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)", "[1-9]|1[0-2]")
MINUTES = _cron_field("[0-5]?[0-9]", "[1-9]|[1-5][0-9]")
HOURS = _cron_field("[01]?[0-9]|2[0-3]", "[1-9]|1[0-9]|2[0-3]")
YEARS = _cron_field("19[7-9][0-9]|2[01][0-9]{2}", "[1-9][0-9]?")
CRON = rf"cron\({MINUTES} {HOURS} (?:{DAYS} {MONTHS} \?|\? {MONTHS} {WEEKDAYS}) {YEARS}\)"
"""Either the day of the month or the day of the week is ``?``."""
RATE = r"rate\([1-9][0-9]{0,8} (?:minute|hour|day)s?\)"
AT = r"at\([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\)"


def _reject_impossible_date(expression: str) -> str:
    if expression.startswith("at("):
        try:
            datetime.fromisoformat(expression[3:-1])
        except ValueError:
            raise ValueError(f"must name a date that exists, not {expression!r}") from None
    return expression


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _input_check() -> Any:
    schema = json.loads(INPUT_SCHEMA.read_text("utf-8"))
    return fastjsonschema.compile(schema, use_default=False, fast_fail=False)


def _validate_input(given: object) -> object:
    try:
        return _input_check()({} if given is None else given)
    except fastjsonschema.JsonSchemaValuesException as error:
        faults = "; ".join(fault.message.replace("data", "input", 1) for fault in error.errors)
        raise ValueError(f"would be refused by the run: {faults}") from None


class Schedule(BaseModel):
    """Starts runs at the times of ``expression`` in ``timezone``. Without an input, a run is a sweep.

    ``expression`` is EventBridge Scheduler's: ``rate(1 hour)``, ``cron(0 6 * * ? *)`` or ``at(2027-01-31T06:00:00)``.
    Rejects an expression or time zone that Scheduler would reject, and an input that a run would reject.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    expression: Annotated[
        str,
        Field(pattern=f"^(?:{RATE}|{CRON}|{AT})$", description="rate(…), cron(…) with six fields or at(…)"),
        AfterValidator(_reject_impossible_date),
    ]
    timezone: Annotated[
        str,
        Predicate(lambda zone: zone in _time_zones()),
        Field(description="a name such as Europe/Berlin"),
    ] = "UTC"
    input: Annotated[Mapping[str, Any], BeforeValidator(_validate_input)] = {}
