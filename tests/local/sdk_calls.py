"""Functions in place of two AWS SDK integrations, which the local Step Functions does not have."""

from typing import Any

import boto3


def start_export_task(arguments: dict[str, Any], _: object) -> dict[str, str]:
    """As ``aws-sdk:applicationdiscovery:startExportTask``: Step Functions capitalizes every name."""
    started = boto3.client("discovery").start_export_task(**_uncapitalized(arguments))
    return {"ExportId": started["exportId"]}


def get_object(arguments: dict[str, Any], _: object) -> dict[str, str]:
    """As ``aws-sdk:s3:getObject``, of an object that is text."""
    return {"Body": boto3.client("s3").get_object(**arguments)["Body"].read().decode()}


def _uncapitalized(value: Any) -> Any:
    match value:
        case dict():
            return {name[0].lower() + name[1:]: _uncapitalized(member) for name, member in value.items()}
        case list():
            return [_uncapitalized(member) for member in value]
        case _:
            return value
