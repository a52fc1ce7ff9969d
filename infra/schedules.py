"""Schedules that start runs: what a deployment may ask for, and what they are made of."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import available_timezones

import fastjsonschema
from annotated_types import Predicate
from aws_cdk import Aws, Duration, TimeZone
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from infra.letters import dead_letters
from infra.permissions import Permission, make_role

INPUT_SCHEMA = Path(__file__).parents[1] / "functions" / "exports" / "run_input.schema.json"
"""The very schema that a run's input is held to when it starts."""
WINDOW = Duration.minutes(5)
"""Within which a schedule may start its run, so that many of them do not start at the same second."""


def _cron_field(value: str, step: str, odd: str = "") -> str:
    """A list of ``*``, values and ranges, perhaps by steps (``0/15``), and of what only this field may hold."""
    item = rf"(?:(?:\*|(?:{value})(?:-(?:{value}))?)(?:/(?:{step}))?{odd})"
    return f"{item}(?:,{item})*"


DAY = "0?[1-9]|[12][0-9]|3[01]"
DAYS = _cron_field(DAY, DAY, odd=f"|L|LW|(?:{DAY})W")
WEEKDAYS = _cron_field("[1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT)", "[1-7]", odd="|L|[1-7]L|[1-7]#[1-5]")
MONTHS = _cron_field("0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)", "[1-9]|1[0-2]")
MINUTES = _cron_field("[0-5]?[0-9]", "[1-9]|[1-5][0-9]")
HOURS = _cron_field("[01]?[0-9]|2[0-3]", "[1-9]|1[0-9]|2[0-3]")
YEARS = _cron_field("19[7-9][0-9]|2[01][0-9]{2}", "[1-9][0-9]?")
CRON = rf"cron\({MINUTES} {HOURS} (?:{DAYS} {MONTHS} \?|\? {MONTHS} {WEEKDAYS}) {YEARS}\)"
"""Of its two days, of the month and of the week, one is ``?``."""
RATE = r"rate\([1-9][0-9]{0,8} (?:minute|hour|day)s?\)"
AT = r"at\([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\)"


def _refuse_no_date(expression: str) -> str:
    if expression.startswith("at("):
        try:
            datetime.fromisoformat(expression[3:-1])
        except ValueError:
            raise ValueError(f"must name a date that there is, not {expression!r}") from None
    return expression


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _input_check() -> Any:
    schema = json.loads(INPUT_SCHEMA.read_text("utf-8"))
    return fastjsonschema.compile(schema, use_default=False, fast_fail=False)


def _refuse_what_a_run_would(given: object) -> object:
    try:
        return _input_check()(given)
    except fastjsonschema.JsonSchemaValuesException as error:
        faults = "; ".join(fault.message.replace("data", "input", 1) for fault in error.errors)
        raise ValueError(f"would be refused by the run: {faults}") from None


class Schedule(BaseModel):
    """Starts a run whenever ``expression`` says, in ``timezone``. Without an input it is a sweep.

    ``expression`` is EventBridge Scheduler's: ``rate(1 hour)``, ``cron(0 6 * * ? *)`` or ``at(2027-01-31T06:00:00)``.
    Refuses an expression or zone that Scheduler would refuse, and an input that a run would.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    expression: Annotated[
        str,
        Field(pattern=f"^(?:{RATE}|{CRON}|{AT})$", description="rate(…), cron(…) with six fields or at(…)"),
        AfterValidator(_refuse_no_date),
    ]
    timezone: Annotated[
        str,
        Predicate(lambda zone: zone in _time_zones()),
        Field(description="a name such as Europe/Berlin"),
    ] = "UTC"
    input: Annotated[Mapping[str, Any], BeforeValidator(_refuse_what_a_run_would)] = {}


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
