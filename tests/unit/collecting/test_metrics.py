"""The metrics of a tick, which the alarms of collecting need."""

from dataclasses import replace
from datetime import timedelta

import pytest

from benchmarks.collecting.world import START, World
from exports.collecting.account_state import AccountState, KindState
from exports.collecting.agent_state import AgentState, Stopped
from exports.collecting.agents import Agent
from exports.collecting.coverage import coverage_of
from exports.collecting.metrics import record_tick
from exports.collecting.ranges import TimeRange
from exports.collecting.setting import AgentsSetting, CollectSetting, Kind
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


def seconds_without_progress(simulated: World, setting: CollectSetting, capsys: pytest.CaptureFixture[str]) -> float:
    """Of one tick."""
    result = simulated.tick(setting)
    record_tick(result.coverage, started=result.started, refused=result.refused, since=result.observed_since)
    (seconds,) = emitted(capsys)["SecondsWithoutProgress"]
    return float(seconds)


def test_times_in_which_nothing_was_missing_do_not_count_as_without_progress(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A new agent after a week in which everything was stored, and the end of a pause."""
    setting = CollectSetting(agents=AgentsSetting())
    old = Agent("a", registered_at=START - 5 * DAY, last_ping_at=START - 4 * DAY)
    simulated = World(agents_listed=[old])
    for _ in range(10):
        simulated.tick(setting)
        simulated.advance(DAY)
    simulated.agents_listed = [old, replace(old, id="b")]
    simulated.others = lambda now: 5

    assert seconds_without_progress(simulated, setting, capsys) <= DAY.total_seconds()

    simulated.advance(8 * DAY)
    assert seconds_without_progress(simulated, setting, capsys) >= 8 * DAY.total_seconds()
    for _ in range(10):
        simulated.tick(CollectSetting())
        simulated.advance(DAY)
    assert seconds_without_progress(simulated, setting, capsys) <= DAY.total_seconds()
