"""What share of the agents' history is stored, what is missing and why, and when the rest is to be expected.

The page, the command and the metrics all use :func:`coverage`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from exports.collecting.account_state import AccountState, KindState, LastTick, Progress, is_agent
from exports.collecting.agent_state import AgentState
from exports.collecting.ranges import TimeRange, subtract, total
from exports.collecting.setting import Kind
from exports.model import optional_utc_text, utc_text

HELP = "What to do: docs/runbook.md#the-collector-fails"
MIN_OBSERVED = timedelta(days=1)
"""An estimate needs at least this much time between two snapshots."""


class AgentProgress(StrEnum):
    """What is being done for an agent."""

    COVERED = "COVERED"
    """Nothing is due: everything is stored or given up, except data of the last day."""
    IN_PROGRESS = "IN_PROGRESS"
    """An export is requested."""
    WAITING = "WAITING"
    """It has its turn when the limits of the service permit."""
    STOPPED = "STOPPED"
    """The service refuses its exports, or they keep failing."""
    DELETED = "DELETED"
    """The service refuses its exports, DescribeAgents has never listed it, and the setting does not name it."""


@dataclass(frozen=True, slots=True)
class AgentCoverage:
    """``wanted`` is None while it is not known since when the agent has data; it then counts in no share."""

    agent_id: str
    host_name: str
    progress: AgentProgress
    stopped: str
    wanted: TimeRange | None
    stored: tuple[TimeRange, ...]
    gaps: Sequence[tuple[TimeRange, str]]
    export_id: str | None

    @property
    def counts(self) -> bool:
        """Whether it counts in figures of all agents. Nothing can be done about one that is DELETED."""
        return self.progress is not AgentProgress.DELETED

    @property
    def covered(self) -> tuple[TimeRange, ...]:
        """What is stored of the wanted times."""
        return subtract(self.wanted, subtract(self.wanted, self.stored)) if self.wanted else self.stored

    @property
    def covered_length(self) -> timedelta:
        return self.wanted.length - total(subtract(self.wanted, self.stored)) if self.wanted else timedelta()

    @property
    def uncovered_length(self) -> timedelta:
        """How much is neither stored nor given up."""
        known = [*self.stored, *(gap for gap, _ in self.gaps)]
        return total(subtract(self.wanted, known)) if self.wanted else timedelta()

    @property
    def share(self) -> float | None:
        """The share that is stored, 0 to 1; 1 if the agent has no times that are wanted."""
        if self.wanted is None:
            return None
        return self.covered_length / self.wanted.length if self.wanted.length else 1.0

    def to_json(self) -> dict[str, Any]:
        start, end = self.wanted.to_json() if self.wanted else (None, None)
        members: dict[str, Any] = {
            "agentId": self.agent_id,
            "hostName": self.host_name or None,
            "state": self.progress,
            "stopped": self.stopped or None,
            "from": start,
            "to": end,
            "share": rounded(self.share),
            "covered": [each.to_json() for each in self.covered],
            "gaps": [{"from": gap.to_json()[0], "to": gap.to_json()[1], "reason": reason} for gap, reason in self.gaps],
            "inProgress": self.export_id,
        }
        return members


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of all agents at ``now``. ``expected_at`` is None if nothing is missing, or if no rate was observed."""

    now: datetime
    agents: Sequence[AgentCoverage]
    wanted: timedelta
    covered: timedelta
    uncovered: timedelta
    expected_at: datetime | None
    blocked: Sequence[KindState]
    last_progress_at: datetime | None
    last_tick: LastTick
    """What is stored since then counts as in progress."""

    @property
    def is_current(self) -> bool:
        """Whether the collector works, so that what is shown is at most an hour old."""
        tick = self.last_tick
        return tick.at is not None and not tick.failure and not tick.is_late(self.now)

    @property
    def collector(self) -> Sequence[str]:
        """Sentences about the collector, to be read before the figures: what failed in its last tick, and its time."""
        tick, failure = self.last_tick, self.last_tick.failure
        if tick.at is None:
            return ["The collector has not run yet. It runs every 15 minutes."]
        ran = f"The collector last ran at {tick.at:%Y-%m-%d %H:%M} UTC"
        ran += (
            f", though it should run every 15 minutes. {HELP}"
            if tick.is_late(self.now)
            else ". What was stored since then still counts as in progress."
        )
        if failure is None:
            return [ran]
        return [f"{failure.sentence()} {HELP if failure.is_lasting(self.now) else 'The next tick tries again.'}", ran]

    @property
    def share(self) -> float | None:
        """The share of all times that is stored; None if nothing is wanted."""
        return self.covered / self.wanted if self.wanted else None

    @property
    def gaps(self) -> int:
        return sum(len(agent.gaps) for agent in self.agents if agent.counts)

    @property
    def stopped(self) -> int:
        return sum(agent.progress is AgentProgress.STOPPED for agent in self.agents)

    def to_json(self) -> dict[str, Any]:
        return {
            "asOf": utc_text(self.now),
            "lastTickAt": optional_utc_text(self.last_tick.at),
            "failure": self.last_tick.failure.to_json() if self.last_tick.failure else None,
            "share": rounded(self.share),
            "wantedSeconds": int(self.wanted.total_seconds()),
            "coveredSeconds": int(self.covered.total_seconds()),
            "uncoveredSeconds": int(self.uncovered.total_seconds()),
            "gaps": self.gaps,
            "stopped": self.stopped,
            "blocked": [_block(each) for each in self.blocked],
            "expectedAt": optional_utc_text(self.expected_at),
            "lastProgressAt": optional_utc_text(self.last_progress_at),
            "agents": [agent.to_json() for agent in self.agents],
        }


def coverage(items: Iterable[Mapping[str, Any]], now: datetime) -> Coverage:
    """The coverage that the items of the collecting table show. An item of an agent that cannot be read is left out."""
    all_items = list(items)
    account = AccountState.from_items([item for item in all_items if not is_agent(item)])
    states = (read_agent(item) for item in all_items if is_agent(item))
    return coverage_of([state for state in states if state], account, now)


def read_agent(item: Mapping[str, Any]) -> AgentState | None:
    try:
        return AgentState.from_json(item)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def coverage_of(states: Iterable[AgentState], account: AccountState, now: datetime) -> Coverage:
    """Agents that are not in the setting any more are left out."""
    selected = sorted((each for each in states if each.selected), key=lambda each: each.agent_id)
    agents = [_agent(state, account.kinds[Kind.AGENT], now) for state in selected]
    counted = [agent for agent in agents if agent.counts]
    uncovered = sum((agent.uncovered_length for agent in counted), timedelta())
    return Coverage(
        now=now,
        agents=agents,
        wanted=sum((agent.wanted.length for agent in counted if agent.wanted), timedelta()),
        covered=sum((agent.covered_length for agent in counted), timedelta()),
        uncovered=uncovered,
        expected_at=expected_at(account.progress, uncovered, now),
        blocked=[each for each in account.kinds.values() if each.blocked_since],
        last_progress_at=account.progress.last_progress_at,
        last_tick=account.last_tick,
    )


def expected_at(progress: Progress, uncovered: timedelta, now: datetime) -> datetime | None:
    """When nothing is missing any more, if it goes on as since the oldest snapshot.

    New data of the agents counts: None if it comes faster than it is exported.
    """
    if not progress.snapshots or not uncovered:
        return None
    oldest = progress.snapshots[0]
    elapsed, gained = now - oldest.at, oldest.uncovered - uncovered
    if elapsed < MIN_OBSERVED or gained <= timedelta():
        return None
    try:
        return now + elapsed * (uncovered / gained)
    except OverflowError:
        return None


def rounded(share: float | None) -> float | None:
    """Four digits, rounded down: 1 is said only if nothing is missing."""
    return None if share is None else int(share * 10_000) / 10_000


def _agent(state: AgentState, kind: KindState, now: datetime) -> AgentCoverage:
    wanted = state.wanted(kind.since, now)
    return AgentCoverage(
        agent_id=state.agent_id,
        host_name=state.host_name,
        progress=_progress(state, wanted, now, by_id=kind.by_id),
        stopped=state.stopped.reason if state.stopped else "",
        wanted=wanted,
        stored=state.covered,
        gaps=[(gap.range, gap.reason) for gap in state.gaps],
        export_id=state.pending.export_id if state.pending else None,
    )


def _progress(state: AgentState, wanted: TimeRange | None, now: datetime, *, by_id: bool) -> AgentProgress:
    if state.pending:
        return AgentProgress.IN_PROGRESS
    if state.stopped:
        is_deleted = state.stopped.is_refusal and not (state.listed or by_id)
        return AgentProgress.DELETED if is_deleted else AgentProgress.STOPPED
    if wanted and not state.due(wanted, now):
        return AgentProgress.COVERED
    return AgentProgress.WAITING


def _block(kind: KindState) -> dict[str, Any]:
    return {
        "kind": kind.kind,
        "since": optional_utc_text(kind.blocked_since),
        "until": optional_utc_text(kind.blocked_until),
        "text": kind.blocked_by,
    }
