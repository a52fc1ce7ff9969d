"""Reads the parameters of the two operations. The service model has already validated their members."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from local.double.data.contents import Kind
from local.double.protocol import ServiceException
from local.double.scenario import Addition
from local.double.tasks import Task

Parameters = Mapping[str, Any]
MAX_EXPORTS = 100
"""Maximum number of ids in a DescribeExportTasks call, and of exports in its response."""

LAST_SECOND = 4_102_444_800
"""The first second of the year 2100."""


def read_json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError:
        raise ServiceException("SerializationException", "The request is not JSON") from None


def requested_export(parameters: Parameters) -> Addition:
    """The export that a StartExportTask call requests. Start and end apply to agent exports only."""
    recommend = parameters.get("preferences", {}).get("ec2RecommendationsPreferences", {}).get("enabled", False)
    agents = _agents(parameters.get("filters", []))
    if agents and recommend:
        raise ServiceException("InvalidParameterException", "filters and preferences exclude each other")
    if not agents:
        return Addition(kind=Kind.EC2_RECOMMENDATIONS if recommend else Kind.SUMMARY)
    if len(agents) != 1:
        raise ServiceException("InvalidParameterValueException", "filters: exactly one agentId is supported")
    start, end = parameters.get("startTime"), parameters.get("endTime")
    for time in (start, end):
        if time is not None and not 0 <= time < LAST_SECOND:
            raise ServiceException(
                "InvalidParameterValueException", "startTime or endTime: not a time between 1970 and 2100"
            )
    if start is not None and end is not None and start >= end:
        raise ServiceException("InvalidParameterValueException", "startTime: not before endTime")
    return Addition(kind=Kind.AGENT, agent_id=agents[0], requested_start=start, requested_end=end)


def _agents(filters: Sequence[Parameters]) -> list[str]:
    """The values of all filters. Raises ServiceException for another name or condition than the supported one."""
    for one in filters:
        if one["name"] != "agentIds":
            raise ServiceException("InvalidParameterValueException", f"filters: unsupported name {one['name']!r}")
        if one["condition"] != "EQUALS":
            raise ServiceException(
                "InvalidParameterValueException", f"filters: unsupported condition {one['condition']!r}"
            )
        if not one["values"]:
            raise ServiceException("InvalidParameterValueException", "filters: no values")
    return [value for one in filters for value in one["values"]]


def query_of(parameters: Parameters) -> tuple[dict[str, Any], tuple[bytes, str] | None]:
    """Ids and filters, and the position to continue at. A token contains its query; a request can repeat it unchanged.

    Empty lists select all exports, like missing ones. The API reference leaves this open; this is the stricter reading.
    """
    query = {name: parameters[name] for name in ("exportIds", "filters") if parameters.get(name)}
    if len(query.get("exportIds", [])) > MAX_EXPORTS:
        raise ServiceException("InvalidParameterValueException", f"exportIds: more than {MAX_EXPORTS}")
    _agents(query.get("filters", []))
    if "nextToken" not in parameters:
        return query, None
    try:
        first, digest, export_id = json.loads(base64.urlsafe_b64decode(parameters["nextToken"]))
        position = bytes.fromhex(digest), str(export_id)
    except (ValueError, TypeError):
        raise ServiceException("InvalidParameterValueException", "nextToken: invalid") from None
    if query and query != first:
        raise ServiceException("InvalidParameterValueException", "nextToken: belongs to another request")
    return first, position


def token_after(last: Task, query: Parameters) -> str:
    digest, export_id = last.position
    return base64.urlsafe_b64encode(json.dumps([query, digest.hex(), export_id]).encode()).decode()
