"""The input of a run: valid input, its defaults, and the messages for invalid input."""

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
from exports.workflow.run_input import IGNORED, MAX_MESSAGE_LENGTH, InvalidInput, read_run

SETTINGS = Settings({"DEADLINE_MINUTES": "720", "SWEEP_DEADLINE_MINUTES": "55"})
AGENTS = {"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}


def run(document: Any) -> Run:
    return read_run({"Name": "run-1", "StartTime": "2026-11-23T10:00:00.123Z", "Input": document}, SETTINGS)


def message(document: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        run(document)
    return str(caught.value)


@pytest.mark.parametrize(
    ("members", "is_sweep", "retries_rejected", "on_failure", "minutes"),
    [
        ({}, True, False, "report", 55),
        ({"exportIds": ["export-1"]}, False, True, "fail", 720),
        ({"filters": [AGENTS]}, False, False, "report", 720),
    ],
    ids=["sweep", "ids", "filters"],
)
def test_each_kind_of_run_has_its_defaults(
    members: dict[str, Any], is_sweep: bool, retries_rejected: bool, on_failure: str, minutes: int
) -> None:
    parsed = run(members)

    assert (parsed.is_sweep, parsed.retries_rejected, parsed.on_failure) == (is_sweep, retries_rejected, on_failure)
    assert parsed.deadline - parsed.started_at == timedelta(minutes=minutes)


def test_members_of_the_input_replace_the_defaults() -> None:
    parsed = run({"exportIds": ["a"], "deadlineMinutes": 5, "onFailure": "report", "correlationId": "job-7"})

    assert parsed.deadline - parsed.started_at == timedelta(minutes=5)
    assert (parsed.on_failure, parsed.correlation_id) == ("report", "job-7")


def test_bad_input_04_repeated_ids_count_once_and_keep_their_order() -> None:
    assert run({"exportIds": ["b", "a", "b"]}).export_ids == ("b", "a")


@pytest.mark.parametrize("document", [None, [], ["x"], [{}], "x", 3, True])
def test_bad_input_01_input_that_is_no_object_is_rejected(document: Any) -> None:
    assert message(document) == "input must be object"


@pytest.mark.parametrize("member", ["exportIds", "filters"])
def test_bad_input_02_empty_list_is_not_a_sweep(member: str) -> None:
    assert message({member: []}) == f"{member} must contain at least 1 items"


def test_bad_input_03_5000_ids_are_accepted_and_5001_are_not() -> None:
    assert len(run({"exportIds": [f"export-{n}" for n in range(5000)] + ["export-0"]}).export_ids) == 5000

    assert "exportIds must contain less than or equal to 5000 items" in message(
        {"exportIds": [f"export-{n}" for n in range(5001)]}
    )


@pytest.mark.parametrize(
    "export_id",
    ["", " ", "a b", "a/b", "../a", "a\n", "a\x00", "\u202eexport", "é", "a" * 201, "a" * 10_240, "."],
)
def test_bad_input_05_invalid_id_is_rejected_by_its_position(export_id: str) -> None:
    text = message({"exportIds": ["fine", export_id]})

    assert text.startswith("exportIds[1] must")
    assert len(export_id) < 3 or export_id not in text


@given(st.text() | st.text(alphabet="aZ09._-/\\\n\x00 \u202e", max_size=220))
def test_bad_input_05_any_id_is_safe_in_a_key_or_rejected_without_its_text(export_id: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,200}", export_id) and export_id not in {".", ".."}:
        assert run({"exportIds": [export_id]}).export_ids == (export_id,)
        return

    text = message({"exportIds": [export_id]})

    assert text.startswith(("exportIds[0] must ", "input holds text that is not Unicode"))
    assert len(export_id) < 20 or export_id not in text


@pytest.mark.parametrize("export_id", [1, True, None, ["a"], {"a": 1}, 1.5])
def test_bad_input_06_id_that_is_no_string_is_rejected(export_id: Any) -> None:
    assert message({"exportIds": [export_id]}) == "exportIds[0] must be string"


@pytest.mark.parametrize(
    "member", ["exportIds", "filters", "deadlineMinutes", "onFailure", "correlationId", *sorted(IGNORED)]
)
def test_bad_input_42_member_that_is_null_counts_as_left_out(member: str) -> None:
    document = {"exportIds": ["export-1"], "filters": [AGENTS], "deadlineMinutes": 5, "onFailure": "report"}
    left_out = {name: value for name, value in document.items() if name != member}

    assert run({**document, member: None}) == run(left_out)


def test_bad_input_42_members_that_are_all_null_are_a_sweep() -> None:
    members = ["exportIds", "filters", "deadlineMinutes", "onFailure", "correlationId"]

    assert run(dict.fromkeys(members)) == run({})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"exportIds": ["a", None]}, "exportIds[1] must be string"),
        ({"filters": [None]}, "filters[0] must be object"),
        ({"filters": [{**AGENTS, "name": None}]}, 'filters[0].name must be one of ["agentIds"]'),
        ({"filters": [{**AGENTS, "condition": None}]}, 'filters[0].condition must be one of ["EQUALS"]'),
        ({"filters": [{**AGENTS, "values": None}]}, "filters[0].values must be array"),
        ({"filters": [{**AGENTS, "values": [None]}]}, "filters[0].values[0] must be string"),
        ({"zone": None}, "input has unknown members: 'zone'"),
    ],
)
def test_bad_input_42_null_where_a_value_is_required_is_named(document: Any, expected: str) -> None:
    """The service requires each member of a filter."""
    assert message(document) == expected


@pytest.mark.parametrize("member", sorted(IGNORED))
@pytest.mark.parametrize("value", ["arn:aws:states:…", {"Execution": {"Input": {"zone": 1}}}, [], 5, "\ud800", None])
def test_bad_input_43_members_that_tools_add_are_ignored(member: str, value: Any) -> None:
    assert run({"exportIds": ["export-1"], member: value}) == run({"exportIds": ["export-1"]})


@pytest.mark.parametrize("member", ["context", "CONTEXT ", "Context", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION", "$$"])
def test_bad_input_43_members_with_similar_names_are_refused(member: str) -> None:
    assert message({member: {}}) == f"input has unknown members: {member!r}"


def test_bad_input_07_unknown_members_are_named() -> None:
    assert message({"exportId": "a", "zone\n": 1}) == "input has unknown members: 'exportId', 'zone\\n'"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"deadlineMinutes": 0}, "deadlineMinutes must be bigger than or equal to 1"),
        ({"deadlineMinutes": 10081}, "deadlineMinutes must be smaller than or equal to 10080"),
        ({"deadlineMinutes": True}, "deadlineMinutes must be integer or null"),
        ({"deadlineMinutes": "5"}, "deadlineMinutes must be integer or null"),
        ({"onFailure": "ignore"}, 'onFailure must be one of ["fail", "report", null]'),
        ({"correlationId": "x" * 129}, "correlationId must be shorter than or equal to 128 characters"),
        ({"filters": [{**AGENTS, "name": "tags"}]}, 'filters[0].name must be one of ["agentIds"]'),
        ({"filters": [{**AGENTS, "condition": "NE"}]}, 'filters[0].condition must be one of ["EQUALS"]'),
        ({"filters": [{**AGENTS, "values": []}]}, "filters[0].values must contain at least 1 items"),
        ({"filters": {}}, "filters must be array or null"),
    ],
)
def test_each_error_names_its_member(document: Any, expected: str) -> None:
    assert message(document) == expected


def test_several_errors_are_reported_together() -> None:
    text = message({"exportIds": [""], "deadlineMinutes": 0, "when": "now"})

    assert "exportIds[0]" in text
    assert "deadlineMinutes" in text
    assert "'when'" in text


def test_the_message_is_short_for_any_number_of_errors() -> None:
    text = message({"exportIds": list(range(4000))})

    assert text.endswith("and 3980 more")
    assert len(text) < 2000


def test_the_message_is_short_for_many_errors_with_long_names() -> None:
    """Without a limit, these 100 KB of input have a message of 250 KB: more than the cause of an execution can be."""
    names = {"\U0001f600" * 64 + str(number): 1 for number in range(20)}

    text = message({"filters": [{**AGENTS, **names} for _ in range(20)]})

    assert text.startswith("filters[0] has unknown members: '")
    assert len(text.encode()) <= MAX_MESSAGE_LENGTH + 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=10,
    )
)
def test_any_input_is_accepted_or_rejected(document: Any) -> None:
    with suppress(InvalidInput):
        assert run(document).id == "run-1"


def test_a_batch_is_read_back_from_its_file() -> None:
    parsed = run({"exportIds": ["a", "b"], "filters": [AGENTS], "correlationId": "c"})
    document = json.loads(json.dumps({"run": parsed.to_json(), "exportIds": ["b"]}))

    batch = Batch.from_json(2, document)

    assert batch.export_ids == ("b",)
    assert batch.filters == (AGENTS,)
    assert batch.requested_at == datetime(2026, 11, 23, 10, 0, 0, 123000, tzinfo=UTC)
    assert (batch.run_id, batch.correlation_id, batch.deadline) == ("run-1", "c", parsed.deadline)


def test_batch_keys_sort_in_their_order() -> None:
    assert batch_key("r", 2) < batch_key("r", 10)


FIRST_RELEASE: list[dict[str, Any]] = [
    {},
    {"exportIds": ["export-1"]},
    {"exportIds": ["export-1"], "deadlineMinutes": 10080, "onFailure": "report", "correlationId": "job-7"},
    {"filters": [{"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}], "onFailure": "fail"},
    {"exportIds": ["a"], "filters": [{"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]}]},
]


@pytest.mark.parametrize("document", FIRST_RELEASE)
def test_bad_input_08_input_of_the_first_version_is_accepted(document: dict[str, Any]) -> None:
    parsed = run(document)

    assert list(parsed.export_ids) == document.get("exportIds", [])
    assert list(parsed.filters) == document.get("filters", [])
