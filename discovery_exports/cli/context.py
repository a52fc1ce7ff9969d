"""What every command gets: its global options, clients and outputs of the stack made on first use, and its output."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from discovery_exports.cli.failures import Misconfigured, failure_of, sentence
from discovery_exports.cli.output import Form, Output, make_console
from discovery_exports.cli.text import printable

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient
    from rich.console import Console

STACK = "DiscoveryExports"
STACK_VARIABLE = "DISCOVERY_EXPORTS_STACK"


@dataclass(frozen=True, slots=True)
class Options:
    """The global options. They may be given before the command or after it; the latter win."""

    stack: str | None = None
    profile: str | None = None
    region: str | None = None
    output: Form | None = None
    debug: bool = False

    def over(self, before: "Options") -> "Options":
        """These options, and those ``before`` the command where they are not set."""
        given = {name: value for name in self.__slots__ if (value := getattr(self, name))}
        return replace(before, **given)


@contextmanager
def _configuration() -> Iterator[None]:
    """boto3 raises a ValueError for a setting of another type, such as ``AWS_MAX_ATTEMPTS=x``."""
    try:
        yield
    except ValueError as error:
        raise failure_of(error) or Misconfigured(
            f"{sentence(error)} Correct the AWS_ variables of your environment, and your AWS configuration files."
        ) from error


class Context:
    """Imports and calls nothing before a command needs it, so that wrong use is answered at once."""

    sleep: Callable[[float], None] = staticmethod(time.sleep)

    def __init__(self, options: Options) -> None:
        self.options = options
        self.output = Output(options.output)

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)

    # --- AWS ---

    @cached_property
    def session(self) -> "boto3.Session":
        """Profile, Region, credentials and endpoints are found as boto3 finds them."""
        import boto3

        region = self.options.region or os.environ.get("AWS_REGION")  # boto3 reads only AWS_DEFAULT_REGION
        with _configuration():
            return boto3.Session(profile_name=self.options.profile, region_name=region)

    def client(self, service: str, region: str | None = None, config: "Config | None" = None) -> Any:
        """A new boto3 client, in the Region of the session by default; annotate the variable with its type."""
        with _configuration():
            return self.session.client(service, region_name=region, config=config)  # type: ignore[call-overload]

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        client: CloudFormationClient = self.client("cloudformation")
        return client

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @cached_property
    def s3(self) -> "S3Client":
        client: S3Client = self.client("s3")
        return client

    @cached_property
    def steps(self) -> "SFNClient":
        client: SFNClient = self.client("stepfunctions")
        return client

    # --- the stack ---

    @property
    def stack(self) -> str:
        return self.options.stack or os.environ.get(STACK_VARIABLE) or STACK

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack by name. Raises Misconfigured if there is no such stack."""
        from botocore.exceptions import ClientError

        try:
            (stack,) = self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ValidationError":
                raise
            raise Misconfigured(
                f"There is no stack {printable(self.stack)} in {self.session.region_name} of this account. "
                f"Check --stack, {STACK_VARIABLE}, --region and --profile."
            ) from None
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}

    def stack_output(self, name: str) -> str:
        """One output of the stack. Raises Misconfigured if the stack does not have it."""
        if value := self.outputs.get(name):
            return value
        raise Misconfigured(
            f"The stack {printable(self.stack)} has no output {name}: it is another stack, of another release, "
            "or not deployed yet. Check --stack."
        )

    @property
    def table_name(self) -> str:
        return self.stack_output("TableName")

    @property
    def bucket_name(self) -> str:
        return self.stack_output("BucketName")

    @property
    def state_machine_arn(self) -> str:
        return self.stack_output("StateMachineArn")

    # --- standard error ---

    @cached_property
    def console(self) -> "Console":
        """Rich's console on standard error, for progress."""
        return make_console(stderr=True)

    @staticmethod
    def say(text: str) -> None:
        """A note for people, on standard error."""
        print(printable(text), file=sys.stderr, flush=True)
