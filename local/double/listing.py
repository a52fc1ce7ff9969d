"""DescribeAgents and ListConfigurations: filters, order and pages."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import dropwhile
from typing import Any

from .agents import Agents
from .protocol import ServiceException
from .requests import MAX_EXPORTS, Parameters, page_size, query_of, token_after

Item = Mapping[str, Any]
CONDITIONS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "EQUALS": lambda value, wanted: value in wanted,
    "NOT_EQUALS": lambda value, wanted: value not in wanted,
    "CONTAINS": lambda value, wanted: any(text in value for text in wanted),
    "NOT_CONTAINS": lambda value, wanted: not any(text in value for text in wanted),
}
AGENT_FIELDS = ("agentId", "agentType", "collectionStatus", "connectorId", "health", "hostName", "version")
"""Names of filters of DescribeAgents. The API reference names ``collectionStatus`` only."""
SERVER_FIELDS = (
    "server.agentId",
    "server.configurationId",
    "server.cpuType",
    "server.hostName",
    "server.hypervisor",
    "server.osName",
    "server.osVersion",
    "server.smBiosId",
    "server.source",
    "server.timeOfCreation",
    "server.type",
)


def describe_agents(agents: Agents, parameters: Parameters, *, now: float, max_items: int) -> dict[str, Any]:
    query, last = query_of(parameters, "agentIds", "filters")
    infos = _matching(agents.infos(now), query.get("filters", []), AGENT_FIELDS)
    if ids := query.get("agentIds"):
        infos = [info for info in infos if info["agentId"] in ids]
    return _page("agentsInfo", infos, "agentId", query, last, _documented_size(parameters, max_items))


def list_configurations(agents: Agents, parameters: Parameters, *, max_items: int) -> dict[str, Any]:
    if parameters["configurationType"] != "SERVER":
        raise ServiceException("InvalidParameterValueException", "configurationType: the double has SERVER only")
    query, last = query_of(parameters, "configurationType", "filters", "orderBy")
    servers = _matching(agents.configurations(), query.get("filters", []), SERVER_FIELDS)
    servers = _ordered(servers, query.get("orderBy", []))
    size = _documented_size(parameters, max_items)
    return _page("configurations", servers, "server.configurationId", query, last, size)


def _matching(items: Sequence[Item], filters: Sequence[Item], names: Collection[str]) -> list[Item]:
    """The items that all filters select; one of the values of a filter is enough."""
    for each in filters:
        if each["name"] not in names:
            raise ServiceException("InvalidParameterValueException", f"filters: unsupported name {each['name']!r}")
        if each["condition"] not in CONDITIONS:
            raise ServiceException(
                "InvalidParameterValueException", f"filters: unsupported condition {each['condition']!r}"
            )
        if not each["values"]:
            raise ServiceException("InvalidParameterValueException", "filters: no values")
    return [
        item
        for item in items
        if all(CONDITIONS[each["condition"]](item.get(each["name"], ""), each["values"]) for each in filters)
    ]


def _ordered(servers: Sequence[Item], order_by: Sequence[Item]) -> list[Item]:
    """The servers by the fields of ``orderBy``, the first field first."""
    result = list(servers)
    for each in reversed(order_by):
        if each["fieldName"] not in SERVER_FIELDS:
            raise ServiceException("InvalidParameterValueException", f"orderBy: unsupported {each['fieldName']!r}")
        result.sort(key=lambda item: str(item[each["fieldName"]]), reverse=each.get("sortOrder") == "DESC")
    return result


def _documented_size(parameters: Parameters, max_items: int) -> int:
    """``maxResults``, which is documented to be at most 100, but no more than ``max_items``."""
    if parameters.get("maxResults", 0) > MAX_EXPORTS:
        raise ServiceException("InvalidParameterValueException", f"maxResults: more than {MAX_EXPORTS}")
    return page_size(parameters, max_items)


def _page(name: str, items: Sequence[Item], key: str, query: Parameters, last: str | None, size: int) -> dict[str, Any]:
    """At most ``size`` items after that with the key ``last``, with a token if there are more."""
    rest = list(items) if last is None else list(dropwhile(lambda item: item[key] != last, items))[1:]
    page = rest[:size]
    return {name: page, **({"nextToken": token_after(page[-1][key], query)} if len(rest) > size else {})}
