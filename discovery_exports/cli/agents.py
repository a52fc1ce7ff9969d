"""The agents that Application Discovery Service lists, for ``plan`` and ``start``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from discovery_exports.cli.context import Context
from discovery_exports.cli.failures import Misused, failure_behind

if TYPE_CHECKING:
    from exports.collecting.agents import Agent


def listed_agents(context: Context, if_refused: str) -> Mapping[str, "Agent"]:
    """The agents by ID, connectors and collectors included, and deleted ones that the list of servers names.

    ``if_refused`` is the end of the message if they cannot be read.
    """
    from exports.collecting.agents import Agent
    from exports.collecting.service import START_CONFIG, AgentService
    from exports.errors import ExportsError
    from exports.retry import RetryPolicy

    service = AgentService(
        context.client("discovery", config=START_CONFIG), RetryPolicy(attempts=4, sleep=context.sleep)
    )
    try:
        agents, _ = service.agents(lambda: True)
        deleted, _ = service.server_agent_ids(lambda: True)
    except ExportsError as error:
        failure = failure_behind(error)
        raise type(failure)(f"{failure} {if_refused}") from None
    return {each.id: each for each in (*map(Agent, deleted), *agents)}


def listed_agent(agents: Mapping[str, "Agent"], agent_id: str) -> "Agent":
    """Raises Misused if the service does not list the agent."""
    if agent_id not in agents:
        raise Misused(f"The service lists no agent {agent_id}. Check the ID, --region and --profile.")
    return agents[agent_id]
