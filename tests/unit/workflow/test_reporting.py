"""What a run came to."""

from collections.abc import Iterable
from typing import Any

from exports.model import Outcome
from exports.outcomes.rows import Row
from exports.workflow.reporting import Report, batch_results
from tests.unit.builders import batch, row
from tests.unit.fakes import FakeRecords


def accounts(*rows: Row, asked: Iterable[str] = (), failure: Any = None) -> tuple[list[dict[str, Any]], FakeRecords]:
    records = FakeRecords({each.export_id: each for each in rows})
    ids = list(asked) or [each.export_id for each in rows]
    return list(batch_results(batch(*ids), records, failure=failure, bucket="b")), records


def test_each_outcome_is_told_with_what_belongs_to_it() -> None:
    told, records = accounts(
        row("a", "STORED", kind="agent", manifestKey="manifests/a.json", statusMessage="kept to itself"),
        row("b", "FAILED", statusMessage="no agents"),
        row("c", "REJECTED", reason="CORRUPT"),
        row("d", "NOT_STORED", reason="AccessDenied", runId="run-1"),
    )

    assert told == [
        {"exportId": "a", "outcome": "STORED", "kind": "agent", "manifest": "s3://b/manifests/a.json"},
        {"exportId": "b", "outcome": "FAILED", "statusMessage": "no agents"},
        {"exportId": "c", "outcome": "REJECTED", "reason": "CORRUPT"},
        {"exportId": "d", "outcome": "NOT_STORED", "reason": "AccessDenied"},
    ]
    assert records.closed == ["a", "b", "c", "d"], "an event that is still owed goes out"


def test_an_export_without_an_outcome_of_this_run_has_timed_out() -> None:
    told, _ = accounts(
        row("running", "IN_PROGRESS"), row("earlier", "NOT_STORED", runId="run-0"), asked=["running", "earlier", "new"]
    )

    assert [each["outcome"] for each in told] == ["TIMED_OUT"] * 3


def test_what_another_run_recorded_meanwhile_is_told() -> None:
    """It was at the same export and has taken the row over: what kept it from storing kept this run from it, too."""
    meanwhile = "2026-11-23T12:00:00.000Z"
    told, records = accounts(
        row("taken", "NOT_STORED", reason="AccessDenied", runId="run-2", announcedAt=meanwhile), row("other", "STORED")
    )

    assert told[0] == {"exportId": "taken", "outcome": "NOT_STORED", "reason": "AccessDenied"}
    assert records.closed == ["other"], "its event is the other run's"


def test_a_sweep_whose_time_ran_out_tells_what_ended_the_last_try() -> None:
    told, _ = accounts(row("broken", "IN_PROGRESS", lastError="the source answered 503"))

    assert told == [{"exportId": "broken", "outcome": "TIMED_OUT", "reason": "the source answered 503"}]


def test_exports_of_a_batch_whose_checks_kept_failing_are_not_stored() -> None:
    failure = {"batch": 1, "error": "Runtime.HandlerError", "cause": '{"errorMessage": "InternalServerError"'}

    told, records = accounts(row("a", "STORED"), asked=["a", "b"], failure=failure)

    assert [each["outcome"] for each in told] == ["STORED", "NOT_STORED"]
    assert records.outcomes == {"b": (Outcome.NOT_STORED, "InternalServerError")}


def report(*outcomes: str) -> Report:
    return Report("run-1", [{"exportId": f"e{n}", "outcome": outcome} for n, outcome in enumerate(outcomes)], "b")


def test_the_answer_has_the_contracts_form() -> None:
    assert report("STORED", "FAILED", "STORED").to_json(2) == {
        "runId": "run-1",
        "requested": 3,
        "counts": {"STORED": 2, "FAILED": 1},
        "exports": [{"exportId": "e0", "outcome": "STORED"}, {"exportId": "e1", "outcome": "FAILED"}],
        "report": "s3://b/runs/run-1.json",
    }


def test_the_report_holds_every_export_however_many() -> None:
    assert len(report(*["STORED"] * 250).to_json()["exports"]) == 250


def test_truncated_is_landed_and_failed_is_not() -> None:
    assert report("STORED", "TRUNCATED").all_landed
    assert not report("STORED", "FAILED").all_landed
    assert report().all_landed
