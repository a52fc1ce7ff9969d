"""The collector on the local AWS: what it starts, a run stores, and everybody can see what for."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.double.service import CONFIGURED_ERROR
from local.stack.aws import LocalAws
from local.stack.servers import ROOT
from tests.local.athena import Athena
from tests.local.caller import as_operator
from tests.local.collector import CollectingStack, collecting_stack
from tests.local.commands import run_command
from tests.local.service import Service
from tests.local.stack import Run
from tests.local.test_runbook import EXIT_CODES

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
    service.reset()


@pytest.fixture(scope="module")
def collecting(aws: LocalAws, agent: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectingStack]:
    with collecting_stack(aws, COLLECT, tmp_path_factory.mktemp("collecting")) as stack:
        yield stack


@pytest.fixture(scope="module")
def runs(collecting: CollectingStack) -> list[Run]:
    """The runs of the ticks that export all data of the agent, newest data first."""
    runs = []
    for _ in range(2):
        assert collecting.tick() == "SUCCEEDED"
        runs += collecting.new_runs()
    assert collecting.tick() == "SUCCEEDED"
    assert collecting.new_runs() == []
    return runs


def test_each_tick_starts_an_export_and_a_run_that_stores_it(
    aws: LocalAws, collecting: CollectingStack, runs: list[Run], agent: str
) -> None:
    """Newest first: 72 hours up to the last ping, then the 18 hours before."""
    newest = (LAST_PING - timedelta(hours=72), LAST_PING)
    oldest = (REGISTERED, LAST_PING - timedelta(hours=72))

    for run, (first, last) in zip(runs, (newest, oldest), strict=True):
        assert run.counts == {"STORED": 1}, "the run is started with onFailure: report"
        row = collecting.row(run.output["exports"][0]["exportId"]) or {}
        asked = row["askedFor"]
        assert (asked["kind"], asked["agentId"]) == ("agent", agent)
        assert [datetime.fromisoformat(asked[part]) for part in ("from", "to")] == [first, last]
        assert Athena(aws, outputs=collecting.outputs).rows(
            "SELECT askedforkind, askedforagentid, askedforfrom, askedforto FROM exports"
            f" WHERE exportid = '{row['exportId']}'"
        ) == [("agent", agent, f"{first:%Y-%m-%d %H:%M:%S}", f"{last:%Y-%m-%d %H:%M:%S}")]
    assert collecting.coverage().share == 1


@pytest.mark.usefixtures("runs")
def test_the_status_page_shows_the_agent(collecting: CollectingStack, agent: str) -> None:
    """As of the last run, which ended before the tick that counted its export."""
    assert '<section id="coverage"' in (page := collecting.body("status/index.html").decode())
    assert agent in page


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(("due", "kind"), [("summary", "summary"), ("recommendations", "ec2-recommendations")])
def test_what_a_schedule_says_is_due_is_exported_once(collecting: CollectingStack, due: str, kind: str) -> None:
    collecting.new_runs()
    at = datetime.now(UTC).isoformat()

    assert collecting.tick(due=due, scheduledAt=at) == "SUCCEEDED"
    (run,) = collecting.new_runs()
    assert collecting.tick(due=due, scheduledAt=at) == "SUCCEEDED"

    assert (run.counts, collecting.new_runs()) == ({"STORED": 1}, [])
    row = collecting.row(run.output["exports"][0]["exportId"]) or {}
    assert (row["kind"], row["askedFor"]) == (kind, {"kind": kind})


@pytest.mark.usefixtures("runs")
def test_the_command_shows_what_is_covered_and_what_would_be_started(collecting: CollectingStack, agent: str) -> None:
    covered = json.loads(collecting.command("coverage", "-o", "json").stdout)
    planned = json.loads(collecting.command("plan", "-o", "json").stdout)

    assert [(each["agentId"], each["share"]) for each in covered["agents"]] == [(agent, 1.0)]
    assert (planned["agents"], planned["exports"], planned["agentsWithoutExports"]) == (1, 2, 1)
    assert [each["agentId"] for each in planned["first"]] == [agent]


@pytest.mark.usefixtures("runs")
def test_an_export_that_is_started_by_hand_is_stored(collecting: CollectingStack, agent: str) -> None:
    day = ["--from", f"{REGISTERED:%Y-%m-%dT%H:%MZ}", "--to", f"{REGISTERED + timedelta(days=1):%Y-%m-%dT%H:%MZ}"]

    started = collecting.command("start", "agent", agent, *day, "--wait", "-o", "json")

    (result,) = json.loads(started.stdout)
    row = collecting.row(result["exportId"]) or {}
    assert (started.returncode, result["outcome"], row["kind"]) == (0, "STORED", "agent")


@pytest.mark.usefixtures("runs")
def test_an_operator_with_the_policy_of_the_examples_may_start_plan_and_see_what_is_covered(
    aws: LocalAws, collecting: CollectingStack, service: Service, agent: str
) -> None:
    names = {
        "StackName": collecting.name,
        "DatabaseName": collecting.outputs["DatabaseName"],
        "CollectingTableName": collecting.collecting_table,
        "CollectorStateMachineArn": collecting.collector,
    }
    operator = as_operator(aws, collecting, **names)
    before = service.double.counts()["calls"]

    codes = {
        words: collecting.command(*words.split(), variables=operator).returncode
        for words in ("start summary --no-store", "plan", "coverage", f"list --agent {agent}")
    }
    doctor = collecting.command("doctor", variables=operator).stdout
    less = collecting.command("coverage", variables=as_operator(aws, collecting, without="FollowCollector", **names))

    assert set(codes.values()) == {0}, codes
    assert "the collector ran at" in doctor
    assert (less.returncode, "AWS refused Scan: AccessDenied" in less.stderr) == (254, True), less.stderr
    # The double of the service checks no permissions.
    calls = {name for name, count in service.double.counts()["calls"].items() if count > before.get(name, 0)}
    policy = (ROOT / "examples" / "operator.policy.json").read_text("utf-8")
    assert {f"discovery:{call}" for call in calls} == set(re.findall(r"discovery:\w+", policy))


@pytest.mark.usefixtures("runs")
def test_fault_53_a_collector_that_the_service_refuses_fails_and_says_why_until_a_tick_may_call_it_again(
    collecting: CollectingStack, service: Service
) -> None:
    with service.with_settings(refuse_with="AuthorizationErrorException"):
        assert collecting.tick() == "FAILED"
    failed = collecting.last_execution()
    shown = collecting.command("coverage", "-o", "table")
    doctor = collecting.command("doctor", "-o", "table")

    assert failed["error"] == "AuthorizationErrorException"
    said = f"the collector cannot list the agents. DescribeAgents failed with {failed['error']}: {CONFIGURED_ERROR}"
    assert said in failed["cause"]
    assert said in shown.stdout.splitlines()[0]
    assert shown.returncode == 254
    assert re.search(f"FAIL +collecting +Since .*{re.escape(said)}", doctor.stdout)
    assert collecting.tick() == "SUCCEEDED"
    assert collecting.coverage().last_tick.failure is None


@pytest.mark.usefixtures("runs")
def test_the_commands_of_the_runbook_show_the_state_of_the_collector(
    aws: LocalAws, collecting: CollectingStack
) -> None:
    """Those of the sections that only a stack with the setting can run, after those that prepare the shell."""
    page = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    prepare = re.search(r"## Prepare the shell.*?```console\n(.*?)```", page, re.DOTALL)
    commands = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert prepare
    assert len(commands) == 5
    script = prepare[1].replace("stack=DiscoveryExports", f"stack={collecting.name}") + EXIT_CODES + "\n".join(commands)

    done = run_command(aws, "bash", "-euxo", "pipefail", "-c", script)

    assert done.returncode == 0, done.stderr
    assert collecting.collector.replace(":stateMachine:", ":execution:") in done.stdout, "the tick that it started"
    assert '"share": 1.0' in done.stdout
