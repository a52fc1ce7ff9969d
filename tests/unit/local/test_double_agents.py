"""Agents of the double, the limits of their exports, and the data of a range."""

import csv
import io
import json
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.doubles import START, Running

HOUR = 3600.0
NOON = START // 86400 * 86400 - 2 * 86400 + 43200
"""A noon two days before the start of the clock."""


def export_of(agent_id: str, start: float | None = None, end: float | None = None) -> dict[str, Any]:
    times = {"startTime": start, "endTime": end}
    return {
        "filters": [{"name": "agentIds", "condition": "EQUALS", "values": [agent_id]}],
        **{name: datetime.fromtimestamp(time, UTC) for name, time in times.items() if time is not None},
    }


def refusal(running: Running, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        running.start(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def listed(running: Running, **parameters: Any) -> list[dict[str, Any]]:
    pages = running.service.get_paginator("describe_agents").paginate(**parameters)
    return [dict(agent) for page in pages for agent in page["agentsInfo"]]


def servers(running: Running, **parameters: Any) -> list[dict[str, str]]:
    pages = running.service.get_paginator("list_configurations").paginate(configurationType="SERVER", **parameters)
    return [dict(server) for page in pages for server in page["configurations"]]


def where(name: str, *values: str, condition: str = "EQUALS") -> list[Any]:
    return [{"name": name, "condition": condition, "values": list(values)}]


def downloaded(running: Running, export_id: str) -> tuple[dict[str, list[list[str]]], dict[str, Any]]:
    """The rows of each file, without its header, and the results file."""
    with zipfile.ZipFile(io.BytesIO(running.open(running.download_url(export_id)).data)) as archive:
        files = {name.partition("_")[2]: archive.read(name).decode() for name in archive.namelist()}
    results = json.loads(files.pop("results.json"))
    return {name: list(csv.reader(io.StringIO(text, newline="")))[1:] for name, text in files.items()}, results


# Agents


def test_the_usual_agents_have_every_health_and_some_connectors(running: Running) -> None:
    agents = listed(running)

    assert {agent["health"] for agent in agents} == {
        "HEALTHY",
        "UNHEALTHY",
        "RUNNING",
        "UNKNOWN",
        "BLACKLISTED",
        "SHUTDOWN",
    }
    assert {agent["collectionStatus"] for agent in agents} == {"STARTED", "STOPPED"}
    assert {agent["agentType"] for agent in agents} == {"EC2", "OTHER", "AGENTLESS_CONNECTOR", "AGENTLESS_COLLECTOR"}
    assert [agent for agent in agents if "lastHealthPingTime" not in agent and "registeredTime" not in agent]


def test_a_deleted_agent_is_a_configuration_only(running: Running) -> None:
    kept, deleted = running.double.set_agents({}, {"deleted": True})

    assert [agent["agentId"] for agent in listed(running)] == [kept]
    assert {server["server.agentId"] for server in servers(running)} == {kept, deleted}
    assert running.double.agents() == [kept, deleted]


def test_connectors_have_neither_servers_nor_agent_exports(running: Running) -> None:
    connector, collector, agent = running.double.set_agents({"type": "CONNECTOR"}, {"type": "me-Collector"}, {})

    assert [server["server.agentId"] for server in servers(running)] == [agent]
    for other in (connector, collector):
        assert refusal(running, **export_of(other))[0] == "InvalidParameterValueException"
    assert running.double.agents() == [agent]


def test_times_of_agents_have_the_format_of_the_service(running: Running) -> None:
    running.double.set_agents(
        {"registered": START - 1, "last_ping": START}, {}, {"registered": None, "last_ping": None}
    )
    running.clock.now = START + 901

    scripted, usual, none = listed(running)

    assert (scripted["registeredTime"], scripted["lastHealthPingTime"]) == (
        "2027-01-15T07:59:59Z",
        "2027-01-15T08:00:00Z",
    )
    assert usual["lastHealthPingTime"] == "2027-01-15T08:15:00Z"
    assert none.keys() & {"registeredTime", "lastHealthPingTime"} == set()


def test_the_same_position_has_the_same_agent_however_many_there_are(running: Running) -> None:
    few = running.double.set_agents({}, {"health": "UNKNOWN"})
    many = running.double.set_agents(*[{}] * 300)

    assert many[:2] == few
    assert len(set(many)) == len(listed(running)) == len(servers(running)) == 300


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (where("collectionStatus", "STARTED"), {0, 1}),
        (where("collectionStatus", "STARTED", "STOPPED"), {0, 1, 2}),
        (where("collectionStatus", "STOPPED", "other", condition="NOT_EQUALS"), {0, 1}),
        (where("agentType", "CONN", condition="CONTAINS"), {1}),
        (where("agentType", "CONN", condition="NOT_CONTAINS"), {0, 2}),
        (where("health", "RUNNING") + where("collectionStatus", "STARTED"), {0}),
    ],
)
def test_filters_of_agents(running: Running, filters: list[Any], found: set[int]) -> None:
    ids = running.double.set_agents(
        {}, {"type": "CONNECTOR", "health": "UNKNOWN"}, {"collection_status": "STOPPED", "health": "UNKNOWN"}
    )

    assert {agent["agentId"] for agent in listed(running, filters=filters)} == {ids[number] for number in found}


def test_agents_are_selected_by_id_and_unknown_ids_are_absent(running: Running) -> None:
    ids = running.double.set_agents({}, {}, {})

    assert [agent["agentId"] for agent in listed(running, agentIds=[ids[2], "o-unknown-1"])] == [ids[2]]


def test_pages_of_agents_and_servers_have_each_once(running: Running) -> None:
    ids = running.double.set_agents(*[{}] * 25)
    running.double.settings(page_size=10)

    agents = [page["agentsInfo"] for page in running.service.get_paginator("describe_agents").paginate()]
    paginator = running.service.get_paginator("list_configurations")
    configurations = [page["configurations"] for page in paginator.paginate(configurationType="SERVER")]

    assert [len(page) for page in agents] == [len(page) for page in configurations] == [10, 10, 5]
    assert sorted(agent["agentId"] for page in agents for agent in page) == sorted(ids)
    assert sorted(server["server.agentId"] for page in configurations for server in page) == sorted(ids)


def test_servers_are_filtered_and_ordered(running: Running) -> None:
    running.double.settings(page_size=4)

    found = servers(
        running,
        filters=where("server.osName", "Linux"),
        orderBy=[{"fieldName": "server.osVersion", "sortOrder": "DESC"}, {"fieldName": "server.hostName"}],
    )

    keys = [(server["server.osVersion"], server["server.hostName"]) for server in found]
    assert len(keys) > 4
    assert {server["server.osName"] for server in found} == {"Linux"}
    assert keys == sorted(sorted(keys, key=lambda key: key[1]), key=lambda key: key[0], reverse=True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"filters": where("lastHealthPingTime", "x")},
        {"filters": where("health", "x", condition="LIKE")},
        {"filters": where("health")},
        {"maxResults": 101},
        {"maxResults": 0},
        {"nextToken": "made up"},
    ],
)
def test_an_invalid_request_for_agents_or_servers_is_rejected(running: Running, parameters: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        running.service.describe_agents(**parameters)
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        running.service.list_configurations(configurationType="SERVER", **parameters)


def test_other_configurations_and_orders_are_rejected(running: Running) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        running.service.list_configurations(configurationType="PROCESS")
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        running.service.list_configurations(configurationType="SERVER", orderBy=[{"fieldName": "server.tag"}])


# Limits


def test_exports_of_others_use_the_slots(running: Running) -> None:
    agent = running.double.agents()[0]
    running.double.add_many(5, {"kind": "agent", "in_progress_seconds": 60})

    assert refusal(running, **export_of(agent))[1].startswith("You have reached limit of maximum allowed concurrent")
    running.clock.now += 60
    assert running.start(**export_of(agent))


def test_the_daily_limit_counts_24_hours_and_has_its_text(running: Running) -> None:
    agents = running.double.agents()
    running.double.add({"kind": "agent", "age_seconds": 23 * HOUR}, {"kind": "agent", "age_seconds": 25 * HOUR})
    running.double.settings(daily_limit=2, daily_limit_message="Enough for today")
    running.start(**export_of(agents[0]))

    assert refusal(running, **export_of(agents[1])) == ("OperationNotPermittedException", "Enough for today")
    assert running.start()
    running.clock.now += HOUR
    assert running.start(**export_of(agents[1]))
    assert refusal(running, **export_of(agents[2]))[1] == "Enough for today"


def test_the_daily_limit_can_be_one_of_summaries(running: Running) -> None:
    running.double.settings(daily_limit=1, daily_limit_kinds=["summary"])
    running.start()

    assert refusal(running)[0] == "OperationNotPermittedException"
    assert running.start(**export_of(running.double.agents()[0]))


def test_an_equal_range_is_present_once_its_export_has_succeeded(running: Running) -> None:
    agent, other = running.double.agents()[:2]
    running.double.set_scenarios({"outcome": "FAILED"}, {"in_progress_seconds": 60})
    asked = export_of(agent, START - 7200, START - 3600)
    failed, first = running.start(**asked), running.start(**asked)

    running.clock.now += 60
    code, message = refusal(running, **asked)

    assert failed != first
    assert (code, message) == (
        "OperationNotPermittedException",
        f"A successful export is already present Export ID: {first}",
    )
    assert running.start(**export_of(agent, START - 7200, START - 3599))
    assert running.start(**export_of(other, START - 7200, START - 3600))


def test_a_range_with_an_open_end_is_never_present(running: Running) -> None:
    agent = running.double.agents()[0]

    assert len({running.start(**export_of(agent)), running.start(**export_of(agent))}) == 2
    assert len({running.start(**export_of(agent, NOON)), running.start(**export_of(agent, NOON))}) == 2


def test_an_agent_has_its_own_scenario_after_those_in_next(running: Running) -> None:
    failing, refused, usual = running.double.set_agents(
        {"scenario": {"outcome": "FAILED"}}, {"scenario": {"error_code": "InvalidParameterValueException"}}, {}
    )
    running.double.set_scenarios({"outcome": "ODD"})

    statuses = [running.status(running.start(**export_of(agent))) for agent in (failing, failing, usual)]

    assert statuses == ["ODD", "FAILED", "SUCCEEDED"]
    assert refusal(running, **export_of(refused))[0] == "InvalidParameterValueException"


PREFERENCES = {
    "enabled": True,
    "cpuPerformanceMetricBasis": {"name": "p95", "percentageAdjust": 80.5},
    "ramPerformanceMetricBasis": {"name": "MAX", "percentageAdjust": 100.0},
    "tenancy": "DEDICATED",
    "excludedInstanceTypes": ["t3.micro", "m5"],
    "preferredRegion": "eu-central-1",
    "reservedInstanceOptions": {
        "purchasingOption": "ALL_UPFRONT",
        "offeringClass": "CONVERTIBLE",
        "termLength": "THREE_YEAR",
    },
}


def test_what_was_requested_is_listed(running: Running) -> None:
    agent = running.double.agents()[0]
    ids = [
        running.start(preferences={"ec2RecommendationsPreferences": PREFERENCES}),
        running.start(**export_of(agent, NOON, NOON + HOUR)),
    ]

    recommendations, of_agent = running.double.exports()

    assert [recommendations["id"], of_agent["id"]] == ids
    assert (recommendations["kind"], recommendations["preferences"]) == ("ec2-recommendations", PREFERENCES)
    assert (of_agent["agent_id"], of_agent["requested_start"], of_agent["requested_end"]) == (agent, NOON, NOON + HOUR)
    assert (of_agent["status"], of_agent["requested_at"]) == ("SUCCEEDED", START)


@pytest.mark.parametrize(
    "changes",
    [
        {"cpuPerformanceMetricBasis": {"name": "p101"}},
        {"ramPerformanceMetricBasis": {"name": "AVERAGE"}},
        {"ramPerformanceMetricBasis": {"percentageAdjust": 100.5}},
        {"excludedInstanceTypes": ["t3 micro"]},
        {"excludedInstanceTypes": ["x" * 26]},
        {"preferredRegion": "frankfurt"},
        {"tenancy": "HOST"},
        {"reservedInstanceOptions": {**PREFERENCES["reservedInstanceOptions"], "termLength": "TWO_YEAR"}},  # type: ignore[dict-item]
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_an_invalid_preference_is_rejected(running: Running, changes: dict[str, Any]) -> None:
    preferences: Any = {"ec2RecommendationsPreferences": PREFERENCES | changes}

    assert refusal(running, preferences=preferences)[0] == "InvalidParameterValueException"


@pytest.mark.parametrize(
    "preferences",
    [
        {"ec2RecommendationsPreferences": {"reservedInstanceOptions": {"termLength": "ONE_YEAR"}}},
        {"ec2RecommendationsPreferences": {"excludedInstanceTypes": [""]}},
        {"ec2RecommendationsPreferences": {"enabled": "yes"}},
        {"ec2RecommendationsPreferences": {"percentageAdjust": 1}},
        {"ec2RecommendationsPreferences": {"ramPerformanceMetricBasis": {"percentageAdjust": -1}}},
        {},
    ],
    ids=json.dumps,
)
def test_preferences_that_boto3_would_not_send_are_rejected(running: Running, preferences: dict[str, Any]) -> None:
    answer = running.http.request(
        "POST",
        running.server.url,
        body=json.dumps({"preferences": preferences}).encode(),
        headers={
            "X-Amz-Target": "AWSPoseidonService_V2015_11_01.StartExportTask",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/discovery/aws4_request",
        },
    )

    assert (answer.status, answer.json()["__type"]) == (400, "InvalidParameterException")


# Data of a range


def test_windows_have_the_rows_of_their_range_and_share_those_of_a_shared_second(running: Running) -> None:
    (agent,) = running.double.set_agents({"sample_seconds": 900})
    start, middle, end = NOON, NOON + 13 * HOUR, NOON + 20 * HOUR + 1
    true = running.double.true_rows(agent, start, end)

    parts = [
        downloaded(running, running.start(**export_of(agent, *window))) for window in ((start, middle), (middle, end))
    ]

    assert len(true) == 6
    assert len(true["systemPerformance.csv"]) == 81
    for name, rows in true.items():
        together = Counter(tuple(row) for files, _ in parts for row in files[name])
        assert set(together) == {tuple(row) for row in rows}, name
        assert len(set(together)) == len(rows) > 0, name
        assert max(together.values()) == (1 if name in {"osInfo.csv", "networkInterface.csv", "process.csv"} else 2)
    assert parts[0][1]["ExportSummary"] == {
        "isTruncated": False,
        "ActualStartTime": "2027-01-13 12:00:00",
        "ActualEndTime": "2027-01-14 01:00:00",
    }


def test_an_export_of_too_many_samples_is_truncated_after_them(running: Running) -> None:
    (agent,) = running.double.set_agents({"sample_seconds": 60, "max_samples": 100})

    long, short = (
        running.start(**export_of(agent, NOON, NOON + 4 * HOUR)),
        running.start(**export_of(agent, NOON, NOON + 99 * 60)),
    )

    files, results = downloaded(running, long)
    assert len(files["systemPerformance.csv"]) == 100
    assert running.describe(long)[0]["isTruncated"] is results["ExportSummary"]["isTruncated"] is True
    assert results["ExportSummary"]["ActualEndTime"] == "2027-01-13 13:39:00"
    assert results["RequestedEndTime"] == "2027-01-13 16:00:00"
    assert running.describe(short)[0]["isTruncated"] is False
    assert len(downloaded(running, short)[0]["systemPerformance.csv"]) == 100


def test_an_export_of_a_window_that_is_too_long_is_truncated_without_progress(running: Running) -> None:
    (agent,) = running.double.set_agents({"sample_seconds": 900, "max_window_seconds": HOUR})

    long, fits = (
        running.start(**export_of(agent, NOON, NOON + HOUR + 1)),
        running.start(**export_of(agent, NOON, NOON + HOUR)),
    )

    files, results = downloaded(running, long)
    assert (files, results["ExportSummary"]) == ({}, {"isTruncated": True})
    assert running.describe(long)[0]["isTruncated"] is True
    assert running.describe(fits)[0]["isTruncated"] is False
    assert len(downloaded(running, fits)[0]["systemPerformance.csv"]) == 5


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOON - 30 * HOUR, NOON - 25 * HOUR),
        (NOON + HOUR, NOON + 2 * HOUR),
        (START - 600, START - 1),
        (NOON + 1, NOON + 2),
    ],
    ids=["before registration", "gap", "not shown yet", "between samples"],
)
def test_a_range_without_data_succeeds_without_files(running: Running, start: float, end: float) -> None:
    (agent,) = running.double.set_agents(
        {"sample_seconds": 300, "registered": NOON - 24 * HOUR, "gaps": [[NOON + HOUR, NOON + 2 * HOUR]]}
    )
    export_id = running.start(**export_of(agent, start, end))

    files, results = downloaded(running, export_id)

    assert (files, results["ExportSummary"]) == ({}, {"isTruncated": False})
    assert running.double.true_rows(agent, start, min(end, START - 900))["systemPerformance.csv"] == []


def test_data_ends_at_the_last_report_and_an_agent_that_never_reported_has_none(running: Running) -> None:
    silent, never, deleted = running.double.set_agents(
        {"sample_seconds": 900, "last_ping": NOON + HOUR},
        {"sample_seconds": 900, "last_ping": None, "registered": None},
        {"sample_seconds": 900, "last_ping": NOON, "deleted": True},
    )
    window = (NOON, NOON + 3 * HOUR)

    counts = [
        len(downloaded(running, running.start(**export_of(agent, *window)))[0].get("systemPerformance.csv", []))
        for agent in (silent, never, deleted)
    ]

    assert counts == [5, 0, 1]


def test_an_export_without_a_range_has_the_newest_72_hours(running: Running) -> None:
    (agent,) = running.double.set_agents({"sample_seconds": 900})
    running.double.settings(data_delay_seconds=0)

    _, results = downloaded(running, running.start(**export_of(agent)))

    end = datetime.fromtimestamp(START, UTC)
    assert results["RequestedStartTime"] == f"{end - timedelta(hours=72):%Y-%m-%d %H:%M:%S}"
    assert results["ExportSummary"]["ActualEndTime"] == f"{end:%Y-%m-%d %H:%M:%S}"


def test_rows_do_not_depend_on_when_they_are_exported(running: Running) -> None:
    (agent,) = running.double.set_agents({"sample_seconds": 900})
    before = downloaded(running, running.start(**export_of(agent, NOON, NOON + HOUR)))[0]

    running.clock.now += 10 * 86400
    after = downloaded(running, running.start(**export_of(agent, NOON - HOUR, NOON + HOUR)))[0]

    assert [row for row in after["systemPerformance.csv"] if row[-1] >= "2027-01-13 12:00:00"] == before[
        "systemPerformance.csv"
    ]
