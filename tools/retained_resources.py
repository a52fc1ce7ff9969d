"""``make destroy`` first says what destroying the stack will keep, and how to take it up again."""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.settings.settings import Deployment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

CDK_JSON = Path(__file__).parents[1] / "cdk.json"
TAKEN_UP = {"BucketName": "bucketName", "TableName": "tableName"}
"""Outputs of the stack, and the context values that give what they name to another deployment."""


def list_retained(cloudformation: "CloudFormationClient", stack: str) -> list[tuple[str, str]]:
    """Type and name of each resource that stays when the stack goes, as the deployed template has it."""
    template: Any = cloudformation.get_template(StackName=stack)["TemplateBody"]
    resources = (template if isinstance(template, Mapping) else json.loads(template))["Resources"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return sorted(
        (each["ResourceType"], each["PhysicalResourceId"])
        for page in pages
        for each in page["StackResourceSummaries"]
        if resources.get(each["LogicalResourceId"], {}).get("DeletionPolicy") == "Retain"
    )


def reuse_flags(cloudformation: "CloudFormationClient", stack: str) -> str:
    """The flags that deploy a stack over what this one kept."""
    (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())}
    return " ".join(f"-c {name}={outputs[output]}" for output, name in TAKEN_UP.items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.retained_resources", description=__doc__)
    parser.add_argument("-c", "--context", action="append", default=[], help="as for cdk; only stackId is looked at")
    parser.add_argument("--profile", help="as for cdk")
    told, _ = parser.parse_known_args()
    context = [
        *json.loads(CDK_JSON.read_text("utf-8"))["context"].items(),
        *(each.split("=", 1) for each in told.context),
    ]
    stack = Deployment.from_context(dict(each for each in context if each[0] == "stackId")).stack_id
    try:
        session = boto3.Session(profile_name=told.profile, region_name=os.environ.get("AWS_REGION"))
        cloudformation = session.client("cloudformation")
        flags = reuse_flags(cloudformation, stack)
    except ClientError as error:
        print(f"Nothing is known of a stack {stack}: {error.response['Error'].get('Message')}")
        return
    except BotoCoreError as error:  # no region, no credentials, no such profile
        raise SystemExit(f"What the stack {stack} keeps cannot be looked up: {error}") from None
    print(f"Destroying {stack} keeps, with all that they hold:")
    for kind, name in list_retained(cloudformation, stack):
        print(f"  {kind:26}  {name}")
    print(f'To take them up again: make deploy CDK_FLAGS="{flags}"')


if __name__ == "__main__":
    main()
