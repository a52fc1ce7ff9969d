"""What a schedule says to the function is recorded before anything else, whatever the input of the execution is."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import collect_exports
from exports import dependencies
from exports.collecting.setting import Kind

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CONTEXT: Any = SimpleNamespace(
    function_name="x",
    memory_limit_in_mb=512,
    invoked_function_arn="x",
    aws_request_id="x",
    get_remaining_time_in_millis=lambda: 300_000,
)


class LockedTable:
    """Another tick runs."""

    def __init__(self) -> None:
        self.due: list[tuple[Kind, datetime]] = []

    def mark_due(self, kind: Kind, scheduled_at: datetime) -> None:
        self.due.append((kind, scheduled_at))

    def lock(self, holder: str, until: datetime, now: datetime) -> bool:
        return False


@pytest.mark.parametrize(
    ("given", "due"),
    [
        ({}, []),
        (None, []),
        ("due", []),
        ({"due": "agents"}, []),
        ({"due": ["summary"]}, []),
        (
            {"due": "summary", "scheduledAt": "2026-11-29T11:45:00Z"},
            [(Kind.SUMMARY, datetime(2026, 11, 29, 11, 45, tzinfo=UTC))],
        ),
        ({"due": "recommendations"}, [(Kind.RECOMMENDATIONS, NOW)]),
        ({"due": "summary", "scheduledAt": "<aws.scheduler.scheduled-time>"}, [(Kind.SUMMARY, NOW)]),
        ({"due": "summary", "scheduledAt": 5}, [(Kind.SUMMARY, NOW)]),
        ({"due": "summary", "scheduledAt": "2027-01-01T00:00:00"}, [(Kind.SUMMARY, NOW)]),
    ],
)
def test_what_is_due_is_recorded_also_while_another_tick_runs(
    monkeypatch: pytest.MonkeyPatch, given: object, due: list[tuple[Kind, datetime]]
) -> None:
    table = LockedTable()
    monkeypatch.setattr(collect_exports, "table", lambda: table)
    monkeypatch.setattr(dependencies, "utc_now", lambda: NOW)

    result = collect_exports.handler({"collect": {}, "input": given}, CONTEXT)

    assert result == {"exportIds": [], "skipped": "LOCKED"}
    assert table.due == due
