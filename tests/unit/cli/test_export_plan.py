"""What the setting ``collect`` would start."""

from datetime import timedelta

from discovery_exports.cli.export_plan import plan, slots_per_day
from exports.collecting.agent_state import AgentState
from exports.collecting.agents import Agent
from exports.collecting.setting import AgentsSetting, CollectSetting
from tests.unit.builders import NOW

DAY = timedelta(days=1)


def test_the_plan_has_the_number_of_exports_and_what_they_take() -> None:
    agents = [Agent(f"a{number}", registered_at=NOW - 92 * DAY, last_ping_at=NOW - 2 * DAY) for number in range(200)]
    states = [AgentState(agent.id, seen_at=NOW).described_by(agent) for agent in agents]
    setting = CollectSetting(agents=AgentsSetting(), max_starts_per_day=10)

    found = plan(states, setting, NOW).to_json()

    assert (found["agents"], found["exports"]) == (200, 6000)
    assert found["days"] == {"twoPerDay": 3000.0, "fiveAtOnce": 25.0, "maxStartsPerDay": 600.0}
    assert found["first"][0] == {
        "agentId": "a0",
        "from": "2026-11-18T12:00:00.000Z",
        "to": "2026-11-21T12:00:00.000Z",
    }


def test_a_slot_is_filled_by_the_tick_after_the_end_of_its_export() -> None:
    assert slots_per_day(5, timedelta(minutes=15)) == 480
    assert slots_per_day(5, timedelta(minutes=16)) == 240
