"""The published schema of events, which every event of unit tests and of the local AWS must follow."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema

SCHEMA = Path(__file__).parents[1] / "functions" / "exports" / "outcomes" / "export_event.schema.json"
validate_event: Callable[[Any], object] = fastjsonschema.compile(json.loads(SCHEMA.read_text("utf-8")))
"""Raises JsonSchemaException for an event, as EventBridge delivers it, that violates the schema."""
