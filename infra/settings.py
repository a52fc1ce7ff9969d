"""What a deployment may decide, with its defaults and its bounds: the one place that knows either."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Annotated, Any, Protocol, get_type_hints

from infra.datasets import AddedDataset, DatasetList
from infra.schedules import Schedule, ScheduleList

GB = 1000**3
STACK_ID = "stackId"
BUCKET_NAME = r"(?!xn--|\d+(?:\.\d+){3}$)(?!.*(?:\.\.|\.-|-\.))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
HOME_REGIONS = (
    "us-east-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-southeast-2",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
)
"""Where Application Discovery Service is, and so where an account's Migration Hub home region can be:
https://docs.aws.amazon.com/general/latest/gr/discovery.html
"""


class SettingsError(ValueError):
    """Some settings cannot be used; the message has a line for each, beginning with its name in ``cdk.json``."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        lines = [f"  {name}: {fault}" for name, fault in faults.items()]
        super().__init__("\n".join(["These settings cannot be used (context in cdk.json or `-c name=value`):", *lines]))
        self.faults = dict(faults)


class Rule(Protocol):
    """Reads a setting as it may come from JSON or from a command line, where everything is a string."""

    def read(self, value: object) -> Any:
        """The typed value; raises :class:`ValueError` saying what it must be."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, both included."""

    low: int
    high: int

    def read(self, value: object) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch("[0-9]{1,18}", text) or not self.low <= int(text) <= self.high:
            raise ValueError(f"must be a whole number from {self.low} to {self.high}, not {value!r}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Maybe:
    """Nothing at all, or what another rule reads."""

    rule: Rule

    def read(self, value: object) -> Any:
        return None if value in (None, "", "null") else self.rule.read(value)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Hosts as ``host``, ``host:port`` or ``host:*``, in a list or with commas between them."""

    longest = 500
    """Of all of them: Lambda's environment ends at 4 KB."""
    form = re.compile(r"(?=.{1,255}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:(\*|[0-9]{1,5}))?", re.IGNORECASE)

    def read(self, value: object) -> tuple[str, ...]:
        hosts = value.split(",") if isinstance(value, str) else value
        if not isinstance(hosts, list | tuple) or not all(isinstance(host, str) for host in hosts):
            raise ValueError(f"must be a list of hosts, or one text with commas between them, not {value!r}")
        named = tuple(host.strip() for host in hosts if host.strip())
        for host in named:
            if not self.form.fullmatch(host):
                raise ValueError(f"must hold hosts as host, host:port or host:*, not {host!r}")
        if (size := len(",".join(named))) > self.longest:
            raise ValueError(
                f"must be at most {self.longest} characters in all, since Lambda's environment ends at 4 KB: {size}"
            )
        return named


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""

    def read(self, value: object) -> bool:
        words = {"true": True, "false": False}
        if str(value).lower() not in words:
            raise ValueError(f"must be true or false, not {value!r}")
        return words[str(value).lower()]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of event sources, in a list or with commas between them."""

    form = re.compile(r"[A-Za-z0-9._-]{1,256}")

    def read(self, value: object) -> tuple[str, ...]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"must be a list of names, or one text with commas between them, not {value!r}")
        named = tuple(name.strip() for name in names if name.strip())
        for name in named:
            if not self.form.fullmatch(name):
                raise ValueError(f"must hold names of event sources, not {name!r}")
        return named


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a form, which ``meaning`` names."""

    form: str
    meaning: str

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(self.form, value):
            raise ValueError(f"must be {self.meaning}, not {value!r}")
        return value


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few values."""

    values: tuple[str | int, ...]

    def read(self, value: object) -> str | int:
        for each in self.values:
            if str(each) == str(value):
                return each
        raise ValueError(f"must be one of {', '.join(map(str, self.values))}, not {value!r}")


def arn_of(service: str, resource: str, *, region: str = "[a-z0-9-]+") -> str:
    """The form of ARNs of a service, its account in a group of its own."""
    return rf"arn:aws[a-z-]*:{service}:{region}:(?P<account>[0-9]{{12}}):{resource}"


MINUTES = Whole(1, 7 * 24 * 60)
"""Of a deadline. A week is what the workflow's own time limit leaves room for."""
KEPT_DAYS = Maybe(Whole(30, 36_500))
"""Of objects. No shorter than the notes of an unfinished store are kept, which it goes on from."""
LOG_DAYS = OneOf(
    (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
)
"""What CloudWatch Logs takes."""
ROLE_ARN = arn_of("iam", r"role/[\w+=,.@/-]{1,576}", region="")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a deployment waits, how much it does at once, and what it accepts. Refuses a value out of its bounds.

    ``wait_floor_seconds`` and ``wait_ceiling_seconds`` bound the wait between two looks at an export, which grows
    with the export's age. ``not_found_grace_seconds`` is how long an id may stay unknown to the service.
    ``deadline_minutes`` and ``sweep_deadline_minutes`` are for runs whose input names no deadline.
    ``sweep_max_age_days`` keeps a sweep from exports requested longer ago; none means no limit.
    ``store_budget_seconds`` is how long one step of storing works before it gives its place to the next, well below
    the function's 15 minutes because a part in flight is finished first. ``store_concurrency`` counts steps at once in
    one batch (40 is what an inline Map runs), ``batch_concurrency`` batches of 100 exports at once.
    ``download_hosts`` are further hosts that downloads may come from, ``max_…`` bound what is unpacked.
    ``tables`` keeps rows as tables that Athena reads, a query of at most ``query_scan_limit_bytes``; ``named_queries``
    saves the questions of ``docs/queries`` beside them, ``datasets`` are those that have tables beside the known ones.
    ``schedules`` start runs by the clock, ``cloud_trail_trigger`` starts one for each new export; it takes events of
    ``cloud_trail_sources``, too, which is for tests.
    ``discovery_role_arn`` is a role to take for calls of the service, with ``discovery_external_id`` if its trust
    policy asks for one: exports are then those of the role's account. ``discovery_region`` is that account's Migration
    Hub home region; none means the stack's own.
    ``raw_retention_days`` and ``data_retention_days`` end the life of what was received and of what was unpacked from
    it; none keeps it for ever. ``noncurrent_days`` is for how long what was deleted or replaced can be brought back.
    """

    wait_floor_seconds: Annotated[int, Whole(1, 3_600)] = 15
    wait_ceiling_seconds: Annotated[int, Whole(1, 3_600)] = 300
    not_found_grace_seconds: Annotated[int, Whole(0, 86_400)] = 600
    deadline_minutes: Annotated[int, MINUTES] = 720
    sweep_deadline_minutes: Annotated[int, MINUTES] = 55
    sweep_max_age_days: Annotated[int | None, Maybe(Whole(1, 36_500))] = None
    store_budget_seconds: Annotated[int, Whole(10, 720)] = 120
    store_concurrency: Annotated[int, Whole(1, 40)] = 10
    batch_concurrency: Annotated[int, Whole(1, 1_000)] = 100
    download_hosts: Annotated[tuple[str, ...], Hosts()] = ()
    max_files: Annotated[int, Whole(1, 1_000_000)] = 10_000
    max_file_bytes: Annotated[int, Whole(1, 5_000 * GB)] = 200 * GB
    max_total_bytes: Annotated[int, Whole(1, 50_000 * GB)] = 500 * GB
    max_ratio: Annotated[int, Whole(2, 100_000)] = 200
    tables: Annotated[bool, Truth()] = True
    query_scan_limit_bytes: Annotated[int, Whole(10_000_000, 5_000 * GB)] = 100 * GB
    watching: Annotated[bool, Truth()] = True
    late_after_hours: Annotated[int, Whole(1, 24 * 90)] = 24
    named_queries: Annotated[bool, Truth()] = True
    datasets: Annotated[tuple[AddedDataset, ...], DatasetList()] = ()
    schedules: Annotated[tuple[Schedule, ...], ScheduleList()] = ()
    cloud_trail_trigger: Annotated[bool, Truth()] = False
    cloud_trail_sources: Annotated[tuple[str, ...], Names()] = ()
    discovery_role_arn: Annotated[str | None, Maybe(Text(ROLE_ARN, "the ARN of a role"))] = None
    discovery_external_id: Annotated[
        str | None, Maybe(Text(r"[\w+=,.@:/-]{2,1224}", "2 to 1,224 letters, digits or +=,.@:/-"))
    ] = None
    discovery_region: Annotated[str | None, Maybe(OneOf(HOME_REGIONS))] = None
    raw_retention_days: Annotated[int | None, KEPT_DAYS] = None
    data_retention_days: Annotated[int | None, KEPT_DAYS] = None
    noncurrent_days: Annotated[int, Whole(1, 36_500)] = 90
    log_retention_days: Annotated[int, LOG_DAYS] = 90

    def __post_init__(self) -> None:
        read(type(self), vars(self))
        if self.wait_ceiling_seconds < self.wait_floor_seconds:
            raise SettingsError({"waitCeilingSeconds": f"is below waitFloorSeconds ({self.wait_floor_seconds})"})
        if self.max_total_bytes < self.max_file_bytes:
            raise SettingsError({"maxTotalBytes": f"is below maxFileBytes ({self.max_file_bytes})"})
        if self.discovery_external_id and not self.discovery_role_arn:
            raise SettingsError({"discoveryExternalId": "means nothing without discoveryRoleArn"})

    @property
    def discovery_account(self) -> str | None:
        """The account of the role that is taken; none means the stack's own."""
        found = re.fullmatch(ROLE_ARN, self.discovery_role_arn or "")
        return found["account"] if found else None

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> "Settings":
        """Settings from context values; what is not there keeps its default. A misspelt name is refused.

        Names that resemble none of ours are left alone: context also holds what belongs to the CDK and to others.
        """
        names = {context_name(field.name): field.name for field in fields(cls)}
        known = [*names, STACK_ID, *(context_name(field.name) for field in fields(Existing))]
        faults = {name: f"is not known; {ours} is" for name, ours in misspelt(context, known).items()}
        given = {field: context[name] for name, field in names.items() if name in context}
        return cls(**read(cls, given, faults))


@dataclass(frozen=True, kw_only=True)
class Existing:
    """What a deployment is to use instead of making it, in the stack's own account; none of it is made here.

    A name or an ARN each. A table needs the partition key ``exportId`` (a string) and the index ``ByStatus``.
    """

    bucket_name: Annotated[str | None, Maybe(Text(BUCKET_NAME, "the name of a bucket"))] = None
    table_name: Annotated[str | None, Maybe(Text(r"[\w.-]{3,255}", "the name of a table"))] = None
    key_arn: Annotated[
        str | None, Maybe(Text(arn_of("kms", "key/[A-Za-z0-9-]{1,64}"), "the ARN of a KMS key, not of an alias"))
    ] = None
    bus_name: Annotated[str | None, Maybe(Text(r"[\w./-]{1,256}", "the name of an event bus"))] = None
    topic_arn: Annotated[
        str | None, Maybe(Text(arn_of("sns", "[A-Za-z0-9_-]{1,256}"), "the ARN of a topic that is not FIFO"))
    ] = None

    def __post_init__(self) -> None:
        read(type(self), vars(self))

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> "Existing":
        names = {field.name: context_name(field.name) for field in fields(cls)}
        return cls(**read(cls, {field: context[name] for field, name in names.items() if name in context}))


def read(form: type, values: Mapping[str, object], faults: Mapping[str, str] | None = None) -> dict[str, Any]:
    """``values`` by field of ``form``, each read by its rule. Raises all faults together, ``faults`` included."""
    rules: dict[str, Rule] = {
        name: hint.__metadata__[0] for name, hint in get_type_hints(form, include_extras=True).items()
    }
    typed: dict[str, Any] = {}
    found = dict(faults or {})
    for name, value in values.items():
        try:
            typed[name] = rules[name].read(value)
        except ValueError as fault:
            found[context_name(name)] = str(fault)
    if found:
        raise SettingsError(found)
    return typed


def read_stack_id(context: Mapping[str, object]) -> str:
    """The id of the stack: letters, digits and hyphens, as CloudFormation wants stack names."""
    value = context.get(STACK_ID, "DiscoveryExports")
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", value):
        raise SettingsError({STACK_ID: f"must be a letter, then up to 127 letters, digits or hyphens, not {value!r}"})
    return value


def context_name(field: str) -> str:
    """``wait_floor_seconds`` as it stands in ``cdk.json``: ``waitFloorSeconds``."""
    first, *others = field.split("_")
    return first + "".join(word.capitalize() for word in others)


def misspelt(context: Mapping[str, object], ours: list[str]) -> dict[str, str]:
    """Names in ``context`` that are nearly one of ``ours``, with the one that was meant."""
    close = {name: get_close_matches(name, ours, n=1, cutoff=0.8) for name in context if name not in ours}
    return {name: matches[0] for name, matches in close.items() if matches}
