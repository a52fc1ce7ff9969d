"""A tick on a simulated account: what it starts, adopts, continues and gives up, and that a kill loses nothing."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.collecting.world import GRACE, START, TICK, World
from exports.collecting.account_state import LastTick
from exports.collecting.agent_state import AgentState
from exports.collecting.agents import Agent, AlreadyPresent, OutcomeUnknown, Request, SlotsTaken
from exports.collecting.coverage import Coverage, coverage
from exports.collecting.ranges import TimeRange
from exports.collecting.setting import AgentsSetting, CollectSetting, Kind
from exports.collecting.settling import MAX_FAILED_IN_A_ROW
from exports.collecting.starting import MAX_IN_PROGRESS, MAX_REFUSED, MAX_UNSETTLED
from exports.errors import NonRetryableError, ServiceError
from exports.model import utc_text
from exports.runs import Described, Filters
from tests.events import validate_event
from tests.unit.builders import ODD_VALUES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL = CollectSetting(agents=AgentsSetting())
LAST_PING = START - 2 * DAY
"""So long ago that the history of the agent is complete."""


def agent(agent_id: str = "a", days: float = 7, **more: Any) -> Agent:
    """An agent that registered ``days`` days before its last ping."""
    default: dict[str, Any] = {"type": "EC2", "registered_at": LAST_PING - days * DAY, "last_ping_at": LAST_PING}
    return Agent(agent_id, **{**default, **more})


def world(*agents: Agent, **more: Any) -> World:
    return World(agents_listed=agents or (agent(),), **more)


def found(simulated: World) -> Coverage:
    return coverage(simulated.items(), simulated.now)


def state(simulated: World, agent_id: str = "a") -> AgentState:
    return next(AgentState.from_json(item) for item in simulated.items() if item["agentId"] == agent_id)


def run(simulated: World, setting: CollectSetting = ALL, *, ticks: int = 200) -> None:
    """Ticks until nothing is missing, at most ``ticks``."""
    for _ in range(ticks):
        simulated.tick(setting)
        if (
            simulated.table
            and not found(simulated).uncovered
            and not any("asked" in each for each in simulated.items())
        ):
            return
        simulated.advance()


def last_tick(simulated: World) -> LastTick:
    return found(simulated).last_tick


def ranges(simulated: World, agent_id: str = "a") -> list[tuple[datetime | None, datetime | None]]:
    return [(task.start, task.end) for task in simulated.tasks.values() if task.agent_id == agent_id]


def test_the_history_of_an_agent_is_exported_newest_first_in_windows_of_72_hours() -> None:
    simulated = world()

    run(simulated)

    first = LAST_PING - 7 * DAY
    assert ranges(simulated) == [
        (LAST_PING - 3 * DAY, LAST_PING),
        (LAST_PING - 6 * DAY, LAST_PING - 3 * DAY),
        (first, LAST_PING - 6 * DAY),
    ]
    assert found(simulated).share == 1
    assert state(simulated).covered == (TimeRange(first, LAST_PING),)


def test_oldest_first_begins_at_the_registration() -> None:
    simulated = world()

    run(simulated, CollectSetting(agents=AgentsSetting(order="oldest-first")))

    assert ranges(simulated)[0] == (LAST_PING - 7 * DAY, LAST_PING - 4 * DAY)
    assert found(simulated).share == 1


def test_nothing_before_since_is_exported() -> None:
    simulated = world()

    run(simulated, CollectSetting(agents=AgentsSetting(since=LAST_PING - DAY)))

    assert ranges(simulated) == [(LAST_PING - DAY, LAST_PING)]


def test_only_the_agents_of_the_setting_are_exported_and_no_connectors() -> None:
    simulated = world(
        agent("a"), agent("b"), agent("c", type="AGENTLESS_CONNECTOR"), agent("d", type="ApplicationDiscoveryCollector")
    )

    run(simulated, CollectSetting(agents=AgentsSetting(ids=frozenset("acd"))))

    assert {task.agent_id for task in simulated.tasks.values()} == {"a"}


def test_at_most_five_exports_are_in_progress_and_each_agent_has_one() -> None:
    simulated = world(*(agent(f"a{number}") for number in range(9)))

    tick = simulated.tick(ALL)

    assert tick.started == simulated.own_in_progress() == MAX_IN_PROGRESS
    assert len({task.agent_id for task in simulated.tasks.values()}) == MAX_IN_PROGRESS
    assert tick.export_ids == list(simulated.tasks)


def test_the_least_covered_agent_is_next() -> None:
    simulated = world(agent("a", 3), agent("b", 30), agent("c", 30), concurrent=1)

    run(simulated, ticks=8)

    assert [task.agent_id for task in simulated.tasks.values()][:3] == ["a", "b", "c"]


def test_the_newest_data_of_an_agent_that_still_sends_waits_behind_its_history() -> None:
    simulated = world(agent("a", registered_at=START - 6 * DAY, last_ping_at=START))

    for _ in range(40):
        simulated.agents_listed = (replace(simulated.agents_listed[0], last_ping_at=simulated.now),)
        simulated.tick(ALL)
        simulated.advance()

    start = START - 30 * timedelta(minutes=1)
    assert ranges(simulated) == [
        (start - 3 * DAY, start),
        (start - 6 * DAY + 30 * timedelta(minutes=1), start - 3 * DAY),
    ]


def test_an_agent_that_still_sends_is_exported_once_a_day() -> None:
    simulated = world(agent("a", registered_at=START - DAY, last_ping_at=START))

    for _ in range(4 * 24 * 3):
        simulated.agents_listed = (replace(simulated.agents_listed[0], last_ping_at=simulated.now),)
        simulated.tick(ALL)
        simulated.advance()

    assert 2 <= len(simulated.tasks) <= 4


def test_fault_52_a_truncated_export_is_continued_at_its_actual_end() -> None:
    simulated = world(agent(days=3), capacity=lambda _: 30 * HOUR)

    run(simulated)

    first = LAST_PING - 3 * DAY
    assert ranges(simulated) == [
        (first, LAST_PING),
        (first + 30 * HOUR, LAST_PING),
        (first + 60 * HOUR, LAST_PING),
    ]
    assert found(simulated).share == 1


def test_fault_52_a_range_that_never_fits_is_narrowed_and_then_a_gap() -> None:
    simulated = world(agent(days=0.25), capacity=lambda _: timedelta(0))

    run(simulated)

    lengths = [end - start for start, end in ranges(simulated) if start and end]
    assert lengths[:6] == [timedelta(minutes=each) for each in (360, 180, 90, 45, 22.5, 15)]
    assert {gap.reason for gap in state(simulated).gaps} == {"NO_PROGRESS"}
    assert all(gap.range.length <= timedelta(minutes=15) for gap in state(simulated).gaps)
    assert found(simulated).share == 0


def test_fault_52_the_third_failed_export_of_a_range_is_a_gap_and_the_next_range_is_exported() -> None:
    simulated = world(fails=lambda request: request.end == LAST_PING)

    run(simulated)

    failed = TimeRange(LAST_PING - 3 * DAY, LAST_PING)
    assert Counter(ranges(simulated))[(failed.start, failed.end)] == 3
    assert [(gap.range, gap.reason) for gap in state(simulated).gaps] == [(failed, "FAILED")]
    assert state(simulated).covered == (TimeRange(LAST_PING - 7 * DAY, failed.start),)
    assert [name for name, _ in simulated.events] == ["Coverage Gap", "Agent Covered"]


def test_an_agent_whose_exports_fail_comes_after_the_others_and_is_given_up_for_a_week() -> None:
    simulated = world(agent("a", 30), agent("b", 30), concurrent=1, fails=lambda request: request.agent_id == "a")

    for _ in range(300):
        simulated.tick(ALL)
        simulated.advance()

    order = [task.agent_id for task in simulated.tasks.values()]
    assert order[:11] == ["a", *["b"] * 10]
    assert order.count("a") == 9
    assert state(simulated).stopped

    simulated.now += 8 * DAY
    simulated.tick(ALL)

    assert simulated.own_in_progress() == 1


def test_events_follow_their_schema() -> None:
    simulated = world(fails=lambda request: request.end == LAST_PING)

    run(simulated)

    for name, data in simulated.events:
        detail = {"version": "1", "metadata": {"account": "111122223333", "region": "us-west-2"}, "data": data}
        validate_event({"source": "discovery.exports", "detail-type": name, "detail": detail})
    assert simulated.events


def test_fault_51_an_export_that_exists_already_is_adopted() -> None:
    simulated = world(agent(days=3))
    request = Request(Kind.AGENT, "a", LAST_PING - 3 * DAY, LAST_PING)
    existing = simulated.add(request, foreign=True, ends_at=START, requested_at=START - HOUR)

    tick = simulated.tick(ALL)

    assert tick.export_ids == [existing.id]
    simulated.advance()
    simulated.tick(ALL)
    assert found(simulated).share == 1
    assert list(simulated.tasks) == [existing.id]


def test_fault_51_an_existing_export_that_failed_long_ago_is_not_waited_for() -> None:
    """A run keeps its catalog item, which is older than the request."""
    simulated = world(agent(days=3))
    existing = simulated.add(
        Request(Kind.AGENT, "a", LAST_PING - 3 * DAY, LAST_PING), foreign=True, ends_at=START - HOUR, fails=True
    )
    simulated.catalog[existing.id] = {"exportId": existing.id, "status": "FAILED", "settledAt": utc_text(START - HOUR)}
    same = (LAST_PING, existing.id)
    simulated._is_same = lambda task, request: (request.end, task.id) == same  # type: ignore[method-assign]

    run(simulated)

    assert existing.id not in simulated.handed_over
    assert found(simulated).share == 1


def test_an_existing_summary_counts_as_the_new_one_and_the_log_says_so() -> None:
    simulated = World()
    existing = simulated.add(Request(Kind.SUMMARY), foreign=True, ends_at=START - HOUR, requested_at=START - DAY)
    simulated.mark_due(Kind.SUMMARY, START)
    simulated.before = only_for(simulated, Kind.SUMMARY, AlreadyPresent(existing.id))

    for _ in range(3):
        simulated.tick(CollectSetting(summary=True))
        simulated.advance()

    assert simulated.handed_over == [existing.id]
    assert (simulated.informed, simulated.logged) == (["existing export adopted"], [])
    assert simulated.table["account: summary"]["doneFor"] == utc_text(START)


def test_an_existing_summary_that_has_failed_is_requested_three_times() -> None:
    simulated = World()
    existing = simulated.add(Request(Kind.SUMMARY), foreign=True, ends_at=START - HOUR, fails=True)
    simulated.mark_due(Kind.SUMMARY, START)
    simulated.before = only_for(simulated, Kind.SUMMARY, AlreadyPresent(existing.id))

    for _ in range(9):
        simulated.tick(CollectSetting(summary=True))
        simulated.advance()

    summary = simulated.table["account: summary"]
    assert simulated.handed_over == []
    assert (summary["doneFor"], summary["lastError"]) == (utc_text(START), "ALREADY_PRESENT")


def test_fault_51_an_existing_export_of_another_range_covers_its_own_and_does_not_loop() -> None:
    simulated = world(agent(days=3), refuses=lambda request: "")
    existing = simulated.add(
        Request(Kind.AGENT, "a", LAST_PING - 3 * DAY, LAST_PING - 2 * DAY), foreign=True, ends_at=START
    )
    requested: list[datetime | None] = []

    def mistaken(task: Any, request: Request) -> bool:
        """The service takes ranges that end at about the same time for the range of the existing export."""
        requested.append(request.end)
        return task is existing and request.end in (LAST_PING, LAST_PING + timedelta(seconds=1))

    simulated._is_same = mistaken  # type: ignore[method-assign]

    run(simulated, ticks=30)

    assert found(simulated).share == 1
    assert requested[:3] == [LAST_PING, LAST_PING, LAST_PING + timedelta(seconds=1)]


def test_fault_51_an_existing_export_covers_nothing_after_the_time_of_its_request() -> None:
    """Others may have requested a range that ended in their future."""
    simulated = world(agent(days=3))
    request = Request(Kind.AGENT, "a", LAST_PING - 3 * DAY, LAST_PING)
    early = LAST_PING - DAY
    simulated.add(request, foreign=True, ends_at=early + HOUR, requested_at=early)

    simulated.tick(ALL)
    simulated.advance()
    simulated.tick(ALL)

    assert state(simulated).covered == (TimeRange(LAST_PING - 3 * DAY, early - HOUR / 2),)

    run(simulated)
    assert found(simulated).share == 1


def test_an_agent_whose_exports_are_always_truncated_without_times_leaves_the_starts_to_others() -> None:
    simulated = world(
        agent("a", 2), agent("b", 30), concurrent=1, capacity=lambda each: DAY * (0 if each == "a" else 4)
    )

    run(simulated, ticks=600)

    assert state(simulated).stopped
    assert len(state(simulated).gaps) == MAX_FAILED_IN_A_ROW
    assert found(simulated).agents[1].share == 1


def test_fault_51_a_refusal_because_of_the_slots_of_others_ends_the_starts_of_the_tick() -> None:
    simulated = world(agent("a"), agent("b"), others=lambda now: 5)

    tick = simulated.tick(ALL)

    assert simulated.refusals == 1
    assert tick.refused == 1
    assert not any("asked" in item for item in simulated.items())
    assert not tick.blocked


def test_fault_51_a_limit_of_unknown_length_blocks_for_an_hour_doubled_up_to_a_day() -> None:
    simulated = world(per_day=0)
    refused_at: list[datetime] = []

    for _ in range(4 * 24 * 5):
        before = simulated.refusals
        simulated.tick(ALL)
        if simulated.refusals > before:
            refused_at.append(simulated.now)
        simulated.advance()

    hours = [(later - earlier) / HOUR for earlier, later in pairwise(refused_at)]
    assert hours == [1, 2, 4, 8, 16, 24, 24, 24]
    blocked = found(simulated).to_json()["blocked"][0]
    assert blocked["since"] == utc_text(START)
    assert blocked["text"] == "The daily limit is reached."


def test_a_start_that_is_permitted_ends_the_block() -> None:
    simulated = world(per_day=0)
    simulated.tick(ALL)
    simulated.per_day = None

    simulated.advance(HOUR)
    tick = simulated.tick(ALL)

    assert tick.started == 1
    assert not tick.blocked
    assert found(simulated).to_json()["blocked"] == []


def test_a_blocked_kind_does_not_keep_the_tick_from_settling() -> None:
    simulated = world(agent("a"), agent("b"), per_day=1)
    simulated.tick(ALL)

    simulated.advance(30 * timedelta(minutes=1))
    tick = simulated.tick(ALL)

    assert tick.blocked == [Kind.AGENT]
    assert state(simulated).covered


def test_no_more_exports_are_started_in_24_hours_than_the_setting_permits() -> None:
    simulated = world(*(agent(f"a{number}", 30) for number in range(5)))
    limited = replace(ALL, max_starts_per_day=3)

    for _ in range(4 * 24 * 4):
        simulated.tick(limited)
        simulated.advance()

    times = [task.requested_at for task in simulated.tasks.values()]
    assert all(sum(at <= each < at + DAY for each in times) <= 3 for at in times)
    assert 11 <= len(times) <= 12
    assert simulated.refusals == 0


def test_a_refused_start_does_not_count() -> None:
    simulated = world(agent("a"), agent("b"), others=lambda now: 5 if now < START + HOUR else 0)
    limited = replace(ALL, max_starts_per_day=2)

    for _ in range(5):
        simulated.tick(limited)
        simulated.advance()

    assert len(simulated.tasks) == 2


def test_fault_51_an_agent_that_the_service_refuses_is_left_out_for_a_week_and_others_go_on() -> None:
    simulated = world(agent("a"), agent("b"), refuses=lambda each: "InvalidParameterException" * (each.agent_id == "a"))

    run(simulated, ticks=20)

    assert state(simulated).stopped
    assert found(simulated).stopped == 1
    assert found(simulated).agents[1].share == 1
    assert simulated.refusals == 1


def test_agents_that_were_refused_a_week_ago_wait_until_others_have_had_their_turn() -> None:
    gone = [f"gone-{number:02}" for number in range(2 * MAX_REFUSED)]
    refuses = dict.fromkeys(gone, "InvalidParameterException")
    simulated = World(server_ids=gone, refuses=lambda each: refuses.get(str(each.agent_id), ""))
    for _ in range(2):
        simulated.tick(ALL)
        simulated.advance()
    assert all(state(simulated, each).stopped for each in gone)
    simulated.agents_listed = (agent("new"),)

    simulated.advance(8 * DAY)
    simulated.tick(ALL)

    assert [each.agent_id for each in simulated.tasks.values()] == ["new"]


def test_an_agent_that_the_service_accepts_again_is_given_up_no_more() -> None:
    refused = ["InvalidParameterException"]
    simulated = World(server_ids=("gone",), refuses=lambda _: refused[0])
    simulated.tick(ALL)
    assert found(simulated).agents[0].progress == "DELETED"

    refused[0] = ""
    simulated.advance(8 * DAY)
    simulated.tick(ALL)

    assert simulated.tasks
    assert state(simulated, "gone").stopped is None


def test_fault_50_after_a_call_that_was_throttled_the_export_is_looked_for_before_it_is_requested_again() -> None:
    throttled = [True]
    simulated = world(agent(days=3), refuses=lambda _: "ThrottlingException" * throttled[0])
    simulated.tick(ALL)
    throttled.clear()
    throttled.append(False)

    simulated.advance(GRACE / 2)
    simulated.tick(ALL)
    assert not simulated.tasks, "the service may list it late"

    simulated.advance(GRACE)
    simulated.tick(ALL)
    assert len(simulated.tasks) == 1


def test_an_agent_without_a_registration_is_exported_from_its_first_data_on() -> None:
    first = LAST_PING - 10 * DAY
    simulated = world(agent(registered_at=None), data_from=lambda _: first, capacity=lambda _: 3 * DAY)

    run(simulated)

    assert ranges(simulated)[0] == (None, LAST_PING)
    assert state(simulated).covered == (TimeRange(first, LAST_PING),)


def test_a_deleted_agent_without_any_data_is_covered_by_one_export() -> None:
    simulated = World(agents_listed=(), server_ids=("gone",))

    run(simulated, ticks=200)

    assert len(simulated.tasks) == 1
    assert found(simulated).agents[0].share == 1


def refused_agent(setting: AgentsSetting, **more: Any) -> World:
    """An account of which only the list of servers names the agent ``gone``, after the service has refused it."""
    simulated = World(server_ids=("gone",), refuses=lambda _: "InvalidParameterException", **more)
    simulated.tick(CollectSetting(agents=setting))
    assert state(simulated, "gone").stopped
    return simulated


def test_a_deleted_agent_that_the_service_refuses_is_shown_and_counts_as_given_up_only_if_the_setting_names_it() -> (
    None
):
    simulated = refused_agent(AgentsSetting())

    (shown,) = found(simulated).agents
    assert (shown.progress, shown.stopped, found(simulated).stopped) == ("DELETED", "InvalidParameterException", 0)

    simulated.tick(CollectSetting(agents=AgentsSetting(ids=frozenset({"gone"}))))
    assert found(simulated).stopped == 1
    assert simulated.found == found(simulated)

    simulated.tick(ALL)
    assert found(simulated).stopped == 0


def test_an_agent_that_only_the_setting_names_counts_as_given_up() -> None:
    """The service lists it nowhere: the ID may be wrong."""
    simulated = refused_agent(AgentsSetting(ids=frozenset({"gone"})))

    assert found(simulated).stopped == 1


def test_an_agent_that_was_listed_once_counts_as_given_up_also_after_it_is_deleted() -> None:
    simulated = refused_agent(AgentsSetting())
    simulated.agents_listed = (agent("gone"),)
    simulated.advance()
    simulated.tick(ALL)
    simulated.agents_listed = ()

    simulated.advance()
    simulated.tick(ALL)

    assert found(simulated).stopped == 1


def test_a_refused_agent_that_is_deleted_keeps_nothing_from_being_complete() -> None:
    """With ``since``, it would seem to have data since then."""
    simulated = refused_agent(AgentsSetting(since=START - 9 * DAY))

    assert found(simulated).uncovered == timedelta()
    assert found(simulated).share is None


def test_an_agent_that_never_sent_a_ping_has_an_end_that_does_not_move() -> None:
    simulated = world(agent(last_ping_at=None, registered_at=START - DAY))

    for _ in range(400):
        simulated.tick(ALL)
        simulated.advance()

    assert len(simulated.tasks) == 1


def test_the_export_of_a_truncated_agent_without_a_start_and_without_times_stops_the_agent() -> None:
    simulated = world(agent(registered_at=None))
    simulated.tick(ALL)
    (task,) = simulated.tasks.values()
    simulated.tasks[task.id] = replace(task, truncated=True)

    simulated.advance(HOUR)
    simulated.tick(ALL)

    assert state(simulated).stopped


def test_a_summary_is_started_once_for_each_time_that_it_is_due() -> None:
    simulated = World()
    setting = CollectSetting(summary=True, recommendations={"tenancy": "SHARED"})
    simulated.tick(setting)
    assert not simulated.tasks

    simulated.mark_due(Kind.SUMMARY, START)
    simulated.mark_due(Kind.RECOMMENDATIONS, START)
    for _ in range(8):
        simulated.tick(setting)
        simulated.advance()
    assert [task.kind for task in simulated.tasks.values()] == [Kind.SUMMARY, Kind.RECOMMENDATIONS]

    simulated.mark_due(Kind.SUMMARY, START + DAY)
    simulated.tick(setting)
    assert [task.kind for task in simulated.tasks.values()][2:] == [Kind.SUMMARY]
    assert simulated.catalog["export-1"]["askedFor"] == {"kind": "summary"}


def test_a_failed_summary_is_started_three_times_for_one_due_time() -> None:
    simulated = World(fails=lambda _: True)
    setting = CollectSetting(summary=True)
    simulated.mark_due(Kind.SUMMARY, START)

    for _ in range(40):
        simulated.tick(setting)
        simulated.advance()

    assert len(simulated.tasks) == 3


def test_fault_49_exports_are_handed_over_again_until_a_run_waits_for_them() -> None:
    simulated = world(agent(days=3), duration=10 * HOUR)
    simulated.run = lambda export_ids: None  # type: ignore[method-assign]  # the run was not started

    first = simulated.tick(ALL).export_ids
    simulated.advance()
    second = simulated.tick(ALL).export_ids

    assert first == second == ["export-1"]
    World.run(simulated, second)
    simulated.advance()
    assert simulated.tick(ALL).export_ids == []


def test_an_export_that_could_not_be_stored_is_handed_over_again_after_an_hour() -> None:
    simulated = world(agent(days=3))
    simulated.tick(ALL)
    simulated.catalog["export-1"] |= {"status": "NOT_STORED", "reason": "AccessDenied", "exportStatus": "SUCCEEDED"}
    simulated.catalog["export-1"].pop("pendingBy")

    simulated.now += TICK
    assert simulated.tick(ALL).export_ids == []
    simulated.now += HOUR
    assert simulated.tick(ALL).export_ids == ["export-1"]


def test_while_storing_fails_no_more_exports_are_started_than_can_be_waited_for() -> None:
    simulated = world(*(agent(f"a{number:02}") for number in range(40)))

    for _ in range(40):
        simulated.tick(ALL)
        simulated.now += TICK
        for export_id, row in simulated.catalog.items():
            if simulated.now >= simulated.tasks[export_id].ends_at:
                row |= {"status": "NOT_STORED", "exportStatus": "SUCCEEDED"}

    assert len(simulated.tasks) == MAX_UNSETTLED


def test_the_catalog_says_what_an_export_was_asked_for() -> None:
    simulated = world(agent(days=3))

    simulated.tick(ALL)

    assert simulated.catalog["export-1"]["askedFor"] == {
        "kind": "agent",
        "agentId": "a",
        "from": utc_text(LAST_PING - 3 * DAY),
        "to": utc_text(LAST_PING),
    }


@pytest.mark.parametrize("call", ["DescribeAgents", "DescribeExportTasks", "ListConfigurations"])
def test_a_call_that_fails_for_a_time_ends_no_other_work(call: str) -> None:
    simulated = world()
    simulated.tick(ALL)
    simulated.advance(HOUR)
    simulated.before = raising(call, ServiceError("ThrottlingException"))

    simulated.tick(ALL)

    assert state(simulated).covered


def with_lost_responses(simulated: World, number: int) -> None:
    """Ticks within the grace period in which an export is started, but its ID is not known."""
    simulated.listed_after = DAY
    simulated.after = raising("StartExportTask", OutcomeUnknown("ReadTimeoutError"))
    for _ in range(number):
        simulated.tick(ALL)
        simulated.now += GRACE / (2 * number)
    simulated.after = lambda call: None
    assert len(without_id(simulated)) == number


def without_id(simulated: World) -> list[str]:
    return [item["agentId"] for item in simulated.items() if "asked" in item and "exportId" not in item["asked"]]


def test_fault_53_searches_without_an_answer_leave_time_to_end_the_tick_and_the_next_one_finds_the_exports() -> None:
    """A call that is never answered takes a minute and a half: four of them would be longer than an invocation."""
    simulated = world(*(agent(f"a{number}") for number in range(5)))
    with_lost_responses(simulated, 4)
    searches: list[str] = []

    def never_answered(call: str) -> None:
        if call == "DescribeExportTasks":
            searches.append(call)
            simulated.calls += 94
            raise ServiceError("ReadTimeoutError")

    simulated.before, simulated.calls_per_tick = never_answered, 180
    simulated.advance(GRACE)
    simulated.tick(ALL)

    assert len(searches) == 2
    assert last_tick(simulated).at == simulated.now
    assert last_tick(simulated).failure

    simulated.before, simulated.listed_after = lambda call: None, timedelta()
    simulated.advance()
    assert simulated.tick(ALL).started >= 4
    assert not without_id(simulated)
    assert len(simulated.tasks) == 5


def failing_searches(simulated: World, fails: Callable[[Filters], bool], code: str) -> None:
    """From now on, the lists with these filters fail, whenever they are requested."""
    describe = simulated._describe

    def fail(export_ids: Sequence[str], filters: Filters) -> Described:
        if not export_ids and fails(filters):
            raise ServiceError(code)
        return describe(export_ids, filters)

    simulated._describe = fail  # type: ignore[method-assign]


@pytest.mark.parametrize("code", ["TooManyPages", "InvalidResponse", "ReadTimeoutError"])
def test_a_list_of_all_exports_that_always_fails_keeps_no_export_of_an_agent_from_being_found(code: str) -> None:
    simulated = world(*(agent(f"a{number}") for number in range(4)))
    simulated.mark_due(Kind.SUMMARY, START)
    setting = replace(ALL, summary=True)
    simulated.listed_after = DAY
    simulated.after = raising("StartExportTask", OutcomeUnknown("ReadTimeoutError"))
    for _ in range(4):
        simulated.tick(setting)
        simulated.now += GRACE / 8
    simulated.after, simulated.listed_after = lambda call: None, timedelta()
    assert len(without_id(simulated)) > 2
    failing_searches(simulated, lambda filters: not filters, code)

    simulated.advance()
    simulated.tick(setting)

    assert without_id(simulated) == ["account: summary"]


def test_a_list_of_one_agent_that_always_fails_keeps_no_other_export_from_being_found() -> None:
    simulated = world(*(agent(f"a{number}") for number in range(4)))
    with_lost_responses(simulated, 4)
    simulated.listed_after = timedelta()
    failing_searches(simulated, lambda filters: filters[0]["values"] == ["a0"], "InvalidResponse")

    simulated.advance()
    simulated.tick(ALL)

    assert without_id(simulated) == ["a0"]


def test_an_export_of_an_agent_for_which_there_was_no_time_to_search_is_not_given_up() -> None:
    simulated = world()
    with_lost_responses(simulated, 1)
    simulated.before = raising("DescribeExportTasks", ServiceError("ListingTookTooLong"))
    for _ in range(2):
        simulated.tick(ALL)
        assert without_id(simulated) == ["a"]
        simulated.advance(HOUR)

    simulated.before, simulated.listed_after = lambda call: None, timedelta()
    simulated.tick(ALL)

    assert len(simulated.tasks) == 1
    assert without_id(simulated) == []


def test_a_tick_without_time_searches_for_no_exports_and_starts_none() -> None:
    simulated = world(*(agent(f"a{number}") for number in range(5)))
    with_lost_responses(simulated, 2)
    lost = without_id(simulated)
    simulated.calls_per_tick = 0

    simulated.advance(DAY)
    simulated.tick(ALL)

    assert without_id(simulated) == lost
    assert len(simulated.tasks) == 2
    assert last_tick(simulated).at == simulated.now


def test_a_summary_that_cannot_be_found_in_time_among_all_exports_is_requested_again_and_others_are_started() -> None:
    simulated = world(agent(days=3), concurrent=1, listed_after=DAY)
    setting = replace(ALL, summary=True)
    simulated.mark_due(Kind.SUMMARY, START)
    simulated.after = raising("StartExportTask", OutcomeUnknown("ReadTimeoutError"))
    simulated.tick(setting)
    simulated.after = lambda call: None
    simulated.before = raising("DescribeExportTasks", ServiceError("ListingTookTooLong"))

    simulated.advance(HOUR)
    simulated.tick(setting)
    simulated.before = lambda call: None
    simulated.advance(HOUR)
    simulated.tick(setting)

    assert [task.kind for task in simulated.tasks.values()].count(Kind.SUMMARY) == 2
    assert Kind.AGENT in {task.kind for task in simulated.tasks.values()}


def test_a_call_that_fails_is_recorded_with_the_time_of_the_first_tick_until_a_tick_has_no_failure() -> None:
    simulated = world()
    first = simulated.now
    simulated.before = raising("DescribeAgents", ServiceError("ThrottlingException"))
    simulated.tick(ALL)
    simulated.advance()
    simulated.tick(ALL)

    failed = last_tick(simulated)
    simulated.before = lambda call: None
    simulated.advance()
    simulated.tick(ALL)

    assert failed.failure
    assert (failed.failure.operation, failed.failure.code) == ("DescribeAgents", "ThrottlingException")
    assert (failed.failure.since, failed.at) == (first, first + TICK)
    assert last_tick(simulated) == LastTick(at=first + 2 * TICK, version=3)


FAILURE = {"operation": "DescribeAgents", "error": "x", "message": "x", "since": utc_text(START), "refused": True}


@pytest.mark.parametrize(
    "members",
    [
        *({"at": value} for value in (*ODD_VALUES, "2026-11-01T00:00:00", "0001-01-01T00:00:00+14:00")),
        *({"failure": value} for value in ODD_VALUES),
        *({"failure": {name: value for name, value in FAILURE.items() if name != missing}} for missing in FAILURE),
        *({"failure": {**FAILURE, name: value}} for name in FAILURE for value in ODD_VALUES),
        {"failure": {**FAILURE, "since": "2026-11-01T00:00:00"}},
        {"failure": {**FAILURE, "since": "0001-01-01T00:00:00+14:00"}},
    ],
)
def test_an_item_of_the_last_tick_that_was_written_by_hand_stops_no_tick_and_is_replaced(
    members: dict[str, Any],
) -> None:
    simulated = world()
    simulated.tick(ALL)
    simulated.advance()
    simulated.table["account: tick"] = {**simulated.table["account: tick"], **members}

    assert found(simulated).collector
    assert isinstance(found(simulated).is_current, bool)
    simulated.before = raising("DescribeAgents", ServiceError("ThrottlingException"))
    simulated.tick(ALL)

    assert last_tick(simulated).at == simulated.now
    assert last_tick(simulated).failure


def test_a_failure_of_another_call_has_lasted_since_its_own_first_tick() -> None:
    simulated = world()
    for call in ("DescribeAgents", "ListConfigurations"):
        simulated.before = raising(call, ServiceError("ThrottlingException"))
        simulated.tick(ALL)
        simulated.advance()

    failure = last_tick(simulated).failure

    assert failure
    assert (failure.operation, failure.since) == ("ListConfigurations", START + TICK)


def test_a_refusal_is_recorded_rather_than_a_passing_fault_of_a_later_call() -> None:
    simulated = world(listed_after=HOUR)
    simulated.after = raising("StartExportTask", OutcomeUnknown("ReadTimeoutError"))
    simulated.tick(ALL)
    simulated.advance()

    def fail(call: str) -> None:
        raising("DescribeExportTasks", NonRetryableError("AccessDeniedException"))(call)
        raising("DescribeAgents", ServiceError("ThrottlingException"))(call)

    simulated.before = fail
    simulated.tick(ALL)

    failure = last_tick(simulated).failure
    assert failure
    assert (failure.operation, failure.refused) == ("DescribeExportTasks", True)


def test_fault_50_a_start_that_fails_in_each_tick_has_failed_since_the_first_one() -> None:
    simulated = world(agent("a"), agent("b"), refuses=lambda _: "ThrottlingException")

    for _ in range(6):
        simulated.tick(ALL)
        simulated.advance()

    failure = last_tick(simulated).failure
    assert failure
    assert (failure.operation, failure.code, failure.since) == ("StartExportTask", "ThrottlingException", START)
    assert failure.is_lasting(simulated.now)


def test_fault_53_in_an_outage_each_tick_after_an_hour_shows_a_failure_that_lasts() -> None:
    """Starts fail in some of these ticks only: later, all slots may be in use."""
    simulated = world(*(agent(f"a{number}", 30) for number in range(9)))
    simulated.tick(ALL)
    simulated.advance()
    simulated.before = unavailable
    lasting = []

    for _ in range(12):
        simulated.tick(ALL)
        failure = last_tick(simulated).failure
        lasting.append(failure is not None and failure.is_lasting(simulated.now))
        simulated.advance()

    assert lasting == [False] * 4 + [True] * 8


def unavailable(call: str) -> None:
    raising("StartExportTask", OutcomeUnknown("EndpointConnectionError"))(call)
    for name in ("DescribeAgents", "DescribeExportTasks", "ListConfigurations"):
        raising(name, ServiceError("EndpointConnectionError"))(call)


def test_without_a_permission_nothing_is_started_but_what_is_stored_is_settled() -> None:
    simulated = world(agent("a"), agent("b"), concurrent=1)
    simulated.tick(ALL)
    simulated.advance(HOUR)
    simulated.before = raising("StartExportTask", NonRetryableError("AuthorizationErrorException"))

    tick = simulated.tick(ALL)

    assert tick.failure
    assert tick.failure.refused
    assert state(simulated).covered
    assert not any("asked" in item for item in simulated.items())


def test_a_tick_that_runs_out_of_time_ends_and_the_next_ones_go_on() -> None:
    simulated = world(*(agent(f"a{number:04}", 1) for number in range(3_000)))
    simulated.calls_per_tick = 1_000

    for _ in range(4):
        simulated.tick(ALL)
        assert simulated.calls <= 1_010
        simulated.advance()

    assert len(found(simulated).agents) == 3_000
    assert found(simulated).share


def test_an_agent_of_which_only_the_ping_moves_is_not_written_in_every_tick() -> None:
    simulated = world(*(agent(f"a{number}", 1) for number in range(9)), others=lambda now: 5)
    simulated.tick(ALL)

    simulated.agents_listed = [replace(each, last_ping_at=LAST_PING + HOUR) for each in simulated.agents_listed]
    simulated.advance()
    simulated.tick(ALL)
    few = simulated.calls
    simulated.agents_listed = [replace(each, last_ping_at=LAST_PING + 9 * HOUR) for each in simulated.agents_listed]
    simulated.advance()
    simulated.tick(ALL)

    assert simulated.calls - few >= 8


@pytest.mark.parametrize("code", ["ThrottlingException", "InvalidParameterException"])
def test_an_agent_whose_start_always_fails_does_not_keep_others_from_their_turn(code: str) -> None:
    """The outcome of the first is unknown each time: after the grace period, nothing has been started."""
    simulated = world(agent("a"), agent("b", 30), refuses=lambda each: code * (each.agent_id == "a"))

    run(simulated, replace(ALL, max_starts_per_day=24), ticks=200)

    assert found(simulated).agents[1].share == 1


@pytest.mark.parametrize("kind", [Kind.SUMMARY, Kind.RECOMMENDATIONS])
@pytest.mark.parametrize("others", [0, 5])
def test_a_summary_that_never_starts_does_not_keep_the_agents_from_their_turn(kind: Kind, others: int) -> None:
    simulated = world(agent(), refuses=lambda each: "ThrottlingException" * (each.kind is kind and not others))
    if others:
        simulated.before = only_for(simulated, kind, SlotsTaken("OperationNotPermittedException"))
    simulated.mark_due(kind, START)

    run(simulated, replace(ALL, summary=True, recommendations={}), ticks=30)

    assert found(simulated).share == 1


def test_an_item_of_an_agent_that_cannot_be_read_harms_no_other_agent() -> None:
    simulated = world(agent("a"), agent("b"))
    simulated.table["a"] = {"agentId": "a", "version": 3, "seenAt": "yesterday"}

    run(simulated, ticks=20)

    assert simulated.table["a"]["version"] == 3
    assert state(simulated, "b").covered
    assert "a" not in {task.agent_id for task in simulated.tasks.values()}


def test_what_is_no_longer_in_the_setting_counts_no_more_and_does_so_again_later() -> None:
    simulated = world(agent("a"), agent("b", 30), per_day=1)
    run(simulated, ticks=5)
    assert found(simulated).blocked
    simulated.advance(30 * DAY)

    simulated.tick(CollectSetting(summary=True))

    assert found(simulated).agents == []
    assert not found(simulated).uncovered
    assert found(simulated).blocked == []
    assert simulated.found == found(simulated)

    simulated.tick(CollectSetting(agents=AgentsSetting(ids=frozenset("a"))))
    assert [each.agent_id for each in found(simulated).agents] == ["a"]

    simulated.tick(ALL)
    assert [each.agent_id for each in found(simulated).agents] == ["a", "b"]
    assert state(simulated).covered


def test_a_pause_starts_nothing_settles_what_is_in_progress_and_goes_on_afterwards() -> None:
    simulated = world(agent("a", 30))
    simulated.mark_due(Kind.SUMMARY, START)
    simulated.tick(ALL)
    simulated.advance(HOUR)

    simulated.tick(CollectSetting())

    assert len(simulated.tasks) == 1
    assert not state(simulated).pending
    assert state(simulated).covered == (TimeRange(LAST_PING - 3 * DAY, LAST_PING),)

    simulated.tick(ALL)
    assert ranges(simulated) == [
        (LAST_PING - 3 * DAY, LAST_PING),
        (LAST_PING - 6 * DAY, LAST_PING - 3 * DAY),
    ]


def test_times_that_the_service_omits_once_are_not_forgotten() -> None:
    """Otherwise, the agent would be exported from its first data on."""
    simulated = world(agent("a", 30), others=lambda now: 5 if now == START else 0)
    simulated.tick(ALL)
    simulated.agents_listed = (agent(registered_at=None, last_ping_at=None),)

    simulated.advance()
    simulated.tick(ALL)

    assert ranges(simulated) == [(LAST_PING - 3 * DAY, LAST_PING)]


def test_a_block_ends_when_no_agent_has_anything_to_start() -> None:
    simulated = world(agent("a", 0.5), agent("b"), per_day=1)
    simulated.tick(ALL)
    assert found(simulated).blocked

    simulated.advance(2 * DAY)
    simulated.tick(CollectSetting(agents=AgentsSetting(ids=frozenset("a"))))

    assert found(simulated).blocked == []


def test_an_export_that_the_service_never_finishes_is_given_up_after_a_week() -> None:
    simulated = world(agent(days=3), duration=30 * DAY)
    simulated.tick(ALL)
    simulated.now += 6 * DAY
    simulated.catalog["export-1"] |= {"status": "TIMED_OUT", "exportStatus": "IN_PROGRESS"}
    simulated.tick(ALL)
    assert "asked" in simulated.table["a"]

    simulated.now += DAY
    simulated.catalog["export-1"] |= {"status": "TIMED_OUT", "exportStatus": "IN_PROGRESS"}
    simulated.tick(ALL)

    assert list(simulated.tasks) == ["export-1", "export-2"]


def test_a_summary_that_the_service_never_finishes_is_given_up_after_a_week() -> None:
    simulated = World()
    simulated.mark_due(Kind.SUMMARY, START)
    setting = CollectSetting(summary=True)
    simulated.tick(setting)
    simulated.now += 7 * DAY
    simulated.catalog["export-1"] |= {"status": "TIMED_OUT", "exportStatus": "IN_PROGRESS"}

    simulated.tick(setting)

    assert list(simulated.tasks) == ["export-1", "export-2"]


def raising(call: str, error: Exception) -> Callable[[str], None]:
    def raise_error(name: str) -> None:
        if name == call:
            raise error

    return raise_error


def only_for(simulated: World, kind: Kind, error: Exception) -> Callable[[str], None]:
    """Raises the error for starts of the kind only."""
    start = simulated._start

    def refuse(request: Request) -> str:
        if request.kind is kind:
            raise error
        return start(request)

    simulated._start = refuse  # type: ignore[method-assign]
    return lambda _: None


class Killed(BaseException):
    """The invocation was killed."""


class Kills:
    """Kills an invocation before or after one of its calls: each even number is a moment before one, each odd after."""

    def __init__(self, simulated: World, moments: list[int]) -> None:
        self._moments = moments
        self._left: int | None = None
        self.killed = False
        simulated.before = simulated.after = lambda _: self._pass()

    def tick(self, simulated: World, setting: CollectSetting) -> None:
        self._left = self._moments.pop(0) if self._moments else None
        with suppress(Killed):
            simulated.tick(setting)
        self._left = None

    def _pass(self) -> None:
        if self._left is None:
            return
        if self._left == 0:
            self._left = None
            self.killed = True
            raise Killed
        self._left -= 1


def test_fault_49_a_kill_before_or_after_each_single_call_starts_nothing_twice() -> None:
    """The exports take longer than the grace period, so the service cannot say that one is already present."""
    setting = replace(ALL, summary=True, max_starts_per_day=9)
    moment = 0
    while True:
        simulated = world(agent("a", 2), agent("b", 2), duration=2 * HOUR)
        simulated.mark_due(Kind.SUMMARY, START)
        kills = Kills(simulated, [moment])
        kills.tick(simulated, setting)
        for _ in range(30):
            simulated.advance()
            kills.tick(simulated, setting)

        assert sorted(task.agent_id or "" for task in simulated.tasks.values()) == ["", "a", "b"], moment
        assert set(simulated.handed_over) == set(simulated.tasks), moment
        assert found(simulated).share == 1, moment
        if not kills.killed:
            break
        moment += 1

    assert moment > 40


FLEET = st.lists(st.floats(0.3, 9), min_size=1, max_size=4)


@settings(deadline=None, max_examples=30)
@given(
    moments=st.lists(st.integers(0, 60), max_size=25),
    fleet=FLEET,
    capacity=st.sampled_from([None, 30 * HOUR, 7 * HOUR]),
    limit=st.sampled_from([None, 4]),
    per_day=st.sampled_from([None, 3]),
    listed_after=st.sampled_from([timedelta(), GRACE]),
)
def test_fault_49_after_kills_at_any_call_everything_is_covered_and_no_range_is_started_twice(
    moments: list[int],
    fleet: list[float],
    capacity: timedelta | None,
    limit: int | None,
    per_day: int | None,
    listed_after: timedelta,
) -> None:
    agents = [agent(f"a{number}", days) for number, days in enumerate(fleet)]
    simulated = world(*agents, capacity=lambda _: capacity, per_day=per_day, listed_after=listed_after)
    setting = replace(ALL, max_starts_per_day=limit, summary=True)
    simulated.mark_due(Kind.SUMMARY, START)
    kills = Kills(simulated, list(moments))
    started_in_a_day = []

    for _ in range(4 * 24 * 60):
        kills.tick(simulated, setting)
        started_in_a_day.append(sum(simulated.now - DAY < each.requested_at for each in simulated.tasks.values()))
        assert simulated.own_in_progress() <= MAX_IN_PROGRESS
        if is_finished(simulated, len(agents)):
            break
        simulated.advance()

    requested = Counter((task.kind, task.agent_id, task.start, task.end) for task in simulated.tasks.values())
    assert max(requested.values()) == 1
    assert found(simulated).share == 1
    assert set(simulated.handed_over) == set(simulated.tasks)
    assert all("askedFor" in row for row in simulated.catalog.values())
    assert limit is None or max(started_in_a_day) <= limit
    events = Counter(data["agentId"] for name, data in simulated.events if name == "Agent Covered")
    assert set(events) == {each.id for each in agents}


def is_finished(simulated: World, agents: int) -> bool:
    items = list(simulated.items())
    return (
        sum(item.get("announcedCovered", False) for item in items) == agents
        and not any("asked" in item for item in items)
        and any("doneFor" in item for item in items)
    )
