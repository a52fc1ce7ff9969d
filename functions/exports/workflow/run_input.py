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
MAX_MESSAGE_LENGTH = 8_000
"""Of all errors together, in characters. The cause of a failed execution has at most 32,768."""
IGNORED = frozenset({"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID", "CONTEXT"})
"""Members that tools add to the input of any execution, whatever their value."""


class InvalidInput(Exception):
    """The input of a run violates its schema; the message names every invalid member."""


def read_run(execution: Mapping[str, Any], settings: Settings) -> Run:
    """The run that an execution's context object (``Id``, ``Name``, ``StartTime``, ``Input``) describes.

    Defaults come from ``settings``. A member that is null counts as left out.
    Raises InvalidInput, naming each invalid member, if the input violates ``run_input.schema.json``.
    """
    given = _distinct(_without_ignored(execution["Input"]))
    _validate(given)
    _reject_lone_surrogates(given)
    given = {name: value for name, value in given.items() if value is not None}
    ids, filters = tuple(given.get("exportIds", ())), tuple(given.get("filters", ()))
    started_at = datetime.fromisoformat(execution["StartTime"]).astimezone(UTC)
    default = settings.deadline if ids or filters else settings.sweep_deadline
    return Run(
        id=execution["Name"],
        started_at=started_at,
        deadline=started_at + (timedelta(minutes=given["deadlineMinutes"]) if "deadlineMinutes" in given else default),
        on_failure=given.get("onFailure", "fail" if ids else "report"),
        export_ids=ids,
        filters=filters,
        correlation_id=given.get("correlationId"),
    )


def _without_ignored(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    return {name: value for name, value in given.items() if name not in IGNORED}


def _distinct(given: Any) -> Any:
    """The input without duplicate ids, in order: the limit in the schema counts distinct ids."""
    if not isinstance(given, dict) or not isinstance(given.get("exportIds"), list):
        return given
    seen: dict[str, Any] = {json.dumps(export_id): export_id for export_id in given["exportIds"]}
    return {**given, "exportIds": list(seen.values())}


def _validate(given: Any) -> None:
    # Imported here for fast cold starts: only one of the four functions validates input.
    import fastjsonschema

    schema = json.loads(Path(__file__).with_name("run_input.schema.json").read_text("utf-8"))
    try:
        fastjsonschema.compile(schema, use_default=False, fast_fail=False)(given)
    except fastjsonschema.JsonSchemaValuesException as error:
        raise InvalidInput(_join_limited([_fault(each) for each in error.errors])) from None


def _reject_lone_surrogates(given: Any) -> None:
    """Reject half of a surrogate pair: it has no UTF-8 form, so no item or event can hold it."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput("input holds text that is not Unicode (half of a surrogate pair)") from None


def _fault(error: "JsonSchemaValueException") -> str:
    name = str(error.name)
    member = name.removeprefix("data").removeprefix(".") or "input"
    if error.rule == "additionalProperties":
        unknown = sorted(set(error.value) - set(error.definition["properties"]))
        return f"{member} has unknown members: {_join_limited([_quoted(name) for name in unknown], ', ')}"
    if error.rule == "enum":
        return f"{member} must be one of {json.dumps(error.rule_definition)}"
    if error.rule == "not":
        return f"{member} must not be . or .."
    return f"{member} {error.message.removeprefix(name).strip()}"


def _quoted(name: str) -> str:
    """A name from the caller, limited to 64 characters and made printable."""
    return ascii(name[:64])


def _join_limited(faults: Sequence[str], separator: str = "; ") -> str:
    more = len(faults) - MAX_ERRORS
    text = separator.join(faults[:MAX_ERRORS]) + (f"{separator}and {more} more" if more > 0 else "")
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[: MAX_MESSAGE_LENGTH - 1] + "…"
