"""Exports that are requested more than once, one after the other and at the same time."""

import pytest

from tests.local.inbox import Inbox
from tests.local.service import Service
from tests.local.stack import Stack


def test_a_second_run_downloads_nothing(stack: Stack, service: Service, events: Inbox) -> None:
    stored, truncated = service.has(kind="agent"), service.has(kind="agent", is_truncated=True)
    first = stack.run(exportIds=[stored, truncated])
    gets, rows = service.gets(stored, truncated), [stack.row(stored), stack.row(truncated)]

    second = stack.run(exportIds=[stored, truncated])

    assert gets > 0
    assert service.gets(stored, truncated) == gets
    assert second.output["exports"] == first.output["exports"]
    assert [stack.row(stored), stack.row(truncated)] == rows
    assert {stack.versions(key) for key in stack.keys_of(stored)} == {1}
    assert [len(events.of(stored)), len(events.of(truncated))] == [1, 1]


def test_fault_26_two_concurrent_runs_store_an_export_once(stack: Stack, service: Service, events: Inbox) -> None:
    export_ids = service.has_many(6, kind="agent")

    started = [stack.start({"exportIds": export_ids}) for _ in range(2)]
    runs = [stack.ended(arn) for arn in started]

    assert [run.counts for run in runs] == [{"STORED": 6}, {"STORED": 6}]
    for export_id in export_ids:
        size = len(stack.body(stack.manifest(export_id)["raw"]["key"]))
        assert service.sent(export_id) <= 2 * size
        assert {stack.versions(key) for key in stack.keys_of(export_id)} == {1}
        assert len(events.of(export_id)) == 1


@pytest.mark.parametrize(
    ("before", "outcome"),
    [({"download_url": "http://exports.example/"}, "REJECTED"), ({"outcome": "FAILED"}, "FAILED")],
)
def test_a_rejected_or_failed_export_is_stored_when_requested_again(
    stack: Stack, service: Service, events: Inbox, before: dict[str, str], outcome: str
) -> None:
    export_id = service.has(**before)
    first = stack.run(exportIds=[export_id])

    service.set_scenario(export_id)
    second = stack.run(exportIds=[export_id])

    assert (first.outcome(export_id), second.outcome(export_id)) == (outcome, "STORED")
    assert "reason" not in (stack.row(export_id) or {})
    assert [event["detail-type"] for event in events.of(export_id)] == [f"Export {outcome.title()}", "Export Stored"]


def test_rejected_bytes_are_kept_until_they_are_replaced(stack: Stack, service: Service) -> None:
    export_id = service.has_body(b"PK\x03\x04 is how a zip begins, but this is none")
    first = stack.run(exportIds=[export_id])
    kept = (stack.row(export_id) or {})["rawKey"]
    rejected = stack.body(kept)

    service.set_scenario(export_id, download_url="http://exports.example/")
    second = stack.run(exportIds=[export_id])
    after_second = stack.body((stack.row(export_id) or {})["rawKey"])
    service.set_scenario(export_id)
    third = stack.run(exportIds=[export_id])

    assert [run.outcome(export_id) for run in (first, second, third)] == ["REJECTED", "REJECTED", "STORED"]
    assert [run.reason(export_id) for run in (first, second)] == ["CORRUPT", "URL_REFUSED"]
    assert after_second == rejected
    assert stack.body(kept) == service.download(export_id) != rejected


def test_a_rejected_export_without_a_url_is_gone_when_requested_again(stack: Stack, service: Service) -> None:
    export_id = service.has_body(b"PK\x03\x04 is how a zip begins, but this is none")
    first = stack.run(exportIds=[export_id])

    service.set_scenario(export_id, no_download_url=True)
    second = stack.run(exportIds=[export_id])

    assert [run.reason(export_id) for run in (first, second)] == ["CORRUPT", "GONE"]


def test_an_export_that_is_still_failed_has_one_event(stack: Stack, service: Service, events: Inbox) -> None:
    export_id = service.has(outcome="FAILED")

    runs = [stack.run(exportIds=[export_id]) for _ in range(2)]

    assert [run.outcome(export_id) for run in runs] == ["FAILED", "FAILED"]
    assert len(events.of(export_id)) == 1


def test_an_export_that_was_not_found_is_stored_once_it_exists(stack: Stack, service: Service) -> None:
    export_id = "export-started-after-the-first-run"
    first = stack.run(exportIds=[export_id])

    service.set_scenario(export_id)
    second = stack.run(exportIds=[export_id])

    assert (first.outcome(export_id), second.outcome(export_id)) == ("NOT_FOUND", "STORED")
