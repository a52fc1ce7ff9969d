"""JSON objects as dataclasses, with an answer that names the member and what is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Instance = TypeVar("Instance", bound=DataclassInstance)


class BadControl(ValueError):
    """A control request asks for something that the double does not have; the message says what."""


def changed(instance: "Instance", document: Mapping[str, Any]) -> "Instance":
    """The dataclass with the members that the document gives; unknown names and wrong types raise `BadControl`."""
    hints = _hints(type(instance))
    if unknown := sorted(document.keys() - hints.keys()):
        raise BadControl(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(hints))}")
    return replace(instance, **{name: _typed(name, value, hints[name]) for name, value in document.items()})


@cache
def _hints(of: type) -> dict[str, Any]:
    return get_type_hints(of)


def _typed(name: str, value: object, hint: Any) -> object:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if option is float and type(value) in (int, float):
            return float(value)  # type: ignore[arg-type]  # it is a number, says the line above
        if type(value) is option or (option is NoneType and value is None):
            return value
        if issubclass(option, StrEnum) and value in list(option):
            return option(value)
    wanted = " or ".join("/".join(option) if issubclass(option, StrEnum) else option.__name__ for option in options)
    raise BadControl(f"{name}: {value!r} is not {wanted}")
