"""Reads JSON objects into pydantic dataclasses. Error messages name the invalid member and the reason."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Instance = TypeVar("Instance", bound=DataclassInstance)


class InvalidControlRequest(ValueError):
    """A control request is invalid. The message says why."""


def replace_from_json(instance: "Instance", document: Mapping[str, Any]) -> "Instance":
    """A copy with the members of ``document``. Raises `InvalidControlRequest` for unknown names and wrong values."""
    try:
        text = json.dumps({**asdict(instance), **document})
        result: Instance = _adapter(type(instance)).validate_json(text, strict=True)
    except ValidationError as error:
        messages = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise InvalidControlRequest("; ".join(messages)) from None
    return result


@cache
def _adapter(of: type) -> TypeAdapter[Any]:
    """Cached: creating an adapter takes longer than using it, and many exports are added at once."""
    return TypeAdapter(of)
