"""The checks of ``doctor``. Each reads what is deployed, and says what it found and what to do about it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from functools import cached_property
from typing import Any

from discovery_exports import __version__
from discovery_exports.cli.context import Context
from discovery_exports.cli.coverage import read_coverage
from discovery_exports.cli.failures import DENIED_CODES, Failure, failure_of, one_line

FUNCTIONS = ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
NEEDED_OUTPUTS = ("StateMachineArn", "BucketName", "TableName")
"""Of every command; docs/cli.md lists them for a stack of one's own."""
ALARMS_PER_CALL = 100


class Result(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    result: Result
    found: str
    advice: str = ""

    @property
    def row(self) -> dict[str, Any]:
        says = f"{self.found}. {self.advice}" if self.advice else self.found
        return {
            "check": self.check,
            "result": self.result,
            "found": self.found,
            "advice": self.advice or None,
            "says": says,
        }


Said = tuple[Result, str] | tuple[Result, str, str]
Check = Callable[["Stack"], Iterable[Said]]


def run_checks(context: Context) -> list[Finding]:
    """The findings of all checks. Raises what CloudFormation raises for the outputs: nothing can be checked then."""
    stack = Stack(context)
    _ = context.outputs
    return [finding for name, check in CHECKS.items() for finding in _findings(name, check, stack)]


def _findings(name: str, check: Check, stack: "Stack") -> Iterator[Finding]:
    try:
        for said in check(stack):
            yield Finding(name, *said)
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        yield Finding(name, Result.UNKNOWN, *_unknown(error, failure))


def _unknown(error: Exception, failure: Failure) -> tuple[str, str]:
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        code, call = str(error.response.get("Error", {}).get("Code")), error.operation_name
        if code in DENIED_CODES:
            return f"no permission for {call}", "Ask for it: examples/operator.policy.json has all that doctor calls"
        return f"{call} is not available here: {code}", ""
    return one_line(str(failure)).rstrip("."), ""


class Stack:
    """What is deployed, read at most once."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @cached_property
    def resources(self) -> list[tuple[str, str, str]]:
        """Type, logical ID and physical ID of each."""
        pages = self.context.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.context.stack)
        return [
            (each["ResourceType"], each["LogicalResourceId"], each.get("PhysicalResourceId", ""))
            for page in pages
            for each in page["StackResourceSummaries"]
        ]

    def named(self, resource_type: str, pattern: str = "") -> dict[str, str]:
        """Physical IDs of this type by logical ID, those whose logical ID has the pattern."""
        return {
            logical: physical
            for kind, logical, physical in self.resources
            if kind == resource_type and re.search(pattern, logical)
        }

    def function(self, name: str) -> str:
        """The name of one of the functions. A logical ID ends with eight hexadecimal digits."""
        return next(iter(self.named("AWS::Lambda::Function", f"{name}[0-9A-F]{{8}}$").values()), "")

    @cached_property
    def lambda_client(self) -> Any:
        return self.context.client("lambda")

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The environment of the function that polls. Empty if the caller may not decrypt it."""
        found = self.lambda_client.get_function_configuration(FunctionName=self.function("CheckExports"))
        variables: Mapping[str, str] = found.get("Environment", {}).get("Variables", {})
        return variables

    @property
    def region(self) -> str:
        return str(self.context.session.region_name)


# --- the checks, in the order in which they are printed ---


def _identity(stack: Stack) -> Iterator[Said]:
    identity = stack.context.client("sts").get_caller_identity()
    yield Result.OK, f"{identity['Arn']} in account {identity['Account']}"


def _region(stack: Stack) -> Iterator[Said]:
    """Home Region of the account of the exports. GetHomeRegion answers for the caller's own account alone."""
    home, variables = stack.region, stack.variables
    expected = variables.get("DISCOVERY_REGION", home)
    where = f"stack in {home}, exports from {expected}"
    if variables.get("DISCOVERY_ROLE_ARN"):
        account = variables.get("DISCOVERY_ACCOUNT_ID")
        yield Result.UNKNOWN, f"{where} in account {account}", "Ask its owner for the Migration Hub home Region"
        return
    found = stack.context.client("migrationhub-config", expected).get_home_region().get("HomeRegion")
    if found == expected:
        yield Result.OK, f"{where}, the Migration Hub home Region"
    elif found:
        yield Result.FAIL, f"{where}, but the home Region is {found}", f"Deploy with discoveryRegion={found}"
    else:
        yield Result.FAIL, f"{where}, but the account has no home Region", "Choose one in AWS Migration Hub"


def _outputs(stack: Stack) -> Iterator[Said]:
    outputs = stack.context.outputs
    if missing := [name for name in NEEDED_OUTPUTS if name not in outputs]:
        yield Result.FAIL, f"no outputs {', '.join(missing)}", "Check --stack. A stack of your own: docs/cli.md"
    else:
        yield Result.OK, f"{len(outputs)}: {', '.join(sorted(outputs))}"


def _release(stack: Stack) -> Iterator[Said]:
    deployed = stack.context.outputs.get("Release")
    if deployed == __version__:
        yield Result.OK, f"{deployed}, deployed and installed"
    elif deployed:
        yield Result.WARN, f"{deployed} deployed, {__version__} installed", "Install or deploy the other one"
    else:
        yield (
            Result.WARN,
            f"no output Release, {__version__} installed",
            "Deploy this release. A stack of your own: add the output, as docs/cli.md says",
        )


def _schedules(stack: Stack) -> Iterator[Said]:
    schedules = stack.named("AWS::Scheduler::Schedule")
    client: Any = stack.context.client("scheduler") if schedules else None
    for name in schedules.values():
        schedule = client.get_schedule(Name=name.rpartition("|")[2])
        zone = schedule.get("ScheduleExpressionTimezone") or "UTC"
        when = f"{schedule['ScheduleExpression']} ({zone}) is {str(schedule['State']).lower()}"
        enabled = schedule["State"] == "ENABLED"
        yield (Result.OK, when) if enabled else (Result.WARN, when, f"Enable {name} in EventBridge Scheduler")
    if not schedules:
        yield Result.OK, "none: only callers and triggers start runs"


def _collecting(stack: Stack) -> Iterator[Said]:
    """Its last execution, and the call that failed in it: a call that fails once fails no execution."""
    from exports.collecting.account_state import LASTING

    collector = stack.context.outputs.get("CollectorStateMachineArn")
    if not collector:
        yield Result.OK, "the setting collect is off: the stack starts no exports"
        return
    found = stack.context.steps.list_executions(stateMachineArn=collector, maxResults=2)["executions"]
    last = next((each for each in found if each["status"] != "RUNNING"), None)
    advice = "See docs/runbook.md#the-collector-fails"
    began = f"{last['startDate'].astimezone(UTC):%Y-%m-%d %H:%M} UTC" if last else ""
    if last is None:
        yield Result.WARN, "the collector has not run yet", "Wait for 15 minutes, or check its schedules"
    elif last["status"] != "SUCCEEDED":
        yield Result.FAIL, f"the execution of the collector at {began} ended as {last['status']}", advice
    elif stack.context.now() - last["startDate"] > LASTING:
        yield Result.FAIL, f"the last execution of the collector began at {began}", advice
    else:
        yield Result.OK, f"the collector ran at {began}"
    covered = read_coverage(stack.context)
    if failure := covered.last_tick.failure:
        lasting = failure.is_lasting(covered.now)
        result, advice = (Result.FAIL, advice) if lasting else (Result.WARN, "The next tick tries again")
        yield result, one_line(failure.sentence()).rstrip("."), advice


def _trail(stack: Stack) -> Iterator[Said]:
    """EventBridge gets API calls only of a trail that logs management events that write."""
    rules = stack.named("AWS::Events::Rule", "CloudTrail")
    if not rules:
        yield Result.OK, "the trigger cloudTrailTrigger is off"
        return
    client: Any = stack.context.client("cloudtrail")
    trails = client.describe_trails(includeShadowTrails=True)["trailList"]
    logging = [each["TrailARN"] for each in trails if client.get_trail_status(Name=each["TrailARN"])["IsLogging"]]
    writing = [arn for arn in logging if _logs_writes(client.get_event_selectors(TrailName=arn))]
    if writing:
        yield Result.OK, f"{writing[0]} logs management events"
    else:
        advice = "Create a trail that logs management events, or the trigger starts no run"
        yield Result.FAIL, f"{len(trails)} trails, none logs management events that write", advice


def _logs_writes(selectors: Mapping[str, Any]) -> bool:
    basic = any(
        each.get("IncludeManagementEvents") and each.get("ReadWriteType") != "ReadOnly"
        for each in selectors.get("EventSelectors") or ()
    )
    return basic or any(map(_is_of_writes, selectors.get("AdvancedEventSelectors") or ()))


def _is_of_writes(selector: Mapping[str, Any]) -> bool:
    fields = {each["Field"]: each.get("Equals", ()) for each in selector.get("FieldSelectors", ())}
    return "Management" in fields.get("eventCategory", ()) and "true" not in fields.get("readOnly", ())


def _concurrency(stack: Stack) -> Iterator[Said]:
    """What one run can use, batchConcurrency times storeConcurrency, against what the account has."""
    machine = stack.context.steps.describe_state_machine(stateMachineArn=stack.context.state_machine_arn)
    needed = _product_of_maps(json.loads(machine["definition"]))
    limit = stack.lambda_client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    function = stack.function("StoreExport")
    reserved = stack.lambda_client.get_function_concurrency(FunctionName=function).get("ReservedConcurrentExecutions")
    run = f"a run uses up to {needed:,} invocations at the same time"
    if reserved is not None:
        enough = (Result.OK, f"{run}, {reserved:,} are reserved for StoreExport")
        none = (Result.FAIL, f"{run}, but StoreExport has a reserved concurrency of 0", "Raise reservedConcurrency")
        yield enough if reserved else none
    elif needed > limit:
        advice = "Lower storeConcurrency (docs/settings.md#how-much-at-once), or ask AWS for a higher quota"
        yield Result.WARN, f"{run}, and the account has {limit:,} without reservation", advice
    else:
        yield Result.OK, f"{run}, the account has {limit:,} without reservation"


def _product_of_maps(definition: Mapping[str, Any]) -> int:
    """The highest number of iterations at the same time, of maps in maps."""
    highest = 1
    for state in definition.get("States", {}).values():
        processor = state.get("ItemProcessor") or state.get("Iterator")
        if processor:
            highest = max(highest, int(state.get("MaxConcurrency") or 1) * _product_of_maps(processor))
    return highest


def _key(stack: Stack) -> Iterator[Said]:
    rules = stack.context.s3.get_bucket_encryption(Bucket=stack.context.bucket_name)
    default = rules["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    key = default.get("KMSMasterKeyID")
    if not key:
        yield Result.OK, f"the bucket is encrypted with a key of AWS ({default['SSEAlgorithm']})"
        return
    described: Any = stack.context.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    if described["KeyState"] == "Enabled":
        yield Result.OK, f"{described['Arn']} is enabled"
    else:
        advice = "Enable the key, or cancel its deletion: without it, no export can be stored or read"
        yield Result.FAIL, f"{described['Arn']} is in the state {described['KeyState']}", advice


def _tables(stack: Stack) -> Iterator[Said]:
    """A deployment creates no table that was dropped: CloudFormation compares templates, not what is there."""
    names = [each.rpartition("|")[2] for each in stack.named("AWS::Glue::Table").values()]
    if not names:
        yield Result.OK, "the stack has no tables"
        return
    client: Any = stack.context.client("glue")
    database = stack.context.stack_output("DatabaseName")
    missing = []
    for name in names:
        try:
            client.get_table(DatabaseName=database, Name=name)
        except client.exceptions.EntityNotFoundException:
            missing.append(name)
    if missing:
        advice = "Create them again: docs/queries.md#a-table-is-missing"
        yield Result.FAIL, f"{database} has no {', '.join(sorted(missing))}", advice
    else:
        yield Result.OK, f"{database} has all {len(names)}"


def _lake_formation(stack: Stack) -> Iterator[Said]:
    database = stack.context.outputs.get("DatabaseName")
    if not database:
        yield Result.OK, "the stack has no tables"
        return
    client: Any = stack.context.client("lakeformation")
    permissions = client.list_permissions(Resource={"Database": {"Name": database}})["PrincipalResourcePermissions"]
    principals = {each["Principal"]["DataLakePrincipalIdentifier"] for each in permissions}
    if "IAM_ALLOWED_PRINCIPALS" in principals:
        yield Result.OK, f"IAM policies control {database}"
    else:
        yield Result.WARN, f"grants control {database}", "Grant DESCRIBE and SELECT to readers (docs/accounts.md)"
    partition = stack.context.state_machine_arn.split(":")[1]
    try:
        client.describe_resource(ResourceArn=f"arn:{partition}:s3:::{stack.context.bucket_name}")
    except client.exceptions.EntityNotFoundException:
        yield Result.OK, "the bucket is not registered"
    else:
        yield Result.WARN, "the bucket is registered", "Readers need lakeformation:GetDataAccess (docs/accounts.md)"


def _alarms(stack: Stack) -> Iterator[Said]:
    names = list(stack.named("AWS::CloudWatch::Alarm").values())
    if not names:
        yield Result.WARN, "the stack has no alarms", "Set watching to true (docs/settings.md)"
        return
    client: Any = stack.context.client("cloudwatch")
    firsts = range(0, len(names), ALARMS_PER_CALL)
    pages = [client.describe_alarms(AlarmNames=names[first : first + ALARMS_PER_CALL]) for first in firsts]
    active = [each for page in pages for each in page["MetricAlarms"] if each["StateValue"] == "ALARM"]
    for alarm in active:
        summary, _, section = str(alarm.get("AlarmDescription", "")).partition(" What to do: ")
        advice = f"See {section}" if section else "See docs/runbook.md"
        yield Result.FAIL, f"{alarm['AlarmName']}: {one_line(summary).rstrip('.')}", one_line(advice)
    if not active:
        yield Result.OK, f"none of {len(names)} is in ALARM"


def _dead_letters(stack: Stack) -> Iterator[Said]:
    queues = stack.named("AWS::SQS::Queue", "DeadLetters")
    client: Any = stack.context.client("sqs")
    for name, url in queues.items():
        attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        count = int(attributes["Attributes"]["ApproximateNumberOfMessages"])
        if count:
            advice = "See docs/runbook.md#a-dead-letter-queue-is-not-empty"
            yield Result.WARN, f"{count:,} messages in {name}", advice
        else:
            yield Result.OK, f"{name} is empty"


CHECKS: Mapping[str, Check] = {
    "identity": _identity,
    "Region": _region,
    "outputs": _outputs,
    "release": _release,
    "schedules": _schedules,
    "collecting": _collecting,
    "trail": _trail,
    "concurrency": _concurrency,
    "key": _key,
    "tables": _tables,
    "Lake Formation": _lake_formation,
    "alarms": _alarms,
    "dead letters": _dead_letters,
}
