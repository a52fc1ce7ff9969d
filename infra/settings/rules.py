"""Values from a CDK context as pydantic models, and what is told of values that cannot be used."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
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
    """Some settings cannot be used; the message has a line for each, beginning with its name in ``cdk.json``."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        lines = [f"  {name}: {fault}" for name, fault in faults.items()]
        super().__init__("\n".join(["These settings cannot be used (context in cdk.json or `-c name=value`):", *lines]))
        self.faults = dict(faults)


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", value) else value


def _names(value: object) -> object:
    items = value.split(",") if isinstance(value, str) else value
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


def _none(value: object) -> object:
    return None if value in ("", "null") else value


# A command line has text alone: digits, true or false, nothing, names with commas between them, JSON.
Number = Annotated[int, Field(strict=True), BeforeValidator(_number)]
Flag = Annotated[bool, Field(strict=True, description="true or false"), BeforeValidator(_flag)]
NONE, NAMES, JSON = BeforeValidator(_none), BeforeValidator(_names), BeforeValidator(_json)


def whole(low: int, high: int) -> Any:
    """The bounds of a number, both included."""
    return Field(ge=low, le=high, description=f"a whole number from {low} to {high}")


def text(form: str, meaning: str) -> Any:
    """The form of a whole text, a regular expression, and what such a text is."""
    return Field(pattern=rf"\A(?:{form})\Z", description=meaning)


class ContextModel(BaseModel):
    """Values that stand in a context of the CDK by their names in camel case: ``wait_floor_seconds`` is
    ``waitFloorSeconds``. Raises :class:`SettingsError` with all faults together.
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
        """What is not in ``context`` keeps its default. A misspelt name is refused.

        Names that resemble none of ours are left alone: context also holds what belongs to the CDK and to others.
        """
        given = {name: value for name, value in context.items() if cls._meant(name)}
        return cls.model_validate(given, by_alias=True, by_name=False)

    @classmethod
    def _meant(cls, name: str) -> str | None:
        """The name in ``cdk.json`` that ``name`` is, or nearly is."""
        ours = [to_camel(field) for field in cls.model_fields]
        return name if name in ours else next(iter(get_close_matches(name, ours, n=1, cutoff=0.8)), None)

    @model_validator(mode="wrap")
    @classmethod
    def _tell(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            faults: dict[str, list[str]] = {}
            for each in error.errors():
                name = str(each["loc"][0])
                if each["type"] == "extra_forbidden" and len(each["loc"]) == 1:
                    meant = cls._meant(name)
                    faults[name] = ["is not known" + (f"; {meant} is" if meant else "")]
                else:
                    faults.setdefault(to_camel(name), []).append(_fault(cls, each["loc"], each))
            raise SettingsError({name: "; ".join(told) for name, told in faults.items()}) from None


def _fault(model: type[BaseModel], loc: tuple[int | str, ...], error: ErrorDetails) -> str:
    """What the field at ``loc`` must be, and what it was. Items of a list are counted from 1, by its name."""
    field, was = model.model_fields.get(str(loc[0]), Field()), f"not {error['input']!r}"
    match loc[1:], error["type"]:
        case (int(number), *member), kind if member or kind == "model_type":
            item, where = get_args(field.annotation)[0], f"{str(loc[0]).removesuffix('s')} {number + 1}:"
            if member:
                return f"{where} {member[0]} {_fault(item, tuple(member), error)}"
            return f"{where} must hold {', '.join(item.model_fields)}, {was}"
        case _, "value_error":
            return str(error["ctx"]["error"])
        case _, "missing":
            return "is needed"
        case _, "extra_forbidden":
            return "is not known"
        case (str(key),), _:
            return f"{key!r} {error['msg'].replace('Input should be', 'must be')}, {was}"
        case _:
            return f"must be {field.description}, {was}"
