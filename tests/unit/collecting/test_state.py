"""Items of the collecting table, which agent is next, and what the coverage says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.collecting.account_state import AccountState, CallFailure, KindState, LastTick, Progress, Snapshot, Starts
from exports.collecting.agent_state import MAX_WINDOW, AgentState, Gap, PendingRequest, Stopped
from exports.collecting.choosing import next_range
from exports.collecting.coverage import coverage, coverage_of, expected_at
from exports.collecting.ranges import TimeRange, subtract
from exports.collecting.setting import AgentsSetting, CollectSetting, Kind, Order, read_collect
from exports.collecting.settling import settle
from exports.model import utc_text
from exports.outcomes.rows import Row
from tests.unit.builders import NOW, ODD_VALUES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REGISTERED = NOW - 30 * DAY
AGENT = AgentState("a", seen_at=REGISTERED, registered_at=REGISTERED, last_ping_at=NOW - 2 * DAY)
NOTHING = AccountState.from_items([])
TIMES = st.integers(0, 30 * 24).map(lambda hours: REGISTERED + hours * HOUR)
RANGES = st.builds(TimeRange, TIMES, TIMES)


@given(
    st.builds(
        AgentState,
        agent_id=st.just("a"),
        seen_at=TIMES,
        registered_at=st.none() | TIMES,
        first_data_at=st.none() | TIMES,
        gaps=st.lists(st.builds(Gap, RANGES, st.text(min_size=1), st.booleans())).map(tuple),
        window=st.timedeltas(timedelta(0), MAX_WINDOW).map(lambda each: timedelta(seconds=int(each.total_seconds()))),
        tried=st.lists(st.text()).map(tuple),
        pending=st.none()
        | st.builds(
            PendingRequest,
            st.none() | TIMES,
            TIMES,
            TIMES,
            st.none() | st.text(),
            st.none() | st.tuples(st.none() | TIMES, st.none() | TIMES),
            st.none() | TIMES,
        ),
        stopped=st.none() | st.builds(Stopped, st.text(min_size=1), TIMES),
        listed=st.booleans(),
    )
)
def test_an_agent_is_read_from_its_item_as_it_was_written(state: AgentState) -> None:
    assert AgentState.from_json(state.to_json()) == state


def test_the_items_of_the_account_are_read_as_they_were_written() -> None:
    pending = PendingRequest(None, NOW, NOW, "export-1")
    kind = replace(
        KindState(Kind.SUMMARY, pending=pending, failures=1, tried=("x",), done_for=NOW), since=NOW, by_id=True
    )
    kind = kind.with_block("Not now.", NOW)
    starts, progress = Starts((NOW,)), Progress((Snapshot(NOW, DAY),), NOW)

    last_tick = LastTick(NOW, CallFailure("DescribeAgents", "ThrottlingException", "Rate exceeded", NOW, refused=False))

    read = AccountState.from_items([kind.to_json(), starts.to_json(), progress.to_json(), last_tick.to_json()])

    assert read.kinds[Kind.SUMMARY] == kind
    assert (read.starts, read.progress, read.last_tick) == (starts, progress, last_tick)


@given(
    covered=st.lists(RANGES),
    order=st.sampled_from(["newest-first", "oldest-first"]),
    window=st.integers(1, 72).map(lambda hours: hours * HOUR),
)
def test_the_next_range_is_missing_and_at_most_a_window_long_and_repeating_it_covers_all(
    covered: list[TimeRange], order: Order, window: timedelta
) -> None:
    setting = AgentsSetting(order=order)
    state = replace(AGENT, covered=tuple(covered), window=window)
    wanted = state.wanted(None, NOW)
    assert wanted

    for _ in range(1000):
        chosen = next_range(state, setting, NOW)
        if chosen is None:
            break
        start, end = chosen
        assert start
        assert timedelta() < end - start <= window
        assert subtract(TimeRange(start, end), state.covered) == (TimeRange(start, end),)
        state = replace(state, covered=(*state.covered, TimeRange(start, end)))

    assert state.uncovered(wanted) == ()


@pytest.mark.parametrize("value", ODD_VALUES)
@pytest.mark.parametrize("name", AGENT.to_json())
def test_an_item_that_was_written_by_hand_is_left_out_and_harms_no_other(name: str, value: Any) -> None:
    odd = {**AGENT.to_json(), "gaps": [{"from": 1}], name: value}
    items = [{**odd, "agentId": "odd"}, AGENT.to_json()]

    found = coverage(items, NOW)

    assert "a" in [each.agent_id for each in found.agents]


def test_the_coverage_says_what_is_stored_what_is_a_gap_and_what_is_missing() -> None:
    wanted = AGENT.wanted(None, NOW)
    assert wanted
    gap = Gap(TimeRange(wanted.start, wanted.start + DAY), "FAILED")
    state = replace(AGENT, covered=(TimeRange(wanted.end - 7 * DAY, wanted.end + HOUR),), gaps=(gap,))

    found = coverage_of([state, AgentState("b", seen_at=NOW)], NOTHING, NOW).to_json()

    assert found["agents"][0] == {
        "agentId": "a",
        "hostName": None,
        "state": "WAITING",
        "stopped": None,
        "from": "2026-10-24T12:00:00.000Z",
        "to": "2026-11-21T12:00:00.000Z",
        "share": 0.25,
        "covered": [["2026-11-14T12:00:00.000Z", "2026-11-21T12:00:00.000Z"]],
        "gaps": [{"from": "2026-10-24T12:00:00.000Z", "to": "2026-10-25T12:00:00.000Z", "reason": "FAILED"}],
        "inProgress": None,
    }
    assert found["agents"][1]["share"] is None, "it is not known since when it has data"
    assert (found["share"], found["gaps"]) == (0.25, 1)
    assert found["uncoveredSeconds"] == 20 * 24 * 3600
    assert found["expectedAt"] is None, "nothing was observed"


@pytest.mark.parametrize(
    ("reason", "listed", "by_id", "progress"),
    [
        pytest.param("InvalidParameterValueException", False, False, "DELETED", id="deleted"),
        pytest.param("InvalidParameterValueException", False, True, "STOPPED", id="named by the setting"),
        pytest.param("InvalidParameterValueException", True, False, "STOPPED", id="listed at least once"),
        pytest.param("FAILED", False, False, "STOPPED", id="exports that fail"),
        pytest.param("NO_START", False, False, "STOPPED", id="data whose start is not known"),
    ],
)
def test_only_a_refused_agent_that_was_never_listed_nor_named_is_deleted_and_nothing_of_it_is_missing(
    reason: str, listed: bool, by_id: bool, progress: str
) -> None:
    account = replace(
        NOTHING, kinds={**NOTHING.kinds, Kind.AGENT: KindState(Kind.AGENT, since=REGISTERED, by_id=by_id)}
    )
    gap = Gap(TimeRange(REGISTERED, REGISTERED + timedelta(hours=1)), "FAILED")
    stopped = AgentState("b", seen_at=NOW, stopped=Stopped(reason, NOW), listed=listed, gaps=(gap,))
    whole = replace(AGENT, covered=(TimeRange(REGISTERED, NOW),))

    found = coverage_of([whole, stopped], account, NOW)

    assert (found.agents[1].progress, found.agents[1].stopped) == (progress, reason)
    if progress == "DELETED":
        assert (found.stopped, found.gaps, found.share, found.uncovered) == (0, 0, 1.0, timedelta())
    else:
        assert (found.stopped, found.gaps) == (1, 1)
        assert found.share is not None
        assert found.share < 1
        assert found.uncovered


@pytest.mark.parametrize("reason", [5, None, ["x"]])
def test_a_reason_that_was_written_by_hand_harms_no_other_agent(reason: Any) -> None:
    odd = {**AGENT.to_json(), "agentId": "odd", "listed": False, "stopped": {"reason": reason, "at": utc_text(NOW)}}

    assert [each.agent_id for each in coverage([odd, AGENT.to_json()], NOW).agents] == ["a", "odd"]


def test_a_share_is_rounded_down_so_that_1_means_all() -> None:
    wanted = AGENT.wanted(None, NOW)
    assert wanted
    state = replace(AGENT, covered=(TimeRange(wanted.start + timedelta(seconds=1), wanted.end),))

    assert coverage_of([state], NOTHING, NOW).to_json()["share"] == 0.9999


def test_the_rest_is_expected_at_the_observed_rate() -> None:
    observed = Progress((Snapshot(NOW - 4 * DAY, 30 * DAY),))

    assert expected_at(observed, 20 * DAY, NOW) == NOW + 8 * DAY


@pytest.mark.parametrize(
    ("snapshots", "uncovered"),
    [
        pytest.param((), 20 * DAY, id="nothing was observed"),
        pytest.param((Snapshot(NOW - 4 * HOUR, 30 * DAY),), 20 * DAY, id="observed for a short time"),
        pytest.param((Snapshot(NOW - 4 * DAY, 20 * DAY),), 20 * DAY, id="no progress"),
        pytest.param((Snapshot(NOW - 4 * DAY, 10 * DAY),), 20 * DAY, id="new data comes faster"),
        pytest.param((Snapshot(NOW - 4 * DAY, 10 * DAY),), timedelta(), id="nothing is missing"),
        pytest.param((Snapshot(NOW - 4 * DAY, 1e6 * DAY),), 1e6 * DAY - timedelta(microseconds=1), id="never"),
    ],
)
def test_no_time_is_expected_without_an_observed_rate(snapshots: tuple[Snapshot, ...], uncovered: timedelta) -> None:
    assert expected_at(Progress(snapshots), uncovered, NOW) is None


def test_the_setting_is_read_from_the_payload() -> None:
    payload = {
        "summary": {"expression": "rate(1 day)"},
        "recommendations": {"preferences": {"tenancy": "SHARED"}},
        "agents": {"ids": ["a"], "since": "2026-11-01", "order": "oldest-first"},
        "maxStartsPerDay": 2,
    }

    since = datetime(2026, 11, 1, tzinfo=UTC)
    agents = AgentsSetting(frozenset({"a"}), since, "oldest-first")
    assert read_collect(payload) == CollectSetting(True, {"tenancy": "SHARED"}, agents, 2)
    assert read_collect({"summary": None, "recommendations": None, "agents": None}) == CollectSetting()
    assert read_collect({"recommendations": {}, "agents": {"ids": "all"}}) == CollectSetting(
        recommendations={}, agents=AgentsSetting()
    )


@pytest.mark.parametrize("name", ["actualStartTime", "actualEndTime", "reason", "status"])
@pytest.mark.parametrize("value", ODD_VALUES)
def test_a_catalog_item_that_was_written_by_hand_covers_at_most_what_was_requested(name: str, value: Any) -> None:
    pending = PendingRequest(REGISTERED, REGISTERED + DAY, NOW, "export-1")
    row = Row({"exportId": "export-1", "status": "TRUNCATED", name: value})

    state = settle(replace(AGENT, pending=pending), row, NOW)

    assert state.pending is None
    assert all(each.start >= REGISTERED and each.end <= REGISTERED + DAY for each in state.covered)


def stored(pending: PendingRequest, **members: Any) -> AgentState:
    """The state after the export is stored; times are given as datetime."""
    values = {name: utc_text(value) if isinstance(value, datetime) else value for name, value in members.items()}
    return settle(replace(AGENT, pending=pending), Row({"exportId": "export-1", **values}), NOW)


def test_a_truncated_export_that_ends_where_it_should_says_not_what_is_missing_and_covers_nothing() -> None:
    """The service says that data is missing, and that a shorter range helps."""
    pending = PendingRequest(REGISTERED, REGISTERED + 3 * DAY, NOW, "export-1")

    state = stored(pending, status="TRUNCATED", actualStartTime=REGISTERED, actualEndTime=pending.end)

    assert state.covered == ()
    assert state.window == 36 * HOUR


@pytest.mark.parametrize("last", [None, REGISTERED + 3 * DAY])
def test_an_export_without_a_start_covers_no_more_than_an_export_can_have(last: datetime | None) -> None:
    pending = PendingRequest(None, REGISTERED + 20 * DAY, NOW, "export-1")

    state = stored(pending, status="STORED", actualStartTime=REGISTERED, actualEndTime=last)

    assert state.covered == (TimeRange(REGISTERED, REGISTERED + 3 * DAY),)
    assert state.first_data_at == REGISTERED


@pytest.mark.parametrize("order", ["newest-first", "oldest-first"])
def test_a_range_whose_end_is_moved_is_no_longer_than_72_hours(order: Order) -> None:
    chosen = next_range(replace(AGENT, end_shift=2), AgentsSetting(order=order), NOW)

    assert chosen
    start, end = chosen
    assert start
    assert end - start == MAX_WINDOW
    assert end.second == 2


def test_after_a_gap_the_end_of_the_next_range_is_not_moved() -> None:
    pending = PendingRequest(REGISTERED, REGISTERED + DAY, NOW, "export-1", adopted=(REGISTERED - DAY, REGISTERED))
    state = replace(AGENT, pending=pending, failures=2, end_shift=2, covered=(TimeRange(REGISTERED - DAY, REGISTERED),))

    after = settle(state, Row({"exportId": "export-1", "status": "STORED"}), NOW)

    assert [gap.range for gap in after.gaps] == [TimeRange(REGISTERED, REGISTERED + DAY)]
    assert after.end_shift == 0
