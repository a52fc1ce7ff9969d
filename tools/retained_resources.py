"""Lists the resources that destroying a stack retains, and how to reuse them; for ``make destroy``."""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from discovery_exports.cli.text import printable
from infra.settings.settings import Deployment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

CDK_JSON = Path(__file__).parents[1] / "cdk.json"
REUSE_CONTEXT = {"BucketName": "bucketName", "TableName": "tableName", "CollectingTableName": "collectingTableName"}
"""Outputs of the stack, and the context values with which another deployment reuses the named resources."""


RETAINING = ("Retain", "RetainExceptOnCreate")
"""Deletion policies that keep a resource when its stack is deleted; earlier versions of the stack have the first."""


def list_retained(cloudformation: "CloudFormationClient", stack: str) -> list[tuple[str, str]]:
    """Type and name of each resource that the deployed template retains."""
    template: Any = cloudformation.get_template(StackName=stack)["TemplateBody"]
    resources = (template if isinstance(template, Mapping) else json.loads(template))["Resources"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return sorted(
        (each["ResourceType"], each["PhysicalResourceId"])
        for page in pages
        for each in page["StackResourceSummaries"]
        if resources.get(each["LogicalResourceId"], {}).get("DeletionPolicy") in RETAINING
    )


def reuse_flags(cloudformation: "CloudFormationClient", stack: str) -> str:
    """The CDK flags of a deployment that reuses the retained resources."""
    (description,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in description.get("Outputs", ())}
    return " ".join(f"-c {name}={outputs[output]}" for output, name in REUSE_CONTEXT.items() if output in outputs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.retained_resources", description=__doc__)
    parser.add_argument("-c", "--context", action="append", default=[], help="as for cdk; only stackId is used")
    parser.add_argument("--profile", help="as for cdk")
    flags, _ = parser.parse_known_args()
    context = [
        *json.loads(CDK_JSON.read_text("utf-8"))["context"].items(),
        *(each.split("=", 1) for each in flags.context),
    ]
    stack = Deployment.from_context(dict(each for each in context if each[0] == "stackId")).stack_id
    try:
        session = boto3.Session(profile_name=flags.profile, region_name=os.environ.get("AWS_REGION"))
        cloudformation = session.client("cloudformation")
        cdk_flags = reuse_flags(cloudformation, stack)
    except ClientError as error:
        print(printable(f"The stack {stack} cannot be described: {error.response['Error'].get('Message')}"))
        return
    except BotoCoreError as error:  # no region, no credentials, no such profile
        raise SystemExit(f"The retained resources of stack {stack} cannot be listed: {error}") from None
    print(f"Destroying {stack} retains these resources with all their contents:")
    for kind, name in list_retained(cloudformation, stack):
        print(printable(f"  {kind:26}  {name}"))
    print(printable(f'To reuse them: make deploy CDK_FLAGS="{cdk_flags}"'))


if __name__ == "__main__":
    main()
