"""The metrics of a tick, which the alarms of collecting need."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exports.collecting.account_state import AccountState, KindState
from exports.collecting.agent_state import AgentState, Stopped
from exports.collecting.coverage import coverage_of
from exports.collecting.metrics import record_tick
from exports.collecting.ranges import TimeRange
from exports.collecting.setting import Kind
from tests.unit.builders import NOW
from tests.unit.outcomes.test_metrics import emitted, namespace

__all__ = ["namespace"]
DAY = timedelta(days=1)
AGENT = AgentState("a", seen_at=NOW, registered_at=NOW - 9 * DAY, last_ping_at=NOW - DAY)


def test_a_tick_says_what_is_covered_blocked_and_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    blocked = KindState(Kind.AGENT).with_block("No.", NOW - 2 * DAY)
    account = AccountState.from_items([blocked.to_json()])
    covered = replace(AGENT, covered=(TimeRange(NOW - 3 * DAY, NOW),))
    stopped = AgentState("b", seen_at=NOW, stopped=Stopped("FAILED", NOW))

    record_tick(coverage_of([covered, stopped], account, NOW), started=2, refused=1, since=NOW - 8 * DAY)

    assert emitted(capsys) == {
        "CoveredShare": [25.0],
        "CoverageGaps": [0.0],
        "AgentsStopped": [1.0],
        "ExportsStarted": [2.0],
        "StartsRefused": [1.0],
        "BlockedSeconds": [2 * 86_400.0],
        "SecondsWithoutProgress": [8 * 86_400.0],
    }


def test_a_deleted_agent_that_the_service_refuses_is_in_no_alarm(capsys: pytest.CaptureFixture[str]) -> None:
    account = AccountState.from_items([KindState(Kind.AGENT, since=NOW - 9 * DAY).to_json()])
    deleted = AgentState("b", seen_at=NOW, stopped=Stopped("InvalidParameterException", NOW), listed=False)

    record_tick(coverage_of([deleted], account, NOW), started=0, refused=0, since=NOW - 30 * DAY)

    found = emitted(capsys)
    assert (found["AgentsStopped"], found["SecondsWithoutProgress"]) == ([0.0], [0.0])
    assert "CoveredShare" not in found


def test_nothing_is_late_if_nothing_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    covered = replace(AGENT, covered=(TimeRange(NOW - 9 * DAY, NOW),))

    record_tick(coverage_of([covered], AccountState.from_items([]), NOW), started=0, refused=0, since=NOW - 30 * DAY)

    found = emitted(capsys)
    assert (found["SecondsWithoutProgress"], found["BlockedSeconds"]) == ([0.0], [0.0])
