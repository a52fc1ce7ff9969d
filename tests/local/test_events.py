"""One event for each export, and a message for each export that is not stored."""

import json

from local.stack.environment import ACCOUNT, REGION
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Stack

CORRELATION = "wave-2026/11: Köln"
SUCCEEDED = {"statusMessage": "SUCCEEDED"}
"""The status message of the test double."""


def test_a_stored_export_has_one_event(stack: Stack, service: Service, events: Inbox) -> None:
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
            **SUCCEEDED,
        },
    }


def test_every_other_outcome_has_one_event_and_one_message(
    stack: Stack, service: Service, events: Inbox, messages: Inbox
) -> None:
    """Except TIMED_OUT and NOT_STORED: these tests take a minute or run alone, and are in other files."""
    stored, truncated = service.has(kind="ec2-recommendations"), service.has(kind="agent", is_truncated=True)
    failed = service.has(outcome="FAILED", status_message="no agents")
    rejected, unknown = service.has(download_url="http://exports.example/"), "export-unknown-without-message"

    run = stack.run(exportIds=[stored, truncated, failed, rejected, unknown])

    row = stack.row(truncated) or {}
    stored_data = {"kind": "agent", "bytes": row["bytes"], "rows": row["rows"], "files": row["files"]}
    manifest = stack.uri(f"manifests/{truncated}.json")
    expected = {
        truncated: ("Export Truncated", {"outcome": "TRUNCATED", **stored_data, "manifest": manifest, **SUCCEEDED}),
        failed: ("Export Failed", {"outcome": "FAILED", "statusMessage": "no agents"}),
        rejected: ("Export Rejected", {"outcome": "REJECTED", "reason": "URL_REFUSED", **SUCCEEDED}),
        unknown: ("Export Not Found", {"outcome": "NOT_FOUND"}),
    }
    metadata = {"runId": run.name, "correlationId": None, "account": ACCOUNT, "region": REGION}
    for export_id, (detail_type, data) in expected.items():
        (event,), (message,) = events.of(export_id), messages.of(export_id)
        detail = {"version": "1", "metadata": metadata, "data": {"exportId": export_id, **data}}
        assert (event["detail-type"], event["detail"]) == (detail_type, detail)
        assert (message["detail-type"], message["detail"]) == (detail_type, detail)
    assert len(events.of(stored)) == 1
    assert messages.of(stored) == []


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
