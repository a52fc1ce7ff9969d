"""The settings of a deployment. Their defaults and bounds are defined only here."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, Self, get_args

from annotated_types import Predicate
from pydantic import AfterValidator, Field, model_validator

from .collect import Collect
from .dataset import CustomDataset, reject_equal_names
from .rules import JSON, NAMES, NONE, OBJECT, ContextModel, Flag, Number, SettingsError, integer, text
from .schedule import Schedule

GB = 1000**3
HomeRegion = Literal[
    "us-east-1", "us-west-2", "ap-northeast-1", "ap-southeast-2", "eu-central-1", "eu-west-1", "eu-west-2"
]
HOME_REGIONS: tuple[str, ...] = get_args(HomeRegion)
"""Regions of Application Discovery Service, the possible Migration Hub home Regions:
https://docs.aws.amazon.com/general/latest/gr/discovery.html
"""
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Retention periods that CloudWatch Logs accepts."""
PORT = "[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
HOST = rf"(?=.{{1,255}}\Z)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:(\*|{PORT}))?"
BUCKET_NAME = r"(?!xn--|\d+(\.\d+){3}\Z)(?!.*(\.\.|\.-|-\.))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
ROLE_ARN = r"arn:aws[a-z-]*:iam::(?P<account>[0-9]{12}):role/[\w+=,.@/-]{1,576}"
KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,64}"
TOPIC_ARN = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
MONTH = "(20[1-9][0-9]|2[1-9][0-9]{2}|[3-9][0-9]{3})-(0[1-9]|1[0-2])"
MONTH_MEANING = "a month (yyyy-mm) from 2010-01 to the current one (UTC)"
VPC_ID = r"vpc-[0-9a-f]{8,17}"
SUBNET_ID = r"subnet-[0-9a-f]{8,17}"
SECURITY_GROUP_ID = r"sg-[0-9a-f]{8,17}"
TAG = re.compile(r"(?!(?i:aws:))[\w .:/=+@-]{1,128}")
TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
MAX_TAGS = 50
"""Of a resource: https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html"""
Architecture = Literal["arm64", "x86_64"]
FunctionName = Literal["PlanRun", "CheckExports", "StoreExport", "ReportRun", "CollectExports"]
MINUTES = integer(1, 7 * 24 * 60)
"""Of a deadline; the workflow's timeout allows a week."""
RETENTION_DAYS = integer(30, 36_500)
"""Of objects; at least as long as the checkpoints of an unfinished store, which refer to them, are kept."""


def _reject_invalid_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """IAM does not distinguish upper and lower case in names of tags, so two that are equal without it are refused."""
    invalid = [tag for tag in tags.items() if not (TAG.fullmatch(tag[0]) and TAG_VALUE.fullmatch(tag[1]))]
    if invalid:
        raise ValueError(
            "must have names of 1 to 128 and values of up to 256 letters, digits, spaces or _.:/=+-@, "
            f"and no name that begins with aws:, not {dict(invalid)}"
        )
    if len(tags) > MAX_TAGS or len({name.lower() for name in tags}) < len(tags):
        raise ValueError(f"must be at most {MAX_TAGS}, with names that differ not only in upper and lower case")
    return tags


def reject_later_month(month: str, now: datetime) -> str:
    """No export has been requested in a later month yet, so Athena would show no rows."""
    if month > f"{now:%Y-%m}":
        raise ValueError(f"must be {MONTH_MEANING}, not {month!r}")
    return month


def _reject_future(month: str) -> str:
    return reject_later_month(month, datetime.now(UTC))


class Settings(ContextModel):
    """Intervals, concurrency, limits and options of a deployment, described in ``docs/settings.md``.

    Rejects a value out of its bounds.
    """

    wait_floor_seconds: Annotated[Number, integer(1, 3_600)] = 15
    wait_ceiling_seconds: Annotated[Number, integer(1, 3_600)] = 300
    not_found_grace_seconds: Annotated[Number, integer(0, 86_400)] = 600
    deadline_minutes: Annotated[Number, MINUTES] = 720
    sweep_deadline_minutes: Annotated[Number, MINUTES] = 55
    sweep_max_age_days: Annotated[Number | None, integer(1, 36_500), NONE] = None
    store_budget_seconds: Annotated[Number, integer(10, 300)] = 120
    store_concurrency: Annotated[Number, integer(1, 40)] = 5
    batch_concurrency: Annotated[Number, integer(1, 1_000)] = 100
    download_hosts: Annotated[
        tuple[Annotated[str, text(HOST, "a host")], ...],
        NAMES,
        Field(description="hosts (host, host:port or host:*) in a list or with commas between them"),
    ] = ()
    max_files: Annotated[Number, integer(1, 50_000)] = 10_000
    max_file_bytes: Annotated[Number, integer(1, 40 * GB)] = 20 * GB
    max_total_bytes: Annotated[Number, integer(1, 50_000 * GB)] = 500 * GB
    max_ratio: Annotated[Number, integer(2, 100_000)] = 200
    tables: Flag = True
    tables_from: Annotated[str, text(MONTH, MONTH_MEANING), AfterValidator(_reject_future)] = "2016-05"
    query_scan_limit_bytes: Annotated[Number, integer(10_000_000, 5_000 * GB)] = 100 * GB
    watching: Flag = True
    late_after_hours: Annotated[Number, integer(1, 24 * 90)] = 24
    named_queries: Flag = True
    datasets: Annotated[
        tuple[CustomDataset, ...],
        AfterValidator(reject_equal_names),
        JSON,
        Field(description="a list whose items hold name, pattern and columns"),
    ] = ()
    schedules: Annotated[
        tuple[Schedule, ...],
        JSON,
        Field(description="a list whose items hold expression, perhaps timezone and input"),
    ] = ()
    collect: Annotated[Collect | None, JSON, NONE, Field(description="an object or null")] = None
    cloud_trail_trigger: Flag = False
    cloud_trail_sources: Annotated[
        tuple[Annotated[str, text("[A-Za-z0-9._-]{1,256}", "a name")], ...],
        NAMES,
        Field(description="names of event sources in a list or with commas between them"),
    ] = ()
    discovery_role_arn: Annotated[str | None, text(ROLE_ARN, "the ARN of a role"), NONE] = None
    discovery_external_id: Annotated[
        str | None, text(r"[\w+=,.@:/-]{2,1224}", "2 to 1,224 letters, digits or +=,.@:/-"), NONE
    ] = None
    discovery_region: Annotated[HomeRegion | None, NONE, Field(description=f"one of {', '.join(HOME_REGIONS)}")] = None
    raw_retention_days: Annotated[Number | None, RETENTION_DAYS, NONE] = None
    data_retention_days: Annotated[Number | None, RETENTION_DAYS, NONE] = None
    noncurrent_days: Annotated[Number, integer(1, 36_500)] = 90
    architecture: Annotated[Architecture, Field(description="arm64 or x86_64")] = "arm64"
    log_retention_days: Annotated[
        Number, Predicate(LOG_DAYS.__contains__), Field(description=f"one of {', '.join(map(str, LOG_DAYS))}")
    ] = 90
    own_bus: Flag = False
    reserved_concurrency: Annotated[
        Mapping[FunctionName, Annotated[int, Field(strict=True, ge=1, le=100_000)]],
        OBJECT,
        Field(description=f"an object with whole numbers for any of {', '.join(get_args(FunctionName))}"),
    ] = {}
    tags: Annotated[
        Mapping[str, str],
        AfterValidator(_reject_invalid_tags),
        OBJECT,
        Field(description="an object with the names and values of tags"),
    ] = {}

    @model_validator(mode="after")
    def _reject_contradictions(self) -> Self:
        faults = {}
        if self.wait_ceiling_seconds < self.wait_floor_seconds:
            faults["waitCeilingSeconds"] = f"is below waitFloorSeconds ({self.wait_floor_seconds})"
        if self.max_total_bytes < self.max_file_bytes:
            faults["maxTotalBytes"] = f"is below maxFileBytes ({self.max_file_bytes})"
        if self.discovery_external_id and not self.discovery_role_arn:
            faults["discoveryExternalId"] = "requires discoveryRoleArn"
        if faults:
            raise SettingsError(faults)
        return self

    @property
    def discovery_account(self) -> str | None:
        """The account of the assumed role; None means the stack's own."""
        found = re.fullmatch(ROLE_ARN, self.discovery_role_arn or "")
        return found["account"] if found else None


class Existing(ContextModel):
    """Existing resources in the stack's own account, each by name or ARN, that a deployment uses and does not create.

    A table needs the partition key ``exportId`` (a string) and the index ``ByStatus``, that of the collector the
    partition key ``agentId`` (a string). Lambda allows 16 subnets and 5
    security groups: https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html
    """

    bucket_name: Annotated[str | None, text(BUCKET_NAME, "the name of a bucket"), NONE] = None
    table_name: Annotated[str | None, text(r"[\w.-]{3,255}", "the name of a table"), NONE] = None
    collecting_table_name: Annotated[str | None, text(r"[\w.-]{3,255}", "the name of a table"), NONE] = None
    key_arn: Annotated[str | None, text(KEY_ARN, "the ARN of a KMS key, not of an alias"), NONE] = None
    bus_name: Annotated[str | None, text(r"[\w./-]{1,256}", "the name of an event bus"), NONE] = None
    topic_arn: Annotated[str | None, text(TOPIC_ARN, "the ARN of a topic that is not FIFO"), NONE] = None
    vpc_id: Annotated[str | None, text(VPC_ID, "the id of a VPC"), NONE] = None
    subnet_ids: Annotated[
        tuple[Annotated[str, text(SUBNET_ID, "the id of a subnet")], ...],
        NAMES,
        Field(max_length=16, description="ids of at most 16 subnets in a list or with commas between them"),
    ] = ()
    security_group_ids: Annotated[
        tuple[Annotated[str, text(SECURITY_GROUP_ID, "the id of a security group")], ...],
        NAMES,
        Field(max_length=5, description="ids of at most 5 security groups in a list or with commas between them"),
    ] = ()

    @model_validator(mode="after")
    def _reject_incomplete_network(self) -> Self:
        lists = {"subnetIds": self.subnet_ids, "securityGroupIds": self.security_group_ids}
        faults = {name: "must not name one twice" for name, ids in lists.items() if len(set(ids)) < len(ids)}
        if self.vpc_id and not self.subnet_ids:
            faults["subnetIds"] = "is needed with vpcId"
        if not self.vpc_id and (self.subnet_ids or self.security_group_ids):
            faults["vpcId"] = "is needed with subnetIds and securityGroupIds"
        if faults:
            raise SettingsError(faults)
        return self


class Deployment(Settings, Existing):
    """All settings that ``cdk.json`` may hold, so that all errors are reported together."""

    stack_id: Annotated[
        str, text("[A-Za-z][A-Za-z0-9-]{0,127}", "a letter, then up to 127 letters, digits or hyphens")
    ] = "DiscoveryExports"
