"""The results of a run."""

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.outcomes.outcome import Outcome
from exports.outcomes.rows import MAX_TEXT, Row
from exports.workflow.reporting import Report, batch_failures, batch_results
from tests.unit.builders import ATTRIBUTES, ODD_VALUES, batch, row
from tests.unit.fakes import FakeRecords


def results(*rows: Row, ids: Iterable[str] = (), failure: Any = None) -> tuple[list[dict[str, Any]], FakeRecords]:
    records = FakeRecords({each.export_id: each for each in rows})
    ids = list(ids) or [each.export_id for each in rows]
    return list(batch_results(batch(*ids), records, failure=failure, bucket="b")), records


def test_each_outcome_is_reported_with_its_members() -> None:
    reported, records = results(
        row("a", "STORED", kind="agent", manifestKey="manifests/a.json", schemaNotes=0, statusMessage="not reported"),
        row("b", "FAILED", statusMessage="no agents"),
        row("c", "REJECTED", reason="CORRUPT"),
        row("d", "NOT_STORED", reason="AccessDenied", runId="run-1"),
        row("e", "STORED", kind="agent", manifestKey="manifests/e.json", schemaNotes=2),
    )

    assert reported == [
        {"exportId": "a", "outcome": "STORED", "kind": "agent", "manifest": "s3://b/manifests/a.json"},
        {"exportId": "b", "outcome": "FAILED", "statusMessage": "no agents"},
        {"exportId": "c", "outcome": "REJECTED", "reason": "CORRUPT"},
        {"exportId": "d", "outcome": "NOT_STORED", "reason": "AccessDenied"},
        {
            "exportId": "e",
            "outcome": "STORED",
            "kind": "agent",
            "manifest": "s3://b/manifests/e.json",
            "schemaNotes": 2,
        },
    ]
    assert records.closed == ["a", "b", "c", "d", "e"], "pending events are published"


def test_an_export_without_an_outcome_of_this_run_has_timed_out() -> None:
    reported, _ = results(
        row("running", "IN_PROGRESS"), row("earlier", "NOT_STORED", runId="run-0"), ids=["running", "earlier", "new"]
    )

    assert [each["outcome"] for each in reported] == ["TIMED_OUT"] * 3


def test_attack_05_an_outcome_that_was_not_recorded_because_of_another_run_is_reported() -> None:
    held = {"runId": "run-1", "outcome": "NOT_STORED", "reason": "AccessDenied"}
    reported, records = results(
        row("held", "IN_PROGRESS", unrecorded=held, lastError="busy"),
        row("recorded", "NOT_FOUND", runId="run-2", unrecorded={"runId": "run-1", "outcome": "NOT_FOUND"}),
        row("of-another", "IN_PROGRESS", unrecorded={**held, "runId": "run-2"}),
        failure={"error": "States.Timeout"},
    )

    assert reported == [
        {"exportId": "held", "outcome": "NOT_STORED", "reason": "AccessDenied"},
        {"exportId": "recorded", "outcome": "NOT_FOUND"},
        {"exportId": "of-another", "outcome": "NOT_STORED", "reason": "States.Timeout"},
    ]
    assert [*records.outcomes] == ["of-another"]


@pytest.mark.parametrize("text", ["\x1b]0;x\x07", "\u202e", "\u009b31m", "\u2066", "\U0001f600"])
def test_report_is_ascii_so_that_a_terminal_obeys_no_character(text: str) -> None:
    made = report_of([{"exportId": "a", "outcome": "FAILED", "statusMessage": text}])

    assert document(made)["exports"][0]["statusMessage"] == text
    made.file.seek(0)
    assert all(byte in b"\n" or 32 <= byte < 127 for byte in made.file.read())


def test_an_outcome_that_another_run_recorded_meanwhile_is_reported() -> None:
    """The other run has replaced the outcome in the item, and its reason holds for this run, too."""
    meanwhile = "2026-11-23T12:00:00.000Z"
    reported, records = results(
        row("taken", "NOT_STORED", reason="AccessDenied", runId="run-2", announcedAt=meanwhile), row("other", "STORED")
    )

    assert reported[0] == {"exportId": "taken", "outcome": "NOT_STORED", "reason": "AccessDenied"}
    assert records.closed == ["other"], "the other run publishes its event"


def test_a_timeout_of_a_sweep_has_the_last_error_as_reason() -> None:
    reported, _ = results(row("broken", "IN_PROGRESS", lastError="the source answered 503"))

    assert reported == [{"exportId": "broken", "outcome": "TIMED_OUT", "reason": "the source answered 503"}]


def test_exports_of_a_batch_that_failed_are_not_stored() -> None:
    failure = {"batch": 1, "error": "Runtime.HandlerError", "cause": '{"errorMessage": "InternalServerError"'}

    reported, records = results(row("a", "STORED"), ids=["a", "b"], failure=failure)

    assert [each["outcome"] for each in reported] == ["STORED", "NOT_STORED"]
    assert records.outcomes == {"b": (Outcome.NOT_STORED, "InternalServerError")}


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: str(value)[:12])
def test_bad_input_44_item_that_was_edited_by_hand_affects_no_other_in_the_report(name: str, value: Any) -> None:
    edited = Row({**row("edited", "FAILED", runId="run-1").item, name: value})

    reported, _ = results(row("a", "FAILED"), edited, row("b", "STORED"), ids=["a", "edited", "b"])

    made = report_of(reported)
    assert [each["exportId"] for each in document(made)["exports"]] == ["a", "edited", "b"]
    assert [each["outcome"] for each in reported][::2] == ["FAILED", "STORED"]
    assert len(json.dumps(made.output())) < 10_000


def child(number: int, **members: Any) -> dict[str, Any]:
    """The description of the child execution of a batch, as Step Functions gives it to an export of results."""
    pointer = {"batch": {"runId": "run-1", "number": number}}
    return {"ExecutionArn": "arn:aws:states:…", "Input": json.dumps(pointer), **members}


def test_a_batch_is_settled_only_if_its_child_execution_says_so() -> None:
    caught = {"batch": 2, "error": "States.Timeout", "cause": "late"}

    failures = batch_failures([{"batch": 1, "pending": 0}, caught, {"batch": 4, "pending": 0}], 4)

    assert failures == {2: {"error": "States.Timeout", "cause": "late"}, 3: {"error": "BatchNotSettled"}}


@pytest.mark.parametrize("children", [None, {}, [], "FAILED", {"MapRunArn": "arn"}, [None, None], [7, "x"], [[], {}]])
def test_no_batch_is_settled_by_any_other_output_of_the_map(children: Any) -> None:
    assert batch_failures(children, 2) == {1: {"error": "BatchNotSettled"}, 2: {"error": "BatchNotSettled"}}


@pytest.mark.parametrize("position", [0, 1, 2])
def test_description_of_a_failed_child_names_its_batch_wherever_it_stands(position: int) -> None:
    children: list[Any] = [{"batch": 1, "pending": 0}, {"batch": 3, "pending": 0}]
    children.insert(position, child(2, Status="FAILED", Error="States.DataLimitExceeded", Cause="The state…"))

    assert batch_failures(children, 3) == {2: {"error": "States.DataLimitExceeded", "cause": "The state…"}}


@pytest.mark.parametrize("odd_input", ["", "[]", "null", '{"batch": 7}', '{"batch": {"number": "7"}}', None])
def test_a_stopped_child_without_an_error_has_its_status_as_reason(odd_input: Any) -> None:
    children = [{"batch": 1, "pending": 0}, child(2, Status="ABORTED") | {"Input": odd_input}]

    assert batch_failures(children, 2) == {2: {"error": "ABORTED", "cause": ""}}


def test_children_of_an_earlier_version_settle_the_batch_of_their_position() -> None:
    children = [{"pending": 0}, {"batch": 2, "error": "States.Timeout"}, {"pending": 0}]

    assert set(batch_failures(children, 3)) == {2}
    assert set(batch_failures(children[:2], 3)) == {1, 2, 3}, "the position is not known if one is missing"


def report(*outcomes: str, **more: str) -> Report:
    return report_of({"exportId": f"e{number}", "outcome": outcome, **more} for number, outcome in enumerate(outcomes))


def report_of(exports: Iterable[Mapping[str, Any]]) -> Report:
    made = Report("run-1", "b", io.BytesIO())
    for export in exports:
        made.add(export)
    made.finish()
    return made


def document(of: Report) -> Any:
    assert isinstance(of.file, io.BytesIO)
    return json.loads(of.file.getvalue())


def test_the_output_and_the_report_have_the_documented_format() -> None:
    made = report("STORED", "FAILED", "STORED")

    assert made.output() == {
        "runId": "run-1",
        "requested": 3,
        "counts": {"STORED": 2, "FAILED": 1},
        "exports": [
            {"exportId": f"e{n}", "outcome": outcome} for n, outcome in enumerate(["STORED", "FAILED", "STORED"])
        ],
        "report": "s3://b/runs/run-1.json",
    }
    assert document(made) == made.output()


def test_a_report_of_no_exports_has_the_documented_format() -> None:
    assert document(report()) == {**report().output(), "exports": [], "counts": {}, "requested": 0}


def test_the_report_has_every_export_and_the_output_the_first_100() -> None:
    made = report(*["STORED"] * 250)

    assert len(document(made)["exports"]) == 250
    assert [each["exportId"] for each in made.output()["exports"]] == [f"e{number}" for number in range(100)]


CHARACTERS = st.characters(codec="utf-8") | st.sampled_from('"\\\x01\x7f\u2028\uffff\U0010ffff')
TEXTS = st.builds(lambda text, times: (text * times)[:MAX_TEXT], st.text(CHARACTERS, min_size=1), st.integers(1, 500))


@given(st.lists(st.tuples(st.sampled_from(Outcome), TEXTS, TEXTS), max_size=20), st.integers(1, 120))
def test_attack_07_output_fits_into_a_state_and_the_report_has_all_for_any_text(
    rows: list[tuple[Outcome, str, str]], times: int
) -> None:
    """Both as a runtime writes it that escapes characters, and as one that does not."""
    known = [
        row("x" * 200, outcome, statusMessage=message, reason=reason, manifestKey=reason, kind="ec2-recommendations")
        for outcome, message, reason in rows * times
    ]
    reported = [each for one in known for each in results(one)[0]]

    made = report_of(reported)

    output = made.output()
    assert document(made)["exports"] == reported
    assert output["exports"] == reported[: len(output["exports"])]
    assert len(output["exports"]) == min(len(reported), 100) or len(json.dumps(output)) > 180 * 1024
    for escaped in (True, False):
        assert len(json.dumps(output, ensure_ascii=escaped).encode()) < 240 * 1024


def test_ids_that_were_not_found_are_counted_and_the_first_are_kept() -> None:
    made = report(*["NOT_FOUND"] * 5000, "STORED")

    assert made.counts["NOT_FOUND"] == 5000
    assert made.not_found == [f"e{number}" for number in range(100)]
    assert report("STORED").not_found == []


def test_truncated_exports_have_data_and_failed_ones_have_not() -> None:
    assert report("STORED", "TRUNCATED").all_stored
    assert not report("STORED", "FAILED").all_stored
    assert report().all_stored
