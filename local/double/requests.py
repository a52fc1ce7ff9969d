"""Reads the parameters of the operations. The service model has already validated their members."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .data.contents import Kind
from .protocol import ServiceException
from .scenario import Addition

Parameters = Mapping[str, Any]
MAX_EXPORTS = 100
"""Maximum number of ids in a DescribeExportTasks call, and of items in any page."""

LAST_SECOND = 4_102_444_800
"""The first second of the year 2100."""


def read_json(body: bytes) -> Any:
    try:
        return json.loads(body or b"{}")
    except ValueError:
        raise ServiceException("SerializationException", "The request is not JSON") from None


def requested_export(parameters: Parameters) -> Addition:
    """The export that a StartExportTask call requests. Start and end apply to agent exports only."""
    preferences = parameters.get("preferences", {}).get("ec2RecommendationsPreferences", {})
    recommend = preferences.get("enabled", False)
    agents = _agents(parameters.get("filters", []))
    if agents and recommend:
        raise ServiceException("InvalidParameterException", "filters and preferences exclude each other")
    if recommend:
        return Addition(kind=Kind.EC2_RECOMMENDATIONS, preferences=dict(preferences))
    if not agents:
        return Addition(kind=Kind.SUMMARY)
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


def exports_query(parameters: Parameters) -> tuple[dict[str, Any], str | None]:
    """Ids and filters of a DescribeExportTasks call, and the id of the last export of the page before.

    Empty lists select all exports, like missing ones. The API reference leaves this open; this is the stricter reading.
    """
    if len(parameters.get("exportIds", [])) > MAX_EXPORTS:
        raise ServiceException("InvalidParameterValueException", f"exportIds: more than {MAX_EXPORTS}")
    _agents(parameters.get("filters", []))
    return query_of(parameters, "exportIds", "filters")


def query_of(parameters: Parameters, *names: str) -> tuple[dict[str, Any], str | None]:
    """The named parameters, and the id of the last item of the page before.

    A token contains its query; a request can repeat it unchanged.
    """
    query = {name: parameters[name] for name in names if parameters.get(name)}
    if "nextToken" not in parameters:
        return query, None
    try:
        first, last = json.loads(base64.urlsafe_b64decode(parameters["nextToken"]))
        first, last = dict(first), str(last)
    except (ValueError, TypeError):
        raise ServiceException("InvalidParameterValueException", "nextToken: invalid") from None
    if query and query != first:
        raise ServiceException("InvalidParameterValueException", "nextToken: belongs to another request")
    return first, last


def token_after(last: str, query: Parameters) -> str:
    """The token of the page after the item with the id ``last``."""
    return base64.urlsafe_b64encode(json.dumps([query, last]).encode()).decode()


def page_size(parameters: Parameters, maximum: int) -> int:
    """``maxResults``, but at most ``maximum``."""
    size = parameters.get("maxResults", maximum)
    if size < 1:
        raise ServiceException("InvalidParameterValueException", "maxResults: less than 1")
    return int(min(size, maximum))
