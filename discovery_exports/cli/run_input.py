"""The input of a run, checked before a run is started. Patterns and limits are those of the published JSON Schema."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from discovery_exports.cli.failures import Misused
from discovery_exports.locations import FUNCTIONS


def inputs_for_ids(export_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The inputs of as many runs as these IDs need. Raises Misused if one is not valid."""
    ids = [valid_export_id(each) for each in dict.fromkeys(export_ids)]
    limit = _members()["exportIds"]["maxItems"]
    for first in range(0, len(ids), limit):
        yield {"exportIds": ids[first : first + limit], "onFailure": "report"}


def input_for_agents(agents: Sequence[str]) -> dict[str, Any]:
    """The input of a run for all exports of these agents. Raises Misused if an ID is not valid."""
    return {"filters": [agents_filter(checked_agents(agents))], "onFailure": "report"}


def checked_agents(agents: Sequence[str]) -> Sequence[str]:
    rule = _members()["filters"]["items"]["properties"]["values"]["items"]
    for agent in agents:
        if len(agent) > rule["maxLength"] or not re.fullmatch(rule["pattern"], agent):
            raise Misused(f"{agent!r} is not an agent ID: it is empty, or contains spaces or control characters.")
    return agents


def agents_filter(agents: Sequence[str]) -> dict[str, Any]:
    """The filter, as DescribeExportTasks takes it."""
    return {"name": "agentIds", "condition": "EQUALS", "values": list(dict.fromkeys(agents))}


def valid_export_id(text: str) -> str:
    """``text``, if it may be the ID of an export. Raises Misused."""
    rule = _members()["exportIds"]["items"]
    if re.fullmatch(rule["pattern"], text) and text not in rule["not"]["enum"]:
        return text
    raise Misused(f"{text!r} is not an export ID. IDs have 1 to 200 letters, digits, dots, hyphens and underscores.")


@cache
def _members() -> Any:
    schema = FUNCTIONS / "exports" / "workflow" / "run_input.schema.json"
    return json.loads(schema.read_text("utf-8"))["properties"]
