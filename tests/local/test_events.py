"""What others hear of exports: one event each, and a message for each that was not stored."""

import json

from local.environment import ACCOUNT, REGION
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Stack

CORRELATION = "wave-2026/11: Köln"


def test_a_stored_export_is_announced_once(stack: Stack, service: Service, events: Inbox) -> None:
    export_id = service.has(kind="agent")

    run = stack.run(exportIds=[export_id], correlationId=CORRELATION)

    (event,) = events.of(export_id)
    row = stack.row(export_id) or {}
    assert (event["source"], event["detail-type"]) == ("discovery.exports", "Export Stored")
    assert event["detail"] == {
        "version": "1",
        "metadata": {"runId": run.name, "correlationId": CORRELATION, "account": ACCOUNT, "region": REGION},
        "data": {
            "exportId": export_id,
            "outcome": "STORED",
            "kind": "agent",
            "manifest": stack.uri(f"manifests/{export_id}.json"),
            "bytes": row["bytes"],
            "rows": row["rows"],
            "files": row["files"],
        }
        | {name: value for name, value in event["detail"]["data"].items() if name == "statusMessage"},
    }


def test_every_other_outcome_is_announced_once_to_bus_and_topic(
    stack: Stack, service: Service, events: Inbox, messages: Inbox
) -> None:
    stored, truncated = service.has(kind="ec2-recommendations"), service.has(kind="agent", is_truncated=True)
    failed = service.has(outcome="FAILED", status_message="no agents")
    rejected, unknown = service.has(link="http://exports.example/"), "export-not-announced-by-anybody"

    stack.run(exportIds=[stored, truncated, failed, rejected, unknown])

    expected = {
        truncated: "Export Truncated",
        failed: "Export Failed",
        rejected: "Export Rejected",
        unknown: "Export Not Found",
    }
    for export_id, detail_type in expected.items():
        (event,), (message,) = events.of(export_id), messages.of(export_id)
        assert event["detail-type"] == message["detail-type"] == detail_type
        assert event["detail"] == message["detail"]
    assert len(events.of(stored)) == 1
    assert messages.of(stored) == []
    assert events.of(failed)[0]["detail"]["data"] == {
        "exportId": failed,
        "outcome": "FAILED",
        "statusMessage": "no agents",
    }
    assert events.of(rejected)[0]["detail"]["data"]["reason"] == "URL_REFUSED"
    assert events.of(truncated)[0]["detail"]["data"]["manifest"] == stack.uri(f"manifests/{truncated}.json")


def test_the_correlation_id_is_copied_everywhere(stack: Stack, service: Service, events: Inbox) -> None:
    stored, failed, unknown = service.has(), service.has(outcome="FAILED"), "export-correlated-and-unknown"

    run = stack.run(exportIds=[stored, failed, unknown], correlationId=CORRELATION, onFailure="report")

    assert stack.manifest(stored)["correlationId"] == CORRELATION
    for export_id in (stored, failed, unknown):
        assert (stack.row(export_id) or {})["correlationId"] == CORRELATION
        assert [event["detail"]["metadata"]["correlationId"] for event in events.of(export_id)] == [CORRELATION]
    assert logged_by(stack, run.name, CORRELATION) == {
        stack.function(name) for name in ("PlanRun", "CheckExports", "StoreExport", "ReportRun")
    }


def logged_by(stack: Stack, run_id: str, correlation_id: str) -> set[str]:
    """The functions that logged lines of the run with the correlation id."""
    lines = (json.loads(message) for _, message in stack.log_lines() if message.startswith("{"))
    ours = (line for line in lines if line.get("run_id") == run_id and line.get("correlation_id") == correlation_id)
    return {line["function_name"] for line in ours}
