"""Items in the form of DynamoDB, as plain values."""

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item with int in place of DynamoDB's Decimal: no table of this project holds fractions."""
    deserialize = TypeDeserializer().deserialize
    return {name: _integers(deserialize(value)) for name, value in item.items()}


def _integers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _integers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_integers(each) for each in value]
    return int(value) if hasattr(value, "as_tuple") else value
