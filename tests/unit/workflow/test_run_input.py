"""The input of a run: what is taken, what is refused, and how it is said."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.keys import batch_key
from exports.runs import Batch, Run
from exports.settings import Settings
from exports.workflow.run_input import InvalidInput, read_run

SETTINGS = Settings({"DEADLINE_MINUTES": "720", "SWEEP_DEADLINE_MINUTES": "55"})
AGENTS = {"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}


def run(asked: Any) -> Run:
    return read_run({"Name": "run-1", "StartTime": "2026-11-23T10:00:00.123Z", "Input": asked}, SETTINGS)


def faults(asked: Any) -> str:
    with pytest.raises(InvalidInput) as refused:
        run(asked)
    return str(refused.value)


@pytest.mark.parametrize(
    ("members", "is_sweep", "retries_rejected", "on_failure", "minutes"),
    [
        ({}, True, False, "report", 55),
        ({"exportIds": ["export-1"]}, False, True, "fail", 720),
        ({"filters": [AGENTS]}, False, False, "report", 720),
    ],
    ids=["sweep", "ids", "filters"],
)
def test_each_way_to_ask_has_its_defaults(
    members: dict[str, Any], is_sweep: bool, retries_rejected: bool, on_failure: str, minutes: int
) -> None:
    asked = run(members)

    assert (asked.is_sweep, asked.retries_rejected, asked.on_failure) == (is_sweep, retries_rejected, on_failure)
    assert asked.deadline - asked.started_at == timedelta(minutes=minutes)


def test_given_members_win_over_defaults() -> None:
    asked = run({"exportIds": ["a"], "deadlineMinutes": 5, "onFailure": "report", "correlationId": "job-7"})

    assert asked.deadline - asked.started_at == timedelta(minutes=5)
    assert (asked.on_failure, asked.correlation_id) == ("report", "job-7")


def test_bad_input_04_duplicates_count_once_and_keep_their_order() -> None:
    assert run({"exportIds": ["b", "a", "b"]}).export_ids == ("b", "a")


@pytest.mark.parametrize("asked", [None, [], ["x"], [{}], "x", 3, True])
def test_bad_input_01_input_that_is_no_object_is_refused(asked: Any) -> None:
    assert faults(asked) == "input must be object"


@pytest.mark.parametrize("member", ["exportIds", "filters"])
def test_bad_input_02_an_empty_list_never_sweeps(member: str) -> None:
    assert faults({member: []}) == f"{member} must contain at least 1 items"


def test_bad_input_03_5000_ids_are_taken_and_5001_are_not() -> None:
    assert len(run({"exportIds": [f"export-{n}" for n in range(5000)] + ["export-0"]}).export_ids) == 5000

    assert "exportIds must contain less than or equal to 5000 items" in faults(
        {"exportIds": [f"export-{n}" for n in range(5001)]}
    )


@pytest.mark.parametrize(
    "export_id",
    ["", " ", "a b", "a/b", "../a", "a\n", "a\x00", "\u202eexport", "é", "a" * 201, "a" * 10_240, "."],
)
def test_bad_input_05_an_id_that_is_no_safe_key_is_refused_by_its_place(export_id: str) -> None:
    told = faults({"exportIds": ["fine", export_id]})

    assert told.startswith("exportIds[1] must")
    assert len(export_id) < 3 or export_id not in told


@given(st.text() | st.text(alphabet="aZ09._-/\\\n\x00 \u202e", max_size=220))
def test_bad_input_05_an_id_is_a_safe_part_of_a_key_or_refused_without_being_quoted(export_id: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,200}", export_id) and export_id not in {".", ".."}:
        assert run({"exportIds": [export_id]}).export_ids == (export_id,)
        return

    told = faults({"exportIds": [export_id]})

    assert told.startswith(("exportIds[0] must ", "input holds text that is not Unicode"))
    assert len(export_id) < 20 or export_id not in told


@pytest.mark.parametrize("export_id", [1, True, None, ["a"], {"a": 1}, 1.5])
def test_bad_input_06_an_id_of_another_type_is_refused(export_id: Any) -> None:
    assert faults({"exportIds": [export_id]}) == "exportIds[0] must be string"


def test_what_links_a_run_to_its_caller_in_the_console_is_taken() -> None:
    asked = {"exportIds": ["export-1"], "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn:aws:states:…"}

    assert run(asked).export_ids == ("export-1",)


def test_bad_input_07_unknown_members_are_named() -> None:
    assert faults({"exportId": "a", "zone\n": 1}) == "input has unknown members: 'exportId', 'zone\\n'"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"deadlineMinutes": 0}, "deadlineMinutes must be bigger than or equal to 1"),
        ({"deadlineMinutes": 10081}, "deadlineMinutes must be smaller than or equal to 10080"),
        ({"deadlineMinutes": True}, "deadlineMinutes must be integer"),
        ({"deadlineMinutes": "5"}, "deadlineMinutes must be integer"),
        ({"onFailure": "ignore"}, "onFailure must be one of ['fail', 'report']"),
        ({"correlationId": "x" * 129}, "correlationId must be shorter than or equal to 128 characters"),
        ({"filters": [{**AGENTS, "name": "tags"}]}, "filters[0].name must be one of ['agentIds']"),
        ({"filters": [{**AGENTS, "condition": "NE"}]}, "filters[0].condition must be one of ['EQUALS']"),
        ({"filters": [{**AGENTS, "values": []}]}, "filters[0].values must contain at least 1 items"),
        ({"filters": {}}, "filters must be array"),
    ],
)
def test_each_fault_names_its_member(asked: Any, told: str) -> None:
    assert faults(asked) == told


def test_several_faults_are_told_together() -> None:
    told = faults({"exportIds": [""], "deadlineMinutes": 0, "when": "now"})

    assert "exportIds[0]" in told
    assert "deadlineMinutes" in told
    assert "'when'" in told


def test_the_cause_is_bounded_however_many_faults_there_are() -> None:
    told = faults({"exportIds": list(range(4000))})

    assert told.endswith("and 3980 more")
    assert len(told) < 2000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=10,
    )
)
def test_no_input_does_anything_but_run_or_be_refused(asked: Any) -> None:
    with suppress(InvalidInput):
        assert run(asked).id == "run-1"


def test_a_batch_file_gives_back_what_the_run_asked() -> None:
    asked = run({"exportIds": ["a", "b"], "filters": [AGENTS], "correlationId": "c"})
    document = json.loads(json.dumps({"run": asked.to_json(), "exportIds": ["b"]}))

    batch = Batch.from_json(2, document)

    assert batch.export_ids == ("b",)
    assert batch.filters == (AGENTS,)
    assert batch.requested_at == datetime(2026, 11, 23, 10, 0, 0, 123000, tzinfo=UTC)
    assert (batch.run_id, batch.correlation_id, batch.deadline) == ("run-1", "c", asked.deadline)


def test_batch_keys_sort_in_their_order() -> None:
    assert batch_key("r", 2) < batch_key("r", 10)


FIRST_RELEASE: list[dict[str, Any]] = [
    {},
    {"exportIds": ["export-1"]},
    {"exportIds": ["export-1"], "deadlineMinutes": 10080, "onFailure": "report", "correlationId": "job-7"},
    {"filters": [{"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}], "onFailure": "fail"},
    {"exportIds": ["a"], "filters": [{"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}]},
]


@pytest.mark.parametrize("asked", FIRST_RELEASE)
def test_bad_input_08_what_the_first_release_took_is_taken(asked: dict[str, Any]) -> None:
    taken = run(asked)

    assert list(taken.export_ids) == asked.get("exportIds", [])
    assert list(taken.filters) == asked.get("filters", [])
