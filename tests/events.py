"""The published schema of events, which every event has to keep to: made in a unit test or caught on the local AWS."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastjsonschema

SCHEMA = Path(__file__).parents[1] / "functions" / "exports" / "outcomes" / "export_event.schema.json"
keeps_to_schema: Callable[[Any], object] = fastjsonschema.compile(json.loads(SCHEMA.read_text("utf-8")))
"""Raises JsonSchemaException for an event, as EventBridge delivers it, that breaks the schema."""
