"""The input of a run: ids, filters, or both."""

from local.double.data.data_center import DataCenter
from tests.local.service import Service
from tests.local.stack import Stack

# Agents of servers that the summary does not list: no other test uses them.
OTHERS_AGENT, FILTERED, BOTH, FAILING = (DataCenter().server(10_000 + number).agent_id for number in range(4))


def equals(*agents: str) -> list[dict[str, object]]:
    return [{"name": "agentIds", "condition": "EQUALS", "values": list(agents)}]


def test_duplicate_ids_count_once(stack: Stack, service: Service) -> None:
    first, second = service.has_many(2, kind="ec2-recommendations")

    run = stack.run(exportIds=[first, second, first, first])

    assert run.output["requested"] == 2
    assert [export["exportId"] for export in run.output["exports"]] == [first, second]
    assert service.sent(first) == len(service.download(second))


def test_filters_select_every_export_of_the_agents(stack: Stack, service: Service) -> None:
    wanted = [service.has(kind="agent", agent_id=FILTERED) for _ in range(3)]
    other = service.has(kind="agent", agent_id=OTHERS_AGENT)

    run = stack.run(filters=equals(FILTERED))

    assert run.counts == {"STORED": 3}
    assert {export["exportId"] for export in run.output["exports"]} == {*wanted}
    assert stack.row(other) is None


def test_ids_and_filters_are_combined(stack: Stack, service: Service) -> None:
    allowed = service.has(kind="agent", agent_id=BOTH)
    filtered_out = service.has(kind="agent", agent_id=OTHERS_AGENT)

    run = stack.run(exportIds=[allowed, filtered_out], filters=equals(BOTH), onFailure="report")

    assert run.outcome(allowed) == "STORED"
    assert run.outcome(filtered_out) == "NOT_FOUND"


def test_filters_report_by_default_and_fail_on_request(stack: Stack, service: Service) -> None:
    service.has(kind="agent", agent_id=FAILING, outcome="FAILED")

    reporting = stack.run(filters=equals(FAILING))
    failing = stack.run(filters=equals(FAILING), onFailure="fail")

    assert (reporting.status, reporting.output["counts"]["FAILED"]) == ("SUCCEEDED", 1)
    assert (failing.status, failing.error) == ("FAILED", "ExportsNotStored")


def test_filters_without_matches_give_an_empty_run(stack: Stack) -> None:
    run = stack.run(filters=equals("agent-without-exports"))

    assert run.status == "SUCCEEDED"
    assert run.output == {
        "runId": run.name,
        "requested": 0,
        "counts": {},
        "exports": [],
        "report": stack.uri(f"runs/{run.name}.json"),
    }


def test_one_run_accepts_150_ids(stack: Stack, service: Service) -> None:
    export_ids = service.has_many(150, kind="ec2-recommendations")

    run = stack.run(exportIds=export_ids)

    assert run.output["counts"] == {"STORED": 150}
    assert len(run.output["exports"]) == 100
    assert [export["exportId"] for export in (run.report or {})["exports"]] == export_ids
    assert len(stack.history(run.arn)) == 1 + 2
