"""Agents as the service lists them, and the requests and refusals of exports."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from exports.collecting.setting import Kind
from exports.errors import ExportsError, ServiceError


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as DescribeAgents describes it. Of a deleted one, only the id is known, from the list of servers."""

    id: str
    type: str = ""
    host_name: str = ""
    health: str = ""
    collection_status: str = ""
    registered_at: datetime | None = None
    last_ping_at: datetime | None = None

    @property
    def has_exports(self) -> bool:
        """Connectors and collectors have data of many servers, which only the summary exports."""
        kind = self.type.lower()
        return "connector" not in kind and "collector" not in kind


@dataclass(frozen=True, slots=True)
class Request:
    """A StartExportTask request. Agent exports have an agent and a range, recommendations have preferences."""

    kind: Kind
    agent_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    preferences: Mapping[str, Any] | None = None


class StartFailed(ExportsError):
    """StartExportTask gave no export. Each subclass says what to do."""


class SlotsTaken(StartFailed):
    """As many exports are in progress as the account may have, perhaps those of others. The next tick tries again."""


class AlreadyPresent(StartFailed):
    """The service names an export that exists already."""

    def __init__(self, export_id: str) -> None:
        super().__init__(export_id)
        self.export_id = export_id


class LimitReached(StartFailed):
    """The service refuses starts and does not say for how long. The message is its text, redacted."""


class RequestRefused(StartFailed):
    """The service does not accept the request; the message is the error code."""


class OutcomeUnknown(StartFailed, ServiceError):
    """The call failed, and may have started an export."""


class StartingService(Protocol):
    """What a tick needs of :class:`exports.collecting.service.AgentService`."""

    def agents(self, has_time: Callable[[], bool]) -> tuple[Sequence[Agent], bool]: ...
    def server_agent_ids(self, has_time: Callable[[], bool]) -> tuple[Sequence[str], bool]: ...
    def start(self, request: Request) -> str: ...
