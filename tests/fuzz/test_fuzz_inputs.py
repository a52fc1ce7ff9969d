"""Inputs of runs: a run accepts what its published JSON Schema accepts, and nothing else."""

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.settings import Settings
from exports.workflow import run_input
from exports.workflow.run_input import IGNORED, MAX_MESSAGE_LENGTH, InvalidInput, read_run

Json = Any
Path_ = tuple[str | int, ...]
SCHEMA = json.loads(Path(run_input.__file__).with_name("run_input.schema.json").read_text("utf-8"))
SETTINGS = Settings({"DEADLINE_MINUTES": "720", "SWEEP_DEADLINE_MINUTES": "55"})
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "null": type(None),
}


def faults(schema: Mapping[str, Any], value: Json, path: Path_ = ()) -> set[Path_]:
    """Paths at which ``value`` violates ``schema``: a second, short reading of JSON Schema. Empty: it is accepted.

    An object with unknown members is at fault itself. A keyword that this reading does not know is a KeyError.
    """
    checks: Mapping[str, Callable[[Any], object]] = {
        "type": lambda types: is_of(types if isinstance(types, list) else [types], value),
        "enum": lambda values: any(value == each and type(value) is type(each) for each in values),
        "not": lambda other: bool(faults(other, value)),
        "minimum": lambda bound: not is_of(["integer"], value) or value >= bound,
        "maximum": lambda bound: not is_of(["integer"], value) or value <= bound,
        "minItems": lambda bound: not isinstance(value, list) or len(value) >= bound,
        "maxItems": lambda bound: not isinstance(value, list) or len(value) <= bound,
        "minLength": lambda bound: not isinstance(value, str) or len(value) >= bound,
        "maxLength": lambda bound: not isinstance(value, str) or len(value) <= bound,
        "pattern": lambda form: not isinstance(value, str) or re.search(re.sub(r"\$$", r"\\Z", form), value),
        "required": lambda names: not isinstance(value, dict) or set(names) <= value.keys(),
        "additionalProperties": lambda _: not isinstance(value, dict) or value.keys() <= schema["properties"].keys(),
    }
    found = {
        path
        for keyword, given in schema.items()
        if keyword not in IN_PARTS | ANNOTATIONS and not checks[keyword](given)
    }
    if isinstance(value, list):
        found |= {
            at for number, each in enumerate(value) for at in faults(schema.get("items", {}), each, (*path, number))
        }
    if isinstance(value, dict):
        for name in value.keys() & schema.get("properties", {}).keys():
            found |= faults(schema["properties"][name], value[name], (*path, name))
    return found


IN_PARTS = {"items", "properties"}
ANNOTATIONS = {"$schema", "title", "description"}


def is_of(types: Sequence[str], value: Json) -> bool:
    """JSON Schema: 5.0 is an integer; true is none."""
    if isinstance(value, bool):
        return False
    if isinstance(value, float):
        return "integer" in types and value.is_integer()
    return any(isinstance(value, TYPES[each]) for each in types)


def of_schema(schema: Mapping[str, Any]) -> st.SearchStrategy[Json]:
    """Values that the schema accepts, except for ``not``; any value where it says nothing."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    types = schema.get("type", [])
    return st.one_of([of_type(each, schema) for each in ([types] if isinstance(types, str) else types)] or [ANY])


def of_type(name: str, schema: Mapping[str, Any]) -> st.SearchStrategy[Json]:
    match name:
        case "object":
            members = {member: of_schema(each) for member, each in schema["properties"].items()}
            required = {member: members.pop(member) for member in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=members)
        case "array":
            return st.lists(of_schema(schema["items"]), min_size=schema["minItems"], max_size=5)
        case "string" if "pattern" in schema:
            return st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=200)
        case "string":
            return st.text(max_size=schema.get("maxLength"))
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case _:
            return st.none()


SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANY = st.recursive(SCALAR, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=5)
NEAR = st.sampled_from([".", "..", "", " ", "a\n", "a" * 201, "x" * 129, "x" * 1001, 0, 10_081, 5.0, 5.5, True, [], {}])
"""Just beyond a bound, or of a type that is easily taken for another."""
NAMES = st.sampled_from([*SCHEMA["properties"], "name", "values", "exportId", "context"]) | st.text(max_size=70)


@st.composite
def changed(draw: st.DrawFn) -> Json:
    """An input that the schema accepts, then changed at up to three places."""
    document = draw(of_schema(SCHEMA))
    for _ in range(draw(st.integers(0, 3))):
        document = draw(changed_once(document))
    return document


@st.composite
def changed_once(draw: st.DrawFn, value: Json) -> Json:
    """``value`` with another element, member or value somewhere in it."""
    if isinstance(value, dict | list) and value and draw(st.booleans()):
        keys: Sequence[Any] = sorted(value) if isinstance(value, dict) else range(len(value))
        key = draw(st.sampled_from(keys))
        copy: Json = dict(value) if isinstance(value, dict) else list(value)
        if draw(st.integers(0, 4)):
            copy[key] = draw(changed_once(copy[key]))
        else:
            del copy[key]
        return copy
    if isinstance(value, dict) and draw(st.booleans()):
        return {**value, draw(NAMES): draw(NEAR | ANY)}
    if isinstance(value, list) and draw(st.booleans()):
        return [*value, draw(NEAR | ANY)]
    return draw(NEAR | ANY)


def result(document: Json) -> Any:
    try:
        return read_run({"Name": "run-1", "StartTime": "2026-11-23T10:00:00.123Z", "Input": document}, SETTINGS)
    except InvalidInput as error:
        return str(error)


def is_unicode(value: Json) -> bool:
    """Half of a surrogate pair has no form in JSON, and so no place in a schema."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def used(document: Json) -> Json:
    """What counts of an input: without what is ignored, and each ID once, as the schema has no other way to say it."""
    if not isinstance(document, dict):
        return document
    counted = {name: value for name, value in document.items() if name not in IGNORED}
    if isinstance(counted.get("exportIds"), list):
        counted["exportIds"] = [json.loads(each) for each in dict.fromkeys(map(json.dumps, counted["exportIds"]))]
    return counted


@given(changed())
def test_bad_input_42_43_a_run_accepts_what_the_schema_accepts(document: Json) -> None:
    wrong = faults(SCHEMA, used(document))
    parsed = result(document)

    if wrong or not is_unicode(used(document)):
        assert isinstance(parsed, str)
        assert len(parsed) <= MAX_MESSAGE_LENGTH
        assert all(named(path) in parsed for path in sorted(wrong, key=str)[:1]) or "more" in parsed
        return
    assert not isinstance(parsed, str), parsed
    kept = {name: value for name, value in used(document).items() if value is not None}
    assert list(parsed.export_ids) == kept.get("exportIds", [])
    assert list(parsed.filters) == kept.get("filters", [])
    assert parsed.correlation_id == kept.get("correlationId")
    assert parsed.on_failure == kept.get("onFailure", "fail" if "exportIds" in kept else "report")
    minutes = kept.get("deadlineMinutes", 720 if {"exportIds", "filters"} & kept.keys() else 55)
    assert (parsed.deadline - parsed.started_at).total_seconds() == minutes * 60


def named(path: Path_) -> str:
    """As a message names it: ``filters[0].values``."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return text.removeprefix(".") or "input"


@pytest.mark.parametrize("document", [None, [], "x", 3, True, {"exportIds": []}, {"filters": []}])
def test_an_input_that_is_no_object_or_has_an_empty_list_is_refused_by_both(document: Json) -> None:
    assert faults(SCHEMA, document)
    assert isinstance(result(document), str)


@given(ANY)
def test_any_input_is_accepted_by_both_or_by_none(document: Json) -> None:
    accepted = not faults(SCHEMA, used(document)) and is_unicode(used(document))

    assert isinstance(result(document), str) is not accepted
