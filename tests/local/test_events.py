"""One event for each export, and a message for each export that is not stored."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from local.stack.environment import ACCOUNT, REGION
from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Run, Stack

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
            "schemaNotes": 0,
            **SUCCEEDED,
        },
    }


def test_every_other_outcome_has_one_event_and_one_message(
    stack: Stack, service: Service, events: Inbox, messages: Inbox
) -> None:
    """Except TIMED_OUT and NOT_STORED: these tests take a minute or run alone, and are in other files.

    The exports that were not found have one message together.
    """
    stored, truncated = service.has(kind="ec2-recommendations"), service.has(kind="agent", is_truncated=True)
    failed = service.has(outcome="FAILED", status_message="no agents")
    rejected, unknown = service.has(download_url="http://exports.example/"), "export-unknown-without-message"

    run = stack.run(exportIds=[stored, truncated, failed, rejected, unknown])

    row = stack.row(truncated) or {}
    stored_data = {"kind": "agent", **{name: row[name] for name in ("bytes", "rows", "files", "schemaNotes")}}
    manifest = stack.uri(f"manifests/{truncated}.json")
    expected = {
        truncated: ("Export Truncated", {"outcome": "TRUNCATED", **stored_data, "manifest": manifest, **SUCCEEDED}),
        failed: ("Export Failed", {"outcome": "FAILED", "statusMessage": "no agents"}),
        rejected: ("Export Rejected", {"outcome": "REJECTED", "reason": "URL_REFUSED", **SUCCEEDED}),
        unknown: ("Export Not Found", {"outcome": "NOT_FOUND"}),
    }
    metadata = {"runId": run.name, "correlationId": None, "account": ACCOUNT, "region": REGION}
    for export_id, (detail_type, data) in expected.items():
        (event,) = events.of(export_id)
        detail = {"version": "1", "metadata": metadata, "data": {"exportId": export_id, **data}}
        assert (event["detail-type"], event["detail"]) == (detail_type, detail)
        found = [(message["detail-type"], message["detail"]) for message in messages.of(export_id)]
        assert found == ([(detail_type, detail)] if export_id != unknown else [])
    (together,) = (each for each in messages.all() if each["detail-type"] == "Exports Not Found" and of_run(each, run))
    report = stack.uri(f"runs/{run.name}.json")
    assert together["detail"]["metadata"] == metadata
    assert together["detail"]["data"] == {
        "outcome": "NOT_FOUND",
        "exports": 1,
        "exportIds": [unknown],
        "report": report,
    }
    assert len(events.of(stored)) == 1
    assert messages.of(stored) == []


def of_run(event: Mapping[str, Any], run: Run) -> bool:
    """Events about the coverage of an agent belong to no run."""
    return bool(event["detail"]["metadata"].get("runId") == run.name)


def test_attack_04_many_ids_that_do_not_exist_have_one_message_and_items_that_expire(
    stack: Stack, events: Inbox, messages: Inbox
) -> None:
    export_ids = [f"export-junk-{number}" for number in range(150)]

    run = stack.run(exportIds=export_ids, onFailure="report")

    assert run.counts == {"NOT_FOUND": 150}
    sent = [message for message in messages.all() if of_run(message, run)]
    assert [message["detail-type"] for message in sent] == ["Exports Not Found"]
    assert sent[0]["detail"]["data"]["exports"] == 150
    assert len(sent[0]["detail"]["data"]["exportIds"]) == 100
    published = [event["detail-type"] for event in events.all() if of_run(event, run)]
    assert Counter(published) == {"Export Not Found": 150, "Exports Not Found": 1}
    row = stack.row(export_ids[-1]) or {}
    assert (
        timedelta(days=29) < datetime.fromtimestamp(int(row["expiresAt"]), UTC) - datetime.now(UTC) < timedelta(days=31)
    )


def test_attack_06_forged_events_without_the_form_of_the_stack_reach_nobody(messages: Inbox) -> None:
    """Those with its form do, on a bus that others may use: docs/accounts.md."""
    data = {"exportId": "export-forged", "outcome": "FAILED", "statusMessage": "call 555-0100"}

    messages.forge("Urgent: call 555-0100", data)
    messages.forge("Export Stored", {**data, "outcome": "STORED"})
    messages.forge("Export Not Found", {**data, "outcome": "NOT_FOUND"})
    messages.forge("Export Failed", {**data, "outcome": "CALL 555-0100"})
    messages.forge("Export Failed", data, version="2")
    messages.forge("Export Failed", data, metadata={"runId": "forged", "account": "999999999999", "region": REGION})
    messages.forge("Export Failed", data, metadata={"runId": "forged"})

    assert messages.of("export-forged") == []


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
