"""Schedules that start runs: what a deployment may ask for, and what they are made of."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import fastjsonschema
from aws_cdk import Aws, Duration, TimeZone
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.letters import dead_letters
from infra.permissions import Permission, make_role

INPUT_SCHEMA = Path(__file__).parents[1] / "functions" / "exports" / "run_input.schema.json"
"""The very schema that a run's input is held to when it starts."""
WINDOW = Duration.minutes(5)
"""Within which a schedule may start its run, so that many of them do not start at the same second."""

_RATE = re.compile(r"rate\([1-9][0-9]{0,8} (minutes?|hours?|days?)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Starts a run whenever ``expression`` says, in ``timezone``. Without an input it is a sweep.

    ``expression`` is EventBridge Scheduler's: ``rate(1 hour)``, ``cron(0 6 * * ? *)`` or ``at(2027-01-31T06:00:00)``.
    Raises ValueError for an expression or zone that Scheduler would refuse, and for an input that a run would.
    """

    expression: str
    timezone: str = "UTC"
    input: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _fires(self.expression):
            raise ValueError(f"expression must be rate(…), cron(…) with six fields or at(…), not {self.expression!r}")
        if self.timezone not in available_timezones():
            raise ValueError(f"timezone must be a name such as Europe/Berlin, not {self.timezone!r}")
        try:
            _input_check()(self.input)
        except fastjsonschema.JsonSchemaValuesException as error:
            faults = "; ".join(fault.message.replace("data", "input", 1) for fault in error.errors)
            raise ValueError(f"input would be refused by the run: {faults}") from None


class ScheduleList:
    """Reads ``[{"expression": …, "timezone": …, "input": …}]``, or the same as JSON text."""

    members = ("expression", "timezone", "input")

    def read(self, value: object) -> tuple[Schedule, ...]:
        schedules = _from_json(value) if isinstance(value, str) else value
        if not isinstance(schedules, list | tuple):
            raise ValueError(f"must be a list of schedules, not {value!r}")  # noqa: TRY004 - as every rule does
        return tuple(self._one(number, each) for number, each in enumerate(schedules, start=1))

    def _one(self, number: int, value: object) -> Schedule:
        if isinstance(value, Schedule):
            return value
        if not isinstance(value, Mapping) or "expression" not in value or set(value) - set(self.members):
            raise ValueError(
                f"schedule {number} must hold {', '.join(self.members)} (the first at least), not {value!r}"
            )
        try:
            return Schedule(**value)
        except ValueError as fault:
            raise ValueError(f"schedule {number}: {fault}") from None


class Schedules(Construct):
    """One schedule of EventBridge Scheduler for each; what could not be started goes to a dead-letter queue."""

    def __init__(
        self, scope: Construct, id: str, *, schedules: Sequence[Schedule], state_machine: sfn.IStateMachine
    ) -> None:
        super().__init__(scope, id)
        self.dead_letters = dead_letters(self, "runs that a schedule could not start")
        role = self._role(state_machine)
        for number, schedule in enumerate(schedules, start=1):
            scheduler.Schedule(
                self,
                f"Schedule{number}",
                description="Starts a run of Discovery Exports",
                schedule=scheduler.ScheduleExpression.expression(schedule.expression, TimeZone.of(schedule.timezone)),
                time_window=scheduler.TimeWindow.flexible(WINDOW),
                target=targets.StepFunctionsStartExecution(
                    state_machine,
                    input=scheduler.ScheduleTargetInput.from_object(dict(schedule.input)),
                    role=role.without_policy_updates(),
                    dead_letter_queue=self.dead_letters,
                    max_event_age=Duration.hours(1),
                    retry_attempts=20,
                ),
            )

    def _role(self, state_machine: sfn.IStateMachine) -> iam.Role:
        """Scheduler may take it for schedules of this account only."""
        schedules = f"arn:{Aws.PARTITION}:scheduler:{Aws.REGION}:{Aws.ACCOUNT_ID}:schedule*/*"
        conditions = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, "ArnLike": {"aws:SourceArn": schedules}}
        return make_role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=conditions),
            permissions=[
                Permission(actions=["states:StartExecution"], resources=[state_machine.state_machine_arn]),
                Permission(actions=["sqs:SendMessage"], resources=[self.dead_letters.queue_arn]),
            ],
        )


def _fires(expression: str) -> bool:
    """Whether Scheduler takes the expression. Of cron's two days, of the month and of the week, one is ``?``."""
    text = str(expression)
    if once := _AT.fullmatch(text):
        return _is_moment(once[1])
    if not (cron := _CRON.fullmatch(text)):
        return bool(_RATE.fullmatch(text))
    minute, hour, day, month, weekday, year = cron.groups()
    return (
        (day == "?") != (weekday == "?")
        and _within(minute, 0, 59)
        and _within(hour, 0, 23)
        and (day == "?" or _within(day, 1, 31, odd=r"L|LW|([1-9]|[12]\d|3[01])W"))
        and _within(month, 1, 12, _MONTHS)
        and (weekday == "?" or _within(weekday, 1, 7, _WEEKDAYS, odd=r"L|[1-7]L|[1-7]#[1-5]"))
        and _within(year, 1970, 2199)
    )


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _within(field: str, least: int, most: int, names: Sequence[str] = (), odd: str = "(?!)") -> bool:
    """Whether each item of a cron field is ``*``, a value or a range, perhaps by steps (``/15``), or of an odd form."""

    def is_value(text: str) -> bool:
        return text.upper() in names or (text.isascii() and text.isdecimal() and least <= int(text) <= most)

    def is_item(item: str) -> bool:
        span, by, step = item.partition("/")
        ends = span.split("-")
        stepped = not by or (step.isascii() and step.isdecimal() and 0 < int(step) <= most)
        return stepped and (span == "*" or (len(ends) <= 2 and all(map(is_value, ends))))

    return all(is_item(item) or re.fullmatch(odd, item) for item in field.split(","))


def _from_json(text: str) -> Any:
    try:
        return json.loads(text or "[]")
    except ValueError:
        raise ValueError(f"must be a list of schedules in JSON, not {text!r}") from None


@cache
def _input_check() -> Any:
    schema = json.loads(INPUT_SCHEMA.read_text("utf-8"))
    return fastjsonschema.compile(schema, use_default=False, fast_fail=False)
