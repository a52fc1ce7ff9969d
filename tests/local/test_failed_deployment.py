"""A first deployment that fails leaves no bucket and no table behind."""

import json
from typing import TYPE_CHECKING, Any, cast

from local.stack.aws import LocalAws
from tests.local.stack import Stack
from tests.local.waiting import until

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

NAME = "Failing"


def test_a_first_deployment_that_fails_leaves_no_bucket_and_no_table(aws: LocalAws, stack: Stack) -> None:
    """The storage of the stack, followed by a URL of a function that does not exist."""
    cloudformation = cast("CloudFormationClient", aws.client("cloudformation"))
    storage = {
        logical_id: resource
        for logical_id, resource in stack.template()["Resources"].items()
        if "/Storage/" in resource.get("Metadata", {}).get("aws:cdk:path", "")
    }
    properties = {"TargetFunctionArn": "missing", "AuthType": "AWS_IAM"}
    failing = {"Type": "AWS::Lambda::Url", "Properties": properties, "DependsOn": list(storage)}

    cloudformation.create_stack(StackName=NAME, TemplateBody=json.dumps({"Resources": {**storage, "Url": failing}}))
    events = until(lambda: ended(cloudformation), what="the end of the rollback")

    assert statuses(events, "AWS::CloudFormation::Stack")[-1] == "ROLLBACK_COMPLETE"
    for kind, number in (("AWS::S3::Bucket", 2), ("AWS::DynamoDB::GlobalTable", 1)):
        assert statuses(events, kind).count("CREATE_COMPLETE") == number
        assert statuses(events, kind).count("DELETE_COMPLETE") == number
    cloudformation.delete_stack(StackName=NAME)


def ended(cloudformation: "CloudFormationClient") -> list[Any] | None:
    """All events of the stack, oldest first, if it has a final status."""
    (stack,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
    if stack["StackStatus"].endswith("IN_PROGRESS"):
        return None
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=NAME)
    return [event for page in pages for event in page["StackEvents"]][::-1]


def statuses(events: list[Any], kind: str) -> list[str]:
    return [event["ResourceStatus"] for event in events if event["ResourceType"] == kind]
