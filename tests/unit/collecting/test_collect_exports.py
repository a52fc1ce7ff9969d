"""What the function takes from the input of an execution, and what it returns of a tick."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

import collect_exports
from benchmarks.collecting.world import World
from exports import dependencies
from exports.aws.discovery import DISCOVERY_CONFIG
from exports.collecting.agents import Agent, Request
from exports.collecting.service import START_CONFIG, AgentService
from exports.collecting.setting import Kind
from exports.errors import NonRetryableError, ServiceError
from tests.unit.collecting.test_tick import raising
from tests.unit.outcomes.test_metrics import namespace

__all__ = ["namespace"]

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


class Account(World):
    """An account with one agent, of which the handler may take the lock."""

    def lock(self, holder: str, until: datetime, now: datetime) -> bool:
        return True

    def unlock(self, holder: str) -> None: ...

    def publish_coverage(self, name: str, data: Any, **_: str) -> None: ...


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account(agents_listed=[Agent("a", registered_at=NOW - timedelta(days=9), last_ping_at=NOW)], now=NOW)
    settings = SimpleNamespace(discovery_account="1", discovery_region="x", not_found_grace=timedelta(minutes=10))
    for name in ("table", "agent_service"):
        monkeypatch.setattr(collect_exports, name, lambda: account)
    for name in ("service", "catalog", "publisher"):
        monkeypatch.setattr(dependencies, name, lambda: account)
    monkeypatch.setattr(dependencies, "settings", lambda: settings)
    monkeypatch.setattr(dependencies, "utc_now", lambda: account.now)
    return account


def tick(account: Account) -> dict[str, Any]:
    result = collect_exports.handler({"collect": {"agents": {"ids": "all"}}}, CONTEXT)
    account.advance()
    return result


def test_a_call_of_the_service_that_is_never_answered_ends_within_the_reserve() -> None:
    policy = AgentService(Any)._retry_policy  # type: ignore[arg-type]
    waits = sum(policy.base_seconds * 2**number for number in range(1, policy.attempts))
    agents = policy.attempts * seconds_of(START_CONFIG) + waits
    exports = seconds_of(DISCOVERY_CONFIG) + sum(2**number for number in range(3))

    assert max(agents, exports) < collect_exports.SHUTDOWN_MARGIN.total_seconds() - 10, "and its failure is recorded"


def seconds_of(config: Any) -> int:
    """The time limits of all attempts, without the waits in between."""
    attempts: int = config.retries["total_max_attempts"]
    return attempts * int(config.connect_timeout + config.read_timeout)


def test_fault_53_a_call_that_is_throttled_fails_the_execution_only_after_an_hour(account: Account) -> None:
    account.before = raising("DescribeAgents", ServiceError("ThrottlingException"))

    failures = [tick(account).get("failure") for _ in range(6)]

    assert failures[:4] == [None] * 4
    cause = "Since 2026-11-29 12:00 UTC, the collector cannot list the agents. DescribeAgents failed with "
    assert failures[4:] == [{"error": "ThrottlingException", "cause": f"{cause}ThrottlingException."}] * 2
    account.before = lambda call: None
    assert "failure" not in tick(account)


def test_fault_53_a_call_that_is_refused_fails_the_execution_at_once_also_if_a_run_is_to_be_started(
    account: Account,
) -> None:
    account.after = raising("UpdateItem", ServiceError("killed before the run is started"))
    with pytest.raises(ServiceError):
        tick(account)
    account.after = lambda call: None
    account.before = raising("DescribeAgents", NonRetryableError("AuthorizationErrorException"))

    result = tick(account)

    assert result["exportIds"] == ["export-1"]
    assert result["failure"]["error"] == "AuthorizationErrorException"


def test_an_adopted_export_is_no_warning_in_the_log(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    """The runbook searches for warnings as signs of faults."""
    existing = account.add(Request(Kind.AGENT, "a"), foreign=True, requested_at=NOW - timedelta(hours=1))
    account._is_same = lambda task, request: task is existing  # type: ignore[method-assign]
    caplog.set_level("INFO")

    tick(account)

    levels = {record.getMessage(): record.levelname for record in caplog.records}
    assert levels["existing export adopted"] == "INFO"
    assert "WARNING" not in levels.values()
