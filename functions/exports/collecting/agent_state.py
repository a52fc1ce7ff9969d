"""What is known of an agent: an item of the collecting table, and which of its times are to be exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from exports.aws.error_codes import INVALID_REQUEST, canonical
from exports.collecting.agents import Agent
from exports.collecting.ranges import TimeRange, normalized, subtract, whole_second
from exports.model import optional_time, optional_utc_text, utc_text

MAX_WINDOW = timedelta(hours=72)
"""The longest range of an agent export: https://docs.aws.amazon.com/application-discovery/latest/userguide/export-data.html"""
MIN_WINDOW = timedelta(minutes=15)
"""The shortest range that is tried where exports are truncated: the interval in which agents send data."""
DATA_DELAY = timedelta(minutes=30)
"""Agents send data every 15 minutes, which appears about 15 minutes later. Nothing newer can be complete."""
FRESH = timedelta(hours=24)
"""An agent that was heard of within this time still sends data. The newest data waits until it is that of a day."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A StartExportTask request that is made or about to be, until its export is settled: written before the call.

    ``start`` is None in a request without a start time. Of a summary or recommendations, ``end`` is the time since when
    it is due. ``export_id`` is None until the response is recorded. ``adopted`` is the range of an export that existed
    already, if it is not the requested one; ``(None, None)`` if the service does not say. ``handed_at`` is when the
    export was last handed over to a run.
    """

    start: datetime | None
    end: datetime
    intent_at: datetime
    export_id: str | None = None
    adopted: tuple[datetime | None, datetime | None] | None = None
    handed_at: datetime | None = None

    @property
    def range(self) -> TimeRange | None:
        return TimeRange(self.start, self.end) if self.start else None

    def to_json(self) -> dict[str, Any]:
        adopted = [optional_utc_text(each) for each in self.adopted] if self.adopted else None
        members = {
            "from": optional_utc_text(self.start),
            "to": utc_text(self.end),
            "intentAt": utc_text(self.intent_at),
            "exportId": self.export_id,
            "adopted": adopted,
            "handedAt": optional_utc_text(self.handed_at),
        }
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "PendingRequest":
        adopted = document.get("adopted")
        return cls(
            start=optional_time(document.get("from")),
            end=datetime.fromisoformat(document["to"]),
            intent_at=datetime.fromisoformat(document["intentAt"]),
            export_id=document.get("exportId"),
            adopted=(optional_time(adopted[0]), optional_time(adopted[1])) if adopted else None,
            handed_at=optional_time(document.get("handedAt")),
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """A range that is given up, and why. ``announced``: its event is published."""

    range: TimeRange
    reason: str
    announced: bool = False

    def to_json(self) -> dict[str, Any]:
        start, end = self.range.to_json()
        return {"from": start, "to": end, "reason": self.reason, "announced": self.announced}


@dataclass(frozen=True, slots=True)
class Stopped:
    """No export of the agent is requested: the service refuses the request, or its exports keep failing."""

    reason: str
    at: datetime

    @property
    def is_refusal(self) -> bool:
        """Whether the reason is the error code of a request, and not what became of exports."""
        return canonical(self.reason) in INVALID_REQUEST


@dataclass(frozen=True, slots=True)
class AgentState:
    """An agent and what is stored of it.

    ``seen_at`` is when it was first listed. ``first_data_at`` is known after an export without a start time: nothing is
    older. ``window`` is the length of the next range. ``failures`` counts failed exports of the next range,
    ``failed_in_a_row`` those since the last stored one and failed starts, and ``tried`` has the exports since then.
    ``end_shift`` seconds are added to the end of the next range. ``selected``: the setting has the agent. ``listed``:
    DescribeAgents has listed it at least once. ``version`` grows with each write of the item.
    """

    agent_id: str
    seen_at: datetime
    version: int = 0
    host_name: str = ""
    health: str = ""
    collection_status: str = ""
    registered_at: datetime | None = None
    last_ping_at: datetime | None = None
    first_data_at: datetime | None = None
    covered: tuple[TimeRange, ...] = ()
    gaps: tuple[Gap, ...] = ()
    window: timedelta = MAX_WINDOW
    failures: int = 0
    failed_in_a_row: int = 0
    end_shift: int = 0
    tried: tuple[str, ...] = ()
    pending: PendingRequest | None = None
    stopped: Stopped | None = None
    announced_covered: bool = False
    selected: bool = True
    listed: bool = True

    def described_by(self, agent: Agent) -> "AgentState":
        """The state with what DescribeAgents says of the agent now. A known time stays known."""
        return replace(
            self,
            host_name=agent.host_name,
            health=agent.health,
            collection_status=agent.collection_status,
            registered_at=agent.registered_at or self.registered_at,
            last_ping_at=agent.last_ping_at or self.last_ping_at,
            listed=True,
        )

    def wanted_start(self, since: datetime | None) -> datetime | None:
        """The first moment to export; None if it is not known."""
        known = [each for each in (self.registered_at, self.first_data_at, since) if each]
        return whole_second(max(known)) if known else None

    def wanted_end(self, now: datetime) -> datetime:
        """The last moment that can be complete. Of an agent that never sent a ping, it does not move."""
        return whole_second(min(self.last_ping_at or self.seen_at - DATA_DELAY, now - DATA_DELAY))

    def wanted(self, since: datetime | None, now: datetime) -> TimeRange | None:
        """The times to export; None if their start is not known."""
        start, end = self.wanted_start(since), self.wanted_end(now)
        return TimeRange(start, max(start, end)) if start else None

    def is_fresh(self, now: datetime) -> bool:
        return self.last_ping_at is not None and now - self.last_ping_at < FRESH

    def uncovered(self, wanted: TimeRange) -> tuple[TimeRange, ...]:
        """What is neither stored nor given up."""
        return subtract(wanted, [*self.covered, *(gap.range for gap in self.gaps)])

    def due(self, wanted: TimeRange, now: datetime) -> tuple[TimeRange, ...]:
        """What is to be exported now, in order of time.

        The newest data of an agent that still sends some waits until it fills a window, or a day if it is all that is
        missing. Otherwise, each turn of the agent would go to the minutes since its last one, and never to its history.
        """
        ranges = self.uncovered(wanted)
        if not ranges or ranges[-1].end < wanted.end or not self.is_fresh(now):
            return ranges
        enough = FRESH if len(ranges) == 1 else MAX_WINDOW
        return ranges if ranges[-1].length >= enough else ranges[:-1]

    def to_json(self) -> dict[str, Any]:
        """The item without its version. Members without a value are omitted."""
        stopped = {"reason": self.stopped.reason, "at": utc_text(self.stopped.at)} if self.stopped else None
        members: dict[str, Any] = {
            "agentId": self.agent_id,
            "seenAt": utc_text(self.seen_at),
            "hostName": self.host_name,
            "health": self.health,
            "collectionStatus": self.collection_status,
            "registeredAt": optional_utc_text(self.registered_at),
            "lastPingAt": optional_utc_text(self.last_ping_at),
            "firstDataAt": optional_utc_text(self.first_data_at),
            "covered": [each.to_json() for each in self.covered],
            "gaps": [gap.to_json() for gap in self.gaps],
            "windowSeconds": int(self.window.total_seconds()),
            "failures": self.failures,
            "failedInARow": self.failed_in_a_row,
            "endShift": self.end_shift,
            "tried": list(self.tried),
            "asked": self.pending.to_json() if self.pending else None,
            "stopped": stopped,
            "announcedCovered": self.announced_covered,
            "selected": None if self.selected else False,
            "listed": None if self.listed else False,
        }
        return {name: value for name, value in members.items() if value not in (None, "")}

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> "AgentState":
        """Raises KeyError, TypeError or ValueError for an item of another form, such as one written by hand."""
        stopped = item.get("stopped")
        return cls(
            agent_id=item["agentId"],
            seen_at=datetime.fromisoformat(item["seenAt"]),
            version=item.get("version", 0),
            host_name=item.get("hostName", ""),
            health=item.get("health", ""),
            collection_status=item.get("collectionStatus", ""),
            registered_at=optional_time(item.get("registeredAt")),
            last_ping_at=optional_time(item.get("lastPingAt")),
            first_data_at=optional_time(item.get("firstDataAt")),
            covered=normalized(map(_range, item.get("covered", ()))),
            gaps=tuple(map(_gap, item.get("gaps", ()))),
            window=timedelta(seconds=item.get("windowSeconds", MAX_WINDOW.total_seconds())),
            failures=item.get("failures", 0),
            failed_in_a_row=item.get("failedInARow", 0),
            end_shift=item.get("endShift", 0),
            tried=tuple(item.get("tried", ())),
            pending=PendingRequest.from_json(item["asked"]) if item.get("asked") else None,
            stopped=Stopped(str(stopped["reason"]), datetime.fromisoformat(stopped["at"])) if stopped else None,
            announced_covered=item.get("announcedCovered", False),
            selected=item.get("selected", True),
            listed=item.get("listed", True),
        )


def _range(texts: Sequence[str]) -> TimeRange:
    start, end = texts
    return TimeRange(datetime.fromisoformat(start), datetime.fromisoformat(end))


def _gap(document: Mapping[str, Any]) -> Gap:
    return Gap(
        _range([document["from"], document["to"]]), document["reason"], announced=document.get("announced", False)
    )
