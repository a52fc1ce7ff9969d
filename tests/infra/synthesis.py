"""Synthesizes stacks in the process of the tests; templates that several tests use are synthesized once."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms

from infra.discovery_exports import DiscoveryExports
from infra.settings.collect import Agents, Collect, Preferences, Recommendations
from infra.settings.dataset import CustomDataset
from infra.settings.schedule import Schedule
from infra.settings.settings import Existing, Settings
from infra.stack import DiscoveryExportsStack
from tests.infra.template import Template

ACCOUNT, REGION = "111122223333", "us-east-1"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
DAILY = Schedule(expression="cron(0 6 * * ? *)", timezone="Europe/Berlin", input={"deadlineMinutes": 30})
EVERYTHING = Settings(
    sweep_max_age_days=30,
    download_hosts=("localhost:*",),
    datasets=(CustomDataset(name="disks", pattern="*_disk.csv", columns={"size": "bigint"}),),
    schedules=(Schedule(expression="rate(1 hour)"),),
    collect=Collect(
        summary="rate(7 days)",
        recommendations=Recommendations(schedule="cron(0 3 1 * ? *)", preferences=Preferences(tenancy="SHARED")),
        agents=Agents(since="2026-01-01"),
        max_starts_per_day=2,
    ),
    cloud_trail_trigger=True,
    cloud_trail_sources=("tests",),
    discovery_role_arn=f"arn:aws:iam::{ACCOUNT}:role/exports-reader",
    discovery_external_id="wave-2026",
    discovery_region="us-east-1",
    raw_retention_days=365,
    data_retention_days=365,
    log_retention_days=365,
    own_bus=True,
    reserved_concurrency={"PlanRun": 5, "CheckExports": 50, "StoreExport": 400, "ReportRun": 5, "CollectExports": 2},
    tags={"team": "migration"},
)
"""All optional features, and all settings whose environment variables are absent by default."""


OUTDIR = TemporaryDirectory(prefix="cdk.out-")
"""Of all apps of this process, so that the asset is built once."""


def make_app(outdir: str | Path, context: Mapping[str, object] | None = None) -> App:
    """An app without the CDK's own validation, which takes ten seconds to load; cfn-lint checks the template."""
    context = {"aws:cdk:enable-path-metadata": True, **(context or {})}
    return App(outdir=str(outdir), context=context, builtin_cloud_formation_validation=False)


def make_vpc(stack: Stack) -> ec2.IVpc:
    """An existing VPC with one private subnet."""
    return ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-0123456789abcdef0",
        availability_zones=[f"{REGION}a"],
        private_subnet_ids=["subnet-0123456789abcdef0"],
        private_subnet_route_table_ids=["rtb-0123456789abcdef0"],
    )


def synthesized(make: Callable[[App], Stack], context: Mapping[str, object] | None = None) -> Template:
    """The template of the stack that ``make`` adds to an app; the stack contains the construct ``Exports``."""
    app = make_app(OUTDIR.name, context)
    stack = make(app)
    app.synth()
    document = json.loads((Path(OUTDIR.name) / stack.template_file).read_text("utf-8"))
    return Template(document, root=f"{stack.node.id}/Exports")


def of_stack(
    settings: Settings,
    existing: Existing | None = None,
    stack_id: str = "DiscoveryExports",
    context: Mapping[str, object] | None = None,
) -> Template:
    return synthesized(lambda app: DiscoveryExportsStack(app, stack_id, settings=settings, existing=existing), context)


@cache
def by_default() -> Template:
    return of_stack(Settings())


@cache
def with_collector() -> Template:
    """It starts exports of its own account."""
    return of_stack(Settings(collect=EVERYTHING.collect))


@cache
def with_everything() -> Template:
    """In a stack with an account and a Region, which a trigger together with a role requires."""

    def make(app: App) -> Stack:
        stack = Stack(app, "DiscoveryExports", env=Environment(account=ACCOUNT, region=REGION))
        key = kms.Key.from_key_arn(stack, "Key", KEY_ARN)
        DiscoveryExports(stack, "Exports", settings=EVERYTHING, key=key, vpc=make_vpc(stack))
        return stack

    return synthesized(make)
