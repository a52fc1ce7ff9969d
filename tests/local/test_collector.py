"""The collector on the local AWS: what it starts, a run stores, and everybody can see what for."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.stack.aws import LocalAws
from tests.local.collector import CollectingStack, collecting_stack
from tests.local.service import Service

pytestmark = pytest.mark.alone

COLLECT = {
    "summary": "rate(7 days)",
    "recommendations": {"schedule": "rate(30 days)", "preferences": {"tenancy": "SHARED"}},
    "agents": {"ids": "all"},
}
REGISTERED = datetime(2026, 11, 20, 6, tzinfo=UTC)
LAST_PING = REGISTERED + timedelta(hours=90)


@pytest.fixture(scope="module")
def agent(service: Service) -> Iterator[str]:
    """The only agent of the account, which has sent data for 90 hours; beside it, a connector."""
    agent = {"registered": REGISTERED.timestamp(), "last_ping": LAST_PING.timestamp(), "sample_seconds": 3600}
    yield service.double.set_agents(agent, {"type": "AGENTLESS_CONNECTOR"})[0]
    service.double.reset()


@pytest.fixture(scope="module")
def collecting(aws: LocalAws, agent: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectingStack]:
    with collecting_stack(aws, COLLECT, tmp_path_factory.mktemp("collecting")) as stack:
        yield stack


def test_a_tick_starts_an_export_and_a_run_that_stores_it(collecting: CollectingStack, agent: str) -> None:
    """Newest first: 72 hours up to the last ping, then the 18 hours before."""
    newest = (LAST_PING - timedelta(hours=72), LAST_PING)
    oldest = (REGISTERED, LAST_PING - timedelta(hours=72))
    for first, last in (newest, oldest):
        assert collecting.tick() == "SUCCEEDED"

        (run,) = collecting.new_runs()
        assert run.counts == {"STORED": 1}, "the run is started with onFailure: report"
        row = collecting.row(run.output["exports"][0]["exportId"]) or {}
        asked = row["askedFor"]
        assert (asked["kind"], asked["agentId"]) == ("agent", agent)
        assert [datetime.fromisoformat(asked[part]) for part in ("from", "to")] == [first, last]
    assert collecting.tick() == "SUCCEEDED"
    assert collecting.new_runs() == []
    assert collecting.coverage().share == 1


@pytest.mark.parametrize(("due", "kind"), [("summary", "summary"), ("recommendations", "ec2-recommendations")])
def test_what_a_schedule_says_is_due_is_exported_once(collecting: CollectingStack, due: str, kind: str) -> None:
    at = datetime.now(UTC).isoformat()

    assert {collecting.tick(due=due, scheduledAt=at), collecting.tick(due=due, scheduledAt=at)} == {"SUCCEEDED"}

    runs = collecting.new_runs()
    assert [run.counts for run in runs] == [{"STORED": 1}], [(run.name, run.report, collecting.items()) for run in runs]
    row = collecting.row(runs[0].output["exports"][0]["exportId"]) or {}
    assert (row["kind"], row["askedFor"]) == (kind, {"kind": kind})


def test_coverage_is_a_table_or_json(collecting: CollectingStack, agent: str) -> None:
    document = json.loads(collecting.command("coverage", "-o", "json").stdout)
    table = collecting.command("coverage", "-o", "table").stdout

    assert [each["agentId"] for each in document["agents"]] == [agent]
    assert agent in table
