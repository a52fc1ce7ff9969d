"""The limit on the environment variables of a Lambda function, checked before anything is deployed."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Stack
from constructs import Construct
from pydantic.alias_generators import to_camel

from .settings.rules import SettingsError

MAX_BYTES = 4096
"""Of all variables of a function: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html

Lambda measures them as one JSON object, in which each quotation mark of a value has a backslash. Its error message
ends with this object: https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3594
"""
LONG = ("DATASETS", "DOWNLOAD_HOSTS", "DISCOVERY_ROLE_ARN", "DISCOVERY_EXTERNAL_ID")
"""Variables that may have hundreds of characters, each named after its setting."""
MAX_CHARACTERS = {"AWS::AccountId": 12, "AWS::Partition": 16, "AWS::Region": 25, "AWS::StackName": 128}
MAX_NAME = 256
"""Characters of the name of an event bus; other names are not longer."""
ARN_PREFIX = 80


def reject_too_large(scope: Construct, function: str, variables: Mapping[str, str]) -> None:
    """Raise SettingsError if Lambda may reject the variables. A value that is not yet known counts at its longest.

    A character that is not ASCII counts as its escape sequence, which has more bytes than UTF-8: it is not documented
    which of the two Lambda counts.
    """
    longest = {name: at_its_longest(Stack.of(scope).resolve(value)) for name, value in variables.items()}
    size = len(json.dumps(longest, separators=(",", ":")))
    if size > MAX_BYTES:
        names = ", ".join(to_camel(name.lower()) for name in LONG if name in variables)
        fault = f"make the environment variables of {function} up to {size} bytes of JSON; Lambda allows {MAX_BYTES}"
        raise SettingsError({names: fault})


def at_its_longest(value: Any) -> str:
    """A text as long as a resolved value can become at deployment."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(at_its_longest, parts))
        case {"Ref": name}:
            return "x" * MAX_CHARACTERS.get(name, MAX_NAME)
        case _:
            return "x" * (ARN_PREFIX + MAX_NAME)
