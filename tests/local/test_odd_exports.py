"""One odd export among many: 200 exports of which 20 are odd, each in another way."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.local.service import Service
from tests.local.stack import Run, Stack
from tests.local.waiting import until

pytestmark = pytest.mark.alone

GOOD = 180
LINK = "https://bucket.s3.us-east-1.amazonaws.com/key.zip?X-Amz-Signature=f00dface"
LONG = f"see {LINK} " + "x" * 450_000
HTML = b"<!DOCTYPE html><html><body>Sorry, try again later</body></html>"
SMALL = {"kind": "agent", "rows": 1, "container": "csv"}
TIME = 1_795_514_400
"""2026-11-24T10:00:00Z"""

ODD: Mapping[str, tuple[Mapping[str, Any], str | None, str | None]] = {
    "time-in-milliseconds": ({"info": {"exportRequestTime": TIME * 1000}}, "STORED", None),
    "time-in-year-10000": ({"info": {"exportRequestTime": 253_402_300_800}}, "STORED", None),
    "time-as-words": ({"info": {"exportRequestTime": "yesterday"}}, "STORED", None),
    "time-as-text": ({"info": {"exportRequestTime": str(TIME)}}, "STORED", None),
    "time-null": ({"info": {"exportRequestTime": None}}, "STORED", None),
    "time-missing": ({"info_without": ["exportRequestTime"]}, "STORED", None),
    "message-missing": ({"info_without": ["statusMessage"]}, "STORED", None),
    "message-a-list": ({"info": {"statusMessage": [LINK, {}]}}, "STORED", None),
    "range-unreadable": ({"info": {"requestedStartTime": {}, "requestedEndTime": 1e300}}, "STORED", None),
    "12345678901234567890": ({"info": {"exportId": 12345678901234567890}}, "STORED", None),
    "flag-as-text": ({"info": {"isTruncated": "true"}}, "TRUNCATED", None),
    "message-long": ({"info": {"statusMessage": LONG}, "outcome": "FAILED"}, "FAILED", None),
    "url-a-list": ({"info": {"configurationsDownloadUrl": [LINK]}}, "REJECTED", "GONE"),
    "body-a-page": ({}, "REJECTED", "CORRUPT"),
    "status-null": ({"info": {"exportStatus": None}}, "TIMED_OUT", None),
    "status-long": ({"info": {"exportStatus": LONG}}, "TIMED_OUT", None),
    "id-refused": ({"refused_id": True}, "NOT_STORED", "InvalidParameterValueException"),
    "id-missing": ({"info_without": ["exportId"]}, None, None),
    "entry-null": ({"entry": "null"}, None, None),
    "entry-a-list": ({"entry": '[{"exportId": "export-1"}]'}, None, None),
}
"""The scenario of each odd export by its id, and its outcome and reason. None: the sweep cannot know the export."""


@dataclass(frozen=True)
class Sweep:
    run: Run
    good: list[str]


@pytest.fixture(scope="module")
def sweep(stack: Stack, service: Service) -> Iterator[Sweep]:
    """A sweep over all of them, with a deadline of a minute, because some never finish."""
    stack.run()
    half = GOOD // 2
    good = service.has_many(half, **SMALL)
    for export_id, (scenario, _, _) in ODD.items():
        if export_id == "body-a-page":
            service.has_body(HTML, id=export_id)
        else:
            service.set_scenario(export_id, **SMALL, **scenario)
    good += service.has_many(GOOD - half, **SMALL)
    yield Sweep(stack.run(deadlineMinutes=1), good)
    for export_id in ODD:
        service.set_scenario(export_id, **SMALL)


def test_bad_input_37_sweep_over_200_exports_stores_all_but_the_odd_ones(stack: Stack, sweep: Sweep) -> None:
    assert len(sweep.good) + len(ODD) == 200
    assert {sweep.run.outcome(export_id) for export_id in sweep.good} == {"STORED"}
    assert all((stack.row(export_id) or {})["files"] for export_id in sweep.good[::20])


@pytest.mark.parametrize("export_id", ODD)
def test_bad_input_37_38_odd_export_has_a_clear_outcome(stack: Stack, sweep: Sweep, export_id: str) -> None:
    _, outcome, reason = ODD[export_id]
    row = stack.row(export_id)
    texts = json.dumps([row, sweep.run.report], default=str)

    if outcome is None:
        assert row is None
        assert export_id not in texts
        return
    assert (sweep.run.outcome(export_id), sweep.run.reason(export_id)) == (outcome, reason)
    assert len(str(row)) < 4_000
    assert "f00dface" not in texts


def test_bad_input_37_export_with_a_time_in_milliseconds_has_its_date(stack: Stack, sweep: Sweep) -> None:
    assert (stack.row("time-in-milliseconds") or {})["exportRequestTime"] == "2026-11-24T10:00:00.000Z"
    assert any("/2026-11-24/time-in-milliseconds" in key for key in stack.keys("raw/"))
    assert any("/1970-01-01/time-in-year-10000" in key for key in stack.keys("raw/"))


def test_bad_input_37_odd_exports_are_logged_with_their_ids(stack: Stack, sweep: Sweep) -> None:
    lines = [line for _, line in stack.log_lines() if "exports with odd members" in line]

    assert all(any(f'"{export_id}"' in line for line in lines) for export_id in ("time-as-words", "status-null"))
    assert not any("f00dface" in line for line in lines)


def test_bad_input_39_run_goes_on_after_responses_without_exports(stack: Stack, service: Service) -> None:
    export_id = service.has(**SMALL)
    calls = service.calls()
    with service.with_settings(body=HTML.decode()):
        run = stack.start({"exportIds": [export_id]})
        until(lambda: service.calls() >= calls + 2, what="polls of the run")

    assert stack.ended(run).outcome(export_id) == "STORED"
