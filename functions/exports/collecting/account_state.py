"""What is known of the account as a whole: items of the collecting table whose ids no agent can have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from exports.collecting.agent_state import PendingRequest
from exports.collecting.setting import Kind
from exports.model import optional_time, optional_utc_text, utc_text

LOCK = "account: lock"
"""An agent id has no space."""
LAST_TICK = "account: tick"
STARTS = "account: starts"
PROGRESS = "account: progress"
ITEMS: Mapping[Kind, str] = {
    Kind.SUMMARY: "account: summary",
    Kind.AGENT: "account: agents",
    Kind.RECOMMENDATIONS: "account: recommendations",
}
DUE: Mapping[Kind, str] = {
    Kind.SUMMARY: "account: summary due",
    Kind.RECOMMENDATIONS: "account: recommendations due",
}
FIRST_BLOCK = timedelta(hours=1)
MAX_BLOCK = timedelta(hours=24)
DAY = timedelta(hours=24)
SNAPSHOTS = 8
"""One a day: the rate of the last week."""
LASTING = timedelta(hours=1)
"""It ticks every 15 minutes: what goes wrong for so long does not pass by itself."""
ACTIONS: Mapping[str, str] = {
    "DescribeAgents": "list the agents",
    "ListConfigurations": "list the servers",
    "DescribeExportTasks": "look for exports",
    "StartExportTask": "start exports",
}


def is_agent(item: Mapping[str, Any]) -> bool:
    return " " not in str(item["agentId"])


@dataclass(frozen=True, slots=True)
class KindState:
    """The exports of one kind: whether the service refuses them, and the summary or the recommendations in progress.

    ``blocked_by`` is the service's text. ``pending``, ``failures``, ``tried`` and ``done_for`` (the due time of the
    last export that was done) are of summaries and recommendations. ``since``, ``by_id`` (whether the setting names
    each agent) and ``servers_at`` (when the servers were last listed) are of agents.
    """

    kind: Kind
    version: int = 0
    blocked_until: datetime | None = None
    blocked_since: datetime | None = None
    block: timedelta = timedelta()
    blocked_by: str = ""
    pending: PendingRequest | None = None
    failures: int = 0
    tried: tuple[str, ...] = ()
    done_for: datetime | None = None
    last_error: str = ""
    since: datetime | None = None
    by_id: bool = False
    servers_at: datetime | None = None

    def is_blocked(self, now: datetime) -> bool:
        return self.blocked_until is not None and now < self.blocked_until

    def with_block(self, text: str, now: datetime) -> "KindState":
        """No start of this kind for an hour, and twice as long after each refusal, up to a day."""
        block = min(max(2 * self.block, FIRST_BLOCK), MAX_BLOCK)
        since = self.blocked_since or now
        return replace(self, blocked_until=now + block, blocked_since=since, block=block, blocked_by=text)

    def without_block(self) -> "KindState":
        return replace(self, blocked_until=None, blocked_since=None, block=timedelta(), blocked_by="")

    def to_json(self) -> dict[str, Any]:
        members: dict[str, Any] = {
            "agentId": ITEMS[self.kind],
            "blockedUntil": optional_utc_text(self.blocked_until),
            "blockedSince": optional_utc_text(self.blocked_since),
            "blockSeconds": int(self.block.total_seconds()) or None,
            "blockedBy": self.blocked_by,
            "asked": self.pending.to_json() if self.pending else None,
            "failures": self.failures or None,
            "tried": list(self.tried) or None,
            "doneFor": optional_utc_text(self.done_for),
            "lastError": self.last_error,
            "since": optional_utc_text(self.since),
            "byId": self.by_id or None,
            "serversAt": optional_utc_text(self.servers_at),
        }
        return {name: value for name, value in members.items() if value not in (None, "")}

    @classmethod
    def from_json(cls, kind: Kind, item: Mapping[str, Any] | None) -> "KindState":
        item = item or {}
        return cls(
            kind=kind,
            version=item.get("version", 0),
            blocked_until=optional_time(item.get("blockedUntil")),
            blocked_since=optional_time(item.get("blockedSince")),
            block=timedelta(seconds=item.get("blockSeconds", 0)),
            blocked_by=item.get("blockedBy", ""),
            pending=PendingRequest.from_json(item["asked"]) if item.get("asked") else None,
            failures=item.get("failures", 0),
            tried=tuple(item.get("tried", ())),
            done_for=optional_time(item.get("doneFor")),
            last_error=item.get("lastError", ""),
            since=optional_time(item.get("since")),
            by_id=item.get("byId", False),
            servers_at=optional_time(item.get("serversAt")),
        )


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of the last 24 hours. A limit over any 24 hours holds for every day, whenever the service's begins."""

    recent: tuple[datetime, ...] = ()
    version: int = 0

    def within_day(self, now: datetime) -> int:
        return sum(now - each < DAY for each in self.recent)

    def with_start(self, now: datetime) -> "Starts":
        return replace(self, recent=(*(each for each in self.recent if now - each < DAY), now))

    def without_start(self, at: datetime) -> "Starts":
        """After a refusal, which uses up nothing."""
        kept = list(self.recent)
        if at in kept:
            kept.remove(at)
        return replace(self, recent=tuple(kept))

    def to_json(self) -> dict[str, Any]:
        return {"agentId": STARTS, "recent": [utc_text(each) for each in self.recent]}

    @classmethod
    def from_json(cls, item: Mapping[str, Any] | None) -> "Starts":
        item = item or {}
        return cls(tuple(map(datetime.fromisoformat, item.get("recent", ()))), item.get("version", 0))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was missing at a time."""

    at: datetime
    uncovered: timedelta


@dataclass(frozen=True, slots=True)
class Progress:
    """How the missing times have changed.

    ``last_progress_at`` is when an export last added something, or when last nothing was missing.
    """

    snapshots: tuple[Snapshot, ...] = ()
    last_progress_at: datetime | None = None
    version: int = 0

    @property
    def observed_since(self) -> datetime | None:
        """The time of the first tick, or of one a week ago."""
        return self.snapshots[0].at if self.snapshots else None

    def with_snapshot(self, at: datetime, uncovered: timedelta) -> "Progress":
        """At most one snapshot a day."""
        if self.snapshots and at - self.snapshots[-1].at < DAY:
            return self
        return replace(self, snapshots=(*self.snapshots, Snapshot(at, uncovered))[-SNAPSHOTS:])

    def to_json(self) -> dict[str, Any]:
        snapshots = [
            {"at": utc_text(each.at), "uncoveredSeconds": int(each.uncovered.total_seconds())}
            for each in self.snapshots
        ]
        last = {"lastProgressAt": utc_text(self.last_progress_at)} if self.last_progress_at else {}
        return {"agentId": PROGRESS, "snapshots": snapshots, **last}

    @classmethod
    def from_json(cls, item: Mapping[str, Any] | None) -> "Progress":
        item = item or {}
        return cls(
            snapshots=tuple(map(_snapshot, item.get("snapshots", ()))),
            last_progress_at=optional_time(item.get("lastProgressAt")),
            version=item.get("version", 0),
        )


@dataclass(frozen=True, slots=True)
class CallFailure:
    """A call of the service that failed in the last tick, and in each tick since ``since``.

    ``text`` is the message of AWS, redacted. ``refused``: a repeated call fails as well, until something is corrected.
    """

    operation: str
    code: str
    text: str
    since: datetime
    refused: bool

    def is_lasting(self, now: datetime) -> bool:
        """Whether it is no passing fault, as throttling is."""
        return self.refused or now - self.since >= LASTING

    def sentence(self) -> str:
        action = ACTIONS.get(self.operation, "call the service")
        return (
            f"Since {self.since:%Y-%m-%d %H:%M} UTC, the collector cannot {action}. {self.operation} failed with "
            f"{self.code}{': ' if self.text else ''}{self.text.rstrip('.')}."
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "error": self.code,
            "message": self.text,
            "since": utc_text(self.since),
            "refused": self.refused,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "CallFailure":
        """Raises KeyError, TypeError, ValueError or OverflowError for a document of another form."""
        return cls(
            operation=str(document["operation"]),
            code=str(document["error"]),
            text=str(document["message"]),
            since=_utc_time(document["since"]),
            refused=bool(document["refused"]),
        )


@dataclass(frozen=True, slots=True)
class LastTick:
    """The time of the last tick that did its work, and the call that failed in it. ``at`` is None before the first."""

    at: datetime | None = None
    failure: CallFailure | None = None
    version: int = 0

    def is_late(self, now: datetime) -> bool:
        """Whether there should have been another one since."""
        return self.at is not None and now - self.at > LASTING

    def followed_by(self, failure: CallFailure | None, at: datetime) -> "LastTick":
        """The tick after this one. A failure of the same call has lasted since its first tick."""
        if failure and self.failure and self.failure.operation == failure.operation:
            failure = replace(failure, since=self.failure.since)
        return replace(self, at=at, failure=failure)

    def to_json(self) -> dict[str, Any]:
        failure = {"failure": self.failure.to_json()} if self.failure else {}
        return {"agentId": LAST_TICK, "at": optional_utc_text(self.at), **failure}

    @classmethod
    def from_json(cls, item: Mapping[str, Any] | None) -> "LastTick":
        """An item that cannot be read counts as one without members: no export depends on it, and the next tick
        replaces it.
        """
        item = item or {}
        unknown = cls(version=item.get("version", 0))
        try:
            at = _utc_time(item["at"])
            failure = CallFailure.from_json(item["failure"]) if item.get("failure") else None
        except (KeyError, TypeError, ValueError, OverflowError):
            return unknown
        return replace(unknown, at=at, failure=failure)


@dataclass(frozen=True, slots=True)
class AccountState:
    """All items of the account except the lock."""

    kinds: Mapping[Kind, KindState]
    due: Mapping[Kind, datetime]
    starts: Starts
    progress: Progress
    last_tick: LastTick

    @classmethod
    def from_items(cls, items: Sequence[Mapping[str, Any]]) -> "AccountState":
        by_id = {item["agentId"]: item for item in items}
        return cls(
            kinds={kind: KindState.from_json(kind, by_id.get(name)) for kind, name in ITEMS.items()},
            due={
                kind: datetime.fromisoformat(by_id[name]["scheduledAt"]) for kind, name in DUE.items() if name in by_id
            },
            starts=Starts.from_json(by_id.get(STARTS)),
            progress=Progress.from_json(by_id.get(PROGRESS)),
            last_tick=LastTick.from_json(by_id.get(LAST_TICK)),
        )


def _utc_time(text: str) -> datetime:
    """The time of a text with a time zone. Raises TypeError, ValueError or OverflowError for anything else."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time.astimezone(UTC)


def _snapshot(document: Mapping[str, Any]) -> Snapshot:
    return Snapshot(datetime.fromisoformat(document["at"]), timedelta(seconds=document["uncoveredSeconds"]))
