"""The setting ``collect``: what is to be exported."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal


class Kind(StrEnum):
    """What an export is requested for. The values are those of :class:`exports.model.Kind`."""

    SUMMARY = "summary"
    AGENT = "agent"
    RECOMMENDATIONS = "ec2-recommendations"


Order = Literal["newest-first", "oldest-first"]


@dataclass(frozen=True, slots=True)
class AgentsSetting:
    """The agents to export, all if ``ids`` is None, and from when on; None: from the registration of each."""

    ids: frozenset[str] | None = None
    since: datetime | None = None
    order: Order = "newest-first"


@dataclass(frozen=True, slots=True)
class CollectSetting:
    """``recommendations`` has the preferences of the API, without ``enabled``; None: no recommendations."""

    summary: bool = False
    recommendations: Mapping[str, Any] | None = None
    agents: AgentsSetting | None = None
    max_starts_per_day: int | None = None

    def has(self, kind: Kind) -> bool:
        """Whether exports of the kind are started."""
        on = {
            Kind.SUMMARY: self.summary,
            Kind.AGENT: self.agents is not None,
            Kind.RECOMMENDATIONS: self.recommendations is not None,
        }
        return on[kind]


def read_collect(document: Mapping[str, Any]) -> CollectSetting:
    """The setting as the state machine of the collector passes it: validated, and perhaps without the schedules."""
    recommendations, agents = document.get("recommendations"), document.get("agents")
    return CollectSetting(
        summary=document.get("summary") is not None,
        recommendations=None if recommendations is None else recommendations.get("preferences") or {},
        agents=None if agents is None else _agents(agents),
        max_starts_per_day=document.get("maxStartsPerDay"),
    )


def _agents(document: Mapping[str, Any]) -> AgentsSetting:
    ids, since = document.get("ids", "all"), document.get("since")
    return AgentsSetting(
        ids=None if ids == "all" else frozenset(ids),
        since=datetime.fromisoformat(since).replace(tzinfo=UTC) if since else None,
        order=document.get("order") or "newest-first",
    )
