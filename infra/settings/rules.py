"""Pydantic models of CDK context values, and the error messages for invalid values."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails


class SettingsError(Exception):
    """Some settings are invalid; the message has a line for each, which starts with its name in ``cdk.json``."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        lines = [f"  {name}: {fault}" for name, fault in faults.items()]
        super().__init__("\n".join(["These settings are invalid (context in cdk.json or `-c name=value`):", *lines]))
        self.faults = dict(faults)


def check_names_are_unique(cdk_json: Path) -> None:
    """Raise SettingsError if a setting is in the file twice: the CDK CLI silently takes the last one."""

    def unique(members: list[tuple[str, object]]) -> dict[str, object]:
        names = Counter(name for name, _ in members)
        if twice := {name: f"is {count} times in {cdk_json.name}" for name, count in names.items() if count > 1}:
            raise SettingsError(twice)
        return dict(members)

    json.loads(cdk_json.read_text("utf-8"), object_pairs_hook=unique)


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", value) else value


def _names(value: object) -> object:
    items = value.split(",") if isinstance(value, str) and not value.lstrip().startswith("[") else _json(value)
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        return value
    return [item.strip() for item in items if item.strip()]


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _json(value: object) -> object:
    try:
        return json.loads(value or "[]") if isinstance(value, str) else value
    except ValueError:
        return value


def _object(value: object) -> object:
    return ({} if value in ("", "null", None) else _json(value)) if isinstance(value, str | None) else value


def _none(value: object) -> object:
    return None if value in ("", "null") else value


# Command-line values are text: digits, true or false, empty, comma-separated names, or JSON.
Number = Annotated[int, Field(strict=True), BeforeValidator(_number)]
Flag = Annotated[bool, Field(strict=True, description="true or false"), BeforeValidator(_flag)]
NONE, NAMES, JSON = BeforeValidator(_none), BeforeValidator(_names), BeforeValidator(_json)
OBJECT = BeforeValidator(_object)


def integer(low: int, high: int) -> Any:
    """The inclusive bounds of an integer."""
    return Field(ge=low, le=high, description=f"a whole number from {low} to {high}")


def text(form: str, meaning: str) -> Any:
    """A regular expression for the full text, and a description of such a text for error messages."""
    return Field(pattern=rf"\A(?:{form})\Z", description=meaning)


class ContextModel(BaseModel):
    """CDK context values by their names in camel case: ``waitFloorSeconds`` for ``wait_floor_seconds``.

    Raises :class:`SettingsError` with all errors together.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=False,
        validate_by_name=True,
        loc_by_alias=False,
        regex_engine="python-re",
    )

    @classmethod
    def from_context(cls, context: Mapping[str, object]) -> Self:
        """The settings in ``context``; others keep their defaults. A misspelt name is an error.

        Names that resemble no setting are ignored, because context also holds values of the CDK and other software.
        """
        given = {name: value for name, value in context.items() if cls._nearest_setting(name)}
        return cls.model_validate(given, by_alias=True, by_name=False)

    @classmethod
    def _nearest_setting(cls, name: str) -> str | None:
        """The setting in ``cdk.json`` whose name is, or resembles, ``name``."""
        known = [to_camel(field) for field in cls.model_fields]
        return name if name in known else next(iter(get_close_matches(name, known, n=1, cutoff=0.8)), None)

    @model_validator(mode="wrap")
    @classmethod
    def _collect_errors(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            faults: dict[str, list[str]] = {}
            for each in error.errors():
                name = str(each["loc"][0])
                if each["type"] == "extra_forbidden" and len(each["loc"]) == 1:
                    nearest = cls._nearest_setting(name)
                    faults[name] = ["is unknown" + (f"; did you mean {nearest}?" if nearest else "")]
                else:
                    faults.setdefault(to_camel(name), []).append(_fault(cls, each["loc"], each))
            raise SettingsError({name: "; ".join(each) for name, each in faults.items()}) from None


def _nested(annotation: Any) -> type[BaseModel] | None:
    """The model that a field has as its value, perhaps as an alternative to None."""
    alternatives = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((each for each in alternatives if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _fault(model: type[BaseModel], loc: tuple[int | str, ...], error: ErrorDetails) -> str:
    """What the field at ``loc`` must be, and what it is. Items of a list are named after it and counted from 1."""
    field, found = model.model_fields.get(str(loc[0]), Field()), f"not {error['input']!r}"
    match loc[1:], error["type"]:
        case (str(member), *rest), _ if nested := _nested(field.annotation):
            return f"{to_camel(member)} {_fault(nested, (member, *rest), error)}"
        case _, "model_type" if nested := _nested(field.annotation):
            return f"must hold {', '.join(map(to_camel, nested.model_fields))}, {found}"
        case (int(number), *member), kind if member or kind == "model_type":
            item, where = get_args(field.annotation)[0], f"{str(loc[0]).removesuffix('s')} {number + 1}:"
            if member:
                return f"{where} {member[0]} {_fault(item, tuple(member), error)}"
            return f"{where} must hold {', '.join(item.model_fields)}, {found}"
        case _, "value_error":
            return str(error["ctx"]["error"])
        case _, "missing":
            return "is needed"
        case _, "extra_forbidden":
            return "is unknown"
        case (str(key),), _:
            return f"{key!r} {error['msg'].replace('Input should be', 'must be')}, {found}"
        case _:
            return f"must be {field.description}, {found}"
