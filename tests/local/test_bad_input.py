"""Input that violates the schema: rejected with its members, without any call and without any stored data."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.local.service import Service
from tests.local.stack import Run, Stack

pytestmark = pytest.mark.alone
GOOD_FILTER = {"name": "agentIds", "condition": "EQUALS", "values": ["a"]}

BAD: Mapping[str, tuple[object, str]] = {
    "null": (None, "input "),
    "a list": ([], "input "),
    "a list of ids": (["export-1"], "input "),
    "a string": ("export-1", "input "),
    "a number": (3, "input "),
    "an unknown member": ({"exportId": "export-1"}, "'exportId'"),
    "exportIds a string": ({"exportIds": "export-1"}, "exportIds "),
    "an id null": ({"exportIds": [None]}, "exportIds[0] "),
    "exportIds empty": ({"exportIds": []}, "exportIds "),
    "an id a number": ({"exportIds": ["export-1", 7]}, "exportIds[1] "),
    "an id true": ({"exportIds": [True]}, "exportIds[0] "),
    "an id empty": ({"exportIds": [""]}, "exportIds[0] "),
    "an id blank": ({"exportIds": [" "]}, "exportIds[0] "),
    "an id with whitespace": ({"exportIds": ["export 1"]}, "exportIds[0] "),
    "an id with a final newline": ({"exportIds": ["export-1\n"]}, "exportIds[0] "),
    "an id with a control character": ({"exportIds": ["export\x00"]}, "exportIds[0] "),
    "an id with a slash": ({"exportIds": ["../export-1"]}, "exportIds[0] "),
    "an id of dots": ({"exportIds": [".."]}, "exportIds[0] "),
    "an id of a dot": ({"exportIds": ["."]}, "exportIds[0] "),
    "an id of 201 characters": ({"exportIds": ["e" * 201]}, "exportIds[0] "),
    "an id written from right to left": ({"exportIds": ["export-\u202e1"]}, "exportIds[0] "),
    "5,001 ids": ({"exportIds": [f"export-{number}" for number in range(5001)]}, "exportIds "),
    "filters empty": ({"filters": []}, "filters "),
    "filters an object": ({"filters": GOOD_FILTER}, "filters "),
    "a filter without values": ({"filters": [{"name": "agentIds", "condition": "EQUALS"}]}, "filters[0] "),
    "a filter of no values": ({"filters": [{**GOOD_FILTER, "values": []}]}, "filters[0].values "),
    "a filter of a blank value": ({"filters": [{**GOOD_FILTER, "values": [" "]}]}, "filters[0].values[0] "),
    "a filter by another name": ({"filters": [{**GOOD_FILTER, "name": "hostNames"}]}, "filters[0].name "),
    "another condition": ({"filters": [{**GOOD_FILTER, "condition": "CONTAINS"}]}, "filters[0].condition "),
    "a deadline of no minutes": ({"deadlineMinutes": 0}, "deadlineMinutes "),
    "a deadline of more than a week": ({"deadlineMinutes": 10_081}, "deadlineMinutes "),
    "a deadline in words": ({"deadlineMinutes": "60"}, "deadlineMinutes "),
    "half a minute": ({"deadlineMinutes": 1.5}, "deadlineMinutes "),
    "another onFailure": ({"onFailure": "ignore"}, "onFailure "),
    "a correlationId of 129 characters": ({"correlationId": "c" * 129}, "correlationId "),
    "a correlationId that is a number": ({"correlationId": 7}, "correlationId "),
}
SEVERAL = {"exportIds": ["a b", "export-1", ".."], "onFailure": "ignore", "deadlineMinutes": 0, "more": 1}


@dataclass(frozen=True)
class Results:
    """The results of all invalid inputs."""

    runs: Mapping[str, Run]
    several: Run
    calls: int
    left_behind: set[str]


@pytest.fixture(scope="module")
def results(stack: Stack, service: Service) -> Results:
    """No other test runs meanwhile, so that everything left behind is from these runs."""

    def inventory() -> set[str]:
        return {*stack.keys(), *(row["exportId"] for row in stack.rows())}

    calls, before = service.calls(), inventory()
    runs = {case: stack.ended(stack.start(asked)) for case, (asked, _) in BAD.items()}
    several = stack.ended(stack.start(SEVERAL))
    return Results(runs, several, service.calls() - calls, inventory() - before)


@pytest.mark.parametrize("case", BAD)
def test_bad_input_01_02_05_06_07_is_rejected_with_its_member(results: Results, case: str) -> None:
    run, (_, member) = results.runs[case], BAD[case]

    assert (run.status, run.error) == ("FAILED", "InvalidInput")
    assert member in f"{run.cause} "


def test_several_faults_are_reported_together(results: Results) -> None:
    cause = results.several.cause or ""

    assert results.several.error == "InvalidInput"
    for member in ("exportIds[0]", "exportIds[2]", "onFailure", "deadlineMinutes", "'more'"):
        assert member in cause
    assert "exportIds[1]" not in cause


def test_bad_input_01_02_05_06_07_makes_no_call(results: Results) -> None:
    assert results.calls == 0


def test_bad_input_stores_nothing(results: Results) -> None:
    assert results.left_behind == set()
