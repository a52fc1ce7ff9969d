"""The agents, connectors and collectors of the account, as DescribeAgents and ListConfigurations return them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast

from botocore.model import StringShape
from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic.dataclasses import dataclass

from .data.data_center import DataCenter, Server
from .data.samples import LATEST, History, time_text
from .protocol import ServiceException, service_model
from .scenario import KNOWN_MEMBERS, Scenario

PING_SECONDS = 900
"""An agent reports its health every 15 minutes."""
HEALTH = tuple(cast(StringShape, service_model().shape_for("AgentStatus")).enum)
REGISTERED = (LATEST - timedelta(days=90)).timestamp()


def health_of_the_model(text: str) -> str:
    """The value of ``AgentStatus``. Raises ValueError."""
    if text not in HEALTH:
        raise ValueError(f"not one of {', '.join(HEALTH)}")
    return text


@dataclass(frozen=True, slots=True, config=KNOWN_MEMBERS)
class Agent:
    """An agent, connector or collector. Each runs on a server of its own. Times are seconds since the epoch.

    Response to DescribeAgents:

    - ``type``: EC2 or OTHER. One with CONNECTOR or COLLECTOR in its type has no server and no agent exports.
    - ``health``: HEALTHY, UNHEALTHY, RUNNING, UNKNOWN, BLACKLISTED or SHUTDOWN.
    - ``collection_status``: STARTED, STOPPED, START_SCHEDULED, STOP_SCHEDULED, or any other text.
    - ``registered``: the registration, the start of its data. null: DescribeAgents has no registeredTime.
    - ``last_ping``: the last report of its health, the end of its data. "now": it reports every 15 minutes. null: it
      never did, and has no data.
    - ``deleted``: DescribeAgents does not return it. ListConfigurations does, and it still has agent exports.

    Agent exports:

    - ``sample_seconds``: seconds between two samples of its data. 0: exports have the ``rows`` of their scenario in
      any range. Else the rows depend on the agent and the time alone.
    - ``gaps``: ranges [start, end] without data.
    - ``max_samples``: an export of more samples is truncated after them. null: none is.
    - ``max_window_seconds``: an export of a longer range is truncated before its first sample. null: none is.
    - ``scenario``: the scenario of its exports, if no scenario in ``next`` is left.
    """

    type: str = "OTHER"
    health: Annotated[str, AfterValidator(health_of_the_model)] = "RUNNING"
    collection_status: str = "STARTED"
    registered: float | None = REGISTERED
    last_ping: float | Literal["now"] | None = "now"
    deleted: bool = False
    sample_seconds: NonNegativeInt = 0
    gaps: list[tuple[float, float]] = Field(default_factory=list)
    max_samples: PositiveInt | None = None
    max_window_seconds: NonNegativeFloat | None = None
    scenario: Scenario | None = None

    @property
    def has_exports(self) -> bool:
        return not any(word in self.type.upper() for word in ("CONNECTOR", "COLLECTOR"))


def usual_agents(data_center: DataCenter) -> list[Agent]:
    """An agent on each server, with every health and status among them, and a connector and a collector."""
    agents = [
        Agent(
            type=("EC2", "OTHER")[number % 2],
            health=(*HEALTH[2:3], *HEALTH)[number % (len(HEALTH) + 1)],
            collection_status=("STARTED", "STARTED", "STOPPED")[number % 3],
        )
        for number in range(data_center.size)
    ]
    if data_center.size > 2:
        agents[-2] = replace(agents[-2], health="UNKNOWN", registered=None, last_ping=None)
        agents[-1] = replace(agents[-1], health="SHUTDOWN", last_ping=LATEST.timestamp(), deleted=True)
    return [*agents, Agent(type="AGENTLESS_CONNECTOR", health="HEALTHY"), Agent(type="AGENTLESS_COLLECTOR")]


class Agents:
    """The agents, connectors and collectors. Agent ``number`` runs on the server of this index."""

    def __init__(self, data_center: DataCenter) -> None:
        self._data_center = data_center
        self.set(usual_agents(data_center))

    def set(self, agents: Sequence[Agent]) -> list[str]:
        """Replace all agents, and return the ids of the new ones."""
        self._servers = {
            server.agent_id: (agent, server)
            for number, agent in enumerate(agents)
            for server in [self._data_center.server(number)]
        }
        return list(self._servers)

    def reset(self) -> None:
        self.set(usual_agents(self._data_center))

    def ids(self, *, with_exports: bool) -> list[str]:
        """The ids of the agents, or those of the connectors and collectors."""
        return [agent_id for agent_id, (agent, _) in self._servers.items() if agent.has_exports is with_exports]

    def scenario(self, agent_id: str) -> Scenario | None:
        """The scenario of the exports of the agent, if it has its own. Refuses connectors and collectors."""
        agent, _ = self._servers.get(agent_id, (Agent(), None))
        if not agent.has_exports:
            raise ServiceException("InvalidParameterValueException", f"filters: {agent_id!r} is not an agent")
        return agent.scenario

    def history(self, agent_id: str, until: float) -> History | None:
        """The data of the agent up to the time ``until``, or None if its exports have the rows of their scenario."""
        agent, _ = self._servers.get(agent_id, (Agent(), None))
        if not agent.sample_seconds:
            return None
        start = agent.registered or 0.0
        return History(
            start=start,
            end=min(until, _last_data(agent, until)),
            every=agent.sample_seconds,
            gaps=tuple(agent.gaps),
            max_samples=agent.max_samples,
            max_window=agent.max_window_seconds,
        )

    def infos(self, now: float) -> list[dict[str, Any]]:
        """The items of a response to DescribeAgents."""
        return [_info(agent, server, now) for agent, server in self._servers.values() if not agent.deleted]

    def configurations(self) -> list[dict[str, str]]:
        """The items of a response to ListConfigurations: the servers of all agents, deleted ones included."""
        return [_configuration(agent, server) for agent, server in self._servers.values() if agent.has_exports]


def _last_data(agent: Agent, until: float) -> float:
    match agent.last_ping:
        case None:
            return -1.0
        case "now":
            return until
        case seconds:
            return seconds


def _info(agent: Agent, server: Server, now: float) -> dict[str, Any]:
    pinged = now // PING_SECONDS * PING_SECONDS if agent.last_ping == "now" else agent.last_ping
    times = {"registeredTime": agent.registered, "lastHealthPingTime": pinged}
    return {
        "agentId": server.agent_id,
        "hostName": server.host_name,
        "agentNetworkInfoList": [{"ipAddress": server.ip, "macAddress": server.mac}],
        "version": "2.0.1000.0",
        "health": agent.health,
        "collectionStatus": agent.collection_status,
        "agentType": agent.type,
        **{name: _time(seconds) for name, seconds in times.items() if seconds is not None},
    }


def _configuration(agent: Agent, server: Server) -> dict[str, str]:
    return {
        "server.agentId": server.agent_id,
        "server.configurationId": server.id,
        "server.cpuType": server.cpu_type,
        "server.hostName": server.host_name,
        "server.hypervisor": server.hypervisor,
        "server.osName": server.os_name,
        "server.osVersion": server.os_version,
        "server.smBiosId": server.smbios_id,
        "server.source": "Agent",
        "server.timeOfCreation": f"{time_text(server.created_at)}.0",
        "server.type": agent.type,
    }


def _time(seconds: float) -> str:
    """As DescribeAgents gives times: ``2016-12-09T19:05:06Z``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
