"""What the stack exports by itself: the setting ``collect``."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from .rules import integer, text
from .schedule import CRON, RATE

MAX_AGENTS = 1_000
"""The list is part of the input of the function, which may have 256 KiB."""
METRIC = r"p([0-9]{1,2}|100)|AVG|SPEC|MAX"
REGION = r"(?=.{1,30}\Z)[a-z]{2}-[a-z-]+-[0-9]+"
INSTANCE_TYPE = "[A-Za-z0-9.-]{1,25}"
IDS = f'"all", or a list of 1 to {MAX_AGENTS:,} agent IDs'
AGENT_ID = "[A-Za-z0-9._:-]{1,200}"


def _date(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"must be a date that exists, not {value!r}") from None
    return value


def _ids(value: object) -> object:
    if value in ([], ()):
        raise ValueError(f"must be {IDS}, not {value!r}")
    return () if value == "all" else value


class Model(BaseModel):
    """Members have the names of the API and of ``cdk.json`` there, and Python's here."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        loc_by_alias=False,
        regex_engine="python-re",
    )


SCHEDULE = text(f"{RATE}|{CRON}", "rate(…) or cron(…) with six fields")
"""Of EventBridge Scheduler, in UTC. ``at(…)`` would export once, which ``discovery-exports start`` does."""


class MetricBasis(Model):
    """A performance metric by which instance types are recommended, and by how many percent it is adjusted."""

    name: Annotated[str | None, text(METRIC, "p0 to p100, AVG, SPEC or MAX")] = None
    percentage_adjust: Annotated[
        float | None, Field(strict=True, ge=0, le=100, description="a number from 0 to 100")
    ] = None


class ReservedInstanceOptions(Model):
    purchasing_option: Annotated[
        Literal["ALL_UPFRONT", "PARTIAL_UPFRONT", "NO_UPFRONT"],
        Field(description="ALL_UPFRONT, PARTIAL_UPFRONT or NO_UPFRONT"),
    ]
    offering_class: Annotated[Literal["STANDARD", "CONVERTIBLE"], Field(description="STANDARD or CONVERTIBLE")]
    term_length: Annotated[Literal["ONE_YEAR", "THREE_YEAR"], Field(description="ONE_YEAR or THREE_YEAR")]


class Preferences(Model):
    """The preferences of EC2 recommendations, which the service completes.

    https://docs.aws.amazon.com/application-discovery/latest/APIReference/API_Ec2RecommendationsExportPreferences.html
    """

    enabled: Annotated[Literal[True], Field(description="true: the export has no other contents")] = True
    cpu_performance_metric_basis: MetricBasis | None = None
    ram_performance_metric_basis: MetricBasis | None = None
    tenancy: Annotated[Literal["DEDICATED", "SHARED"] | None, Field(description="DEDICATED or SHARED")] = None
    excluded_instance_types: Annotated[
        tuple[Annotated[str, text(INSTANCE_TYPE, "an instance type such as m5.large")], ...] | None,
        Field(description="a list of instance types"),
    ] = None
    preferred_region: Annotated[str | None, text(REGION, "a Region")] = None
    reserved_instance_options: ReservedInstanceOptions | None = None


class Recommendations(Model):
    """When EC2 recommendations are exported, and with which preferences."""

    schedule: Annotated[str, SCHEDULE]
    preferences: Preferences = Preferences()


class Agents(Model):
    """Agents whose whole history is exported. ``ids``: empty for all; ``since``: None from each registration on."""

    ids: Annotated[
        tuple[Annotated[str, text(AGENT_ID, "the ID of an agent")], ...],
        BeforeValidator(_ids),
        Field(max_length=MAX_AGENTS, description=IDS),
    ] = ()
    since: Annotated[
        str | None,
        Field(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", description="a date (yyyy-mm-dd) or null"),
        AfterValidator(lambda value: _date(value) if value else value),
    ] = None
    order: Annotated[Literal["newest-first", "oldest-first"], Field(description='"newest-first" or "oldest-first"')] = (
        "newest-first"
    )


class Collect(Model):
    """Exports that the stack starts by itself. With none, the collector keeps its table and starts nothing.

    ``summary`` is the schedule of exports of the whole account. The agents have no schedule: their history is exported
    as fast as the service permits, at most ``max_starts_per_day`` exports of all kinds in any 24 hours.
    """

    summary: Annotated[str | None, SCHEDULE] = None
    recommendations: Recommendations | None = None
    agents: Agents | None = None
    max_starts_per_day: Annotated[int | None, Field(strict=True), integer(1, 1_000)] = None

    def payload(self) -> Mapping[str, Any]:
        """The setting as the function ``CollectExports`` takes it: without the schedules, and without null."""
        members = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        if self.summary:
            members["summary"] = True
        if self.recommendations:
            preferences = members["recommendations"]["preferences"]
            members["recommendations"] = {"preferences": {k: v for k, v in preferences.items() if k != "enabled"}}
        if self.agents and not self.agents.ids:
            members["agents"]["ids"] = "all"
        return members
