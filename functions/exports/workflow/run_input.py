"""The input of a run, validated against its JSON Schema."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exports.runs import Run
from exports.settings import Settings

if TYPE_CHECKING:
    from fastjsonschema import JsonSchemaValueException

MAX_ERRORS = 20


class InvalidInput(Exception):
    """The input of a run breaks its schema; the message names every faulty member."""


def read_run(execution: Mapping[str, Any], settings: Settings) -> Run:
    """The run that an execution's context object (``Id``, ``Name``, ``StartTime``, ``Input``) asks for.

    What its input leaves out comes from ``settings``.

    Raises InvalidInput, naming each faulty member, when the input breaks ``run_input.schema.json``.
    """
    asked = _distinct(execution["Input"])
    _validate(asked)
    _reject_lone_surrogates(asked)
    ids, filters = tuple(asked.get("exportIds", ())), tuple(asked.get("filters", ()))
    started_at = datetime.fromisoformat(execution["StartTime"]).astimezone(UTC)
    default = settings.deadline if ids or filters else settings.sweep_deadline
    return Run(
        id=execution["Name"],
        started_at=started_at,
        deadline=started_at + (timedelta(minutes=asked["deadlineMinutes"]) if "deadlineMinutes" in asked else default),
        on_failure=asked.get("onFailure", "fail" if ids else "report"),
        export_ids=ids,
        filters=filters,
        correlation_id=asked.get("correlationId"),
    )


def _distinct(asked: Any) -> Any:
    """The input with duplicate ids taken out, order kept: the limit of the schema counts distinct ids."""
    if not isinstance(asked, dict) or not isinstance(asked.get("exportIds"), list):
        return asked
    seen: dict[str, Any] = {json.dumps(export_id): export_id for export_id in asked["exportIds"]}
    return {**asked, "exportIds": list(seen.values())}


def _validate(asked: Any) -> None:
    # Here, because of the four functions only one reads input, and all of them should start fast.
    import fastjsonschema

    schema = json.loads(Path(__file__).with_name("run_input.schema.json").read_text("utf-8"))
    try:
        fastjsonschema.compile(schema, use_default=False, fast_fail=False)(asked)
    except fastjsonschema.JsonSchemaValuesException as error:
        raise InvalidInput(_join_limited([_fault(each) for each in error.errors])) from None


def _reject_lone_surrogates(asked: Any) -> None:
    """Half of a surrogate pair is no text that a row or an event could hold."""
    try:
        json.dumps(asked, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput("input holds text that is not Unicode (half of a surrogate pair)") from None


def _fault(error: "JsonSchemaValueException") -> str:
    name = str(error.name)
    member = name.removeprefix("data").removeprefix(".") or "input"
    if error.rule == "additionalProperties":
        unknown = sorted(set(error.value) - set(error.definition["properties"]))
        return f"{member} has unknown members: {_join_limited([_quoted(name) for name in unknown], ', ')}"
    if error.rule == "not":
        return f"{member} must not be . or .."
    return f"{member} {error.message.removeprefix(name).strip()}"


def _quoted(name: str) -> str:
    """A name of somebody's choosing, bounded and printable whatever it holds."""
    return ascii(name[:64])


def _join_limited(faults: Sequence[str], between: str = "; ") -> str:
    more = len(faults) - MAX_ERRORS
    return between.join(faults[:MAX_ERRORS]) + (f"{between}and {more} more" if more > 0 else "")
