"""JSON objects as pydantic's dataclasses, with an answer that names the member and what is wrong."""

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
    """A control request asks for something that the double does not have; the message says what."""


def replace_from_json(instance: "Instance", document: Mapping[str, Any]) -> "Instance":
    """The dataclass with the members that the document gives; unknown names and wrong values raise `InvalidControlRequest`."""
    try:
        text = json.dumps({**asdict(instance), **document})
        result: Instance = _adapter(type(instance)).validate_json(text, strict=True)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise InvalidControlRequest("; ".join(faults)) from None
    return result


@cache
def _adapter(of: type) -> TypeAdapter[Any]:
    """Making one takes longer than using it, and many exports are added at once."""
    return TypeAdapter(of)
