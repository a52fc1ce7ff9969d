"""The published schemas of events, which every event of unit tests and of the local AWS must follow."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema

from exports.outcomes.events import NOT_FOUND_EVENT

OUTCOMES = Path(__file__).parents[1] / "functions" / "exports" / "outcomes"


def _validator(name: str) -> Callable[[Any], object]:
    validator: Callable[[Any], object] = fastjsonschema.compile(json.loads((OUTCOMES / name).read_text("utf-8")))
    return validator


_of_export, _of_run = _validator("export_event.schema.json"), _validator("not_found_event.schema.json")
_of_agent = _validator("coverage_event.schema.json")


def validate_event(event: Any) -> None:
    """Raises JsonSchemaException for an event, as EventBridge delivers it, that violates its schema."""
    others = {NOT_FOUND_EVENT: _of_run, "Agent Covered": _of_agent, "Coverage Gap": _of_agent}
    others.get(event["detail-type"], _of_export)(event)
