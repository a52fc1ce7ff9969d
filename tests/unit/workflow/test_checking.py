"""One look at the exports of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.errors import NonRetryableError, ServiceError
from exports.model import Export, Outcome
from exports.runs import Batch, Item
from exports.settings import Settings
from exports.workflow.batch_state import Pending, failure_code
from exports.workflow.checking import BatchPoll
from exports.workflow.poll_interval import MAX_POLLS, MAX_STORES
from tests.unit.builders import NOW, batch, export, row
from tests.unit.fakes import FakeRecords, FakeService

SETTINGS = Settings({"WAIT_FLOOR_SECONDS": "15", "WAIT_CEILING_SECONDS": "300", "NOT_FOUND_GRACE_SECONDS": "600"})


@dataclass
class CheckHarness:
    """A batch, a service and records, and checks of them at moments of the test's choosing."""

    batch: Batch
    service: FakeService = field(default_factory=FakeService)
    records: FakeRecords = field(default_factory=FakeRecords)
    measured: list[tuple[Sequence[timedelta], Sequence[timedelta]]] = field(default_factory=list)

    def _measure(self, detection_delays: Sequence[timedelta], ages: Sequence[timedelta]) -> None:
        self.measured.append((detection_delays, ages))

    def check(self, pending: Pending | None = None, *, now: datetime = NOW) -> Pending:
        check = BatchPoll(self.batch, self.service, self.records, SETTINGS, now, jitter=0.5, measure=self._measure)
        return check.next(check.start() if pending is None else pending)


def desk(*exports: Export, asked: Sequence[str] = (), **more: Any) -> CheckHarness:
    return CheckHarness(batch(*(asked or [each.id for each in exports]), **more), FakeService(list(exports)))


def results(pending: Pending, *each: Mapping[str, Any]) -> Pending:
    return replace(pending, results=tuple(each))


def test_a_finished_export_is_ready_and_one_in_progress_waits() -> None:
    at = desk(export("done"), export("running", "IN_PROGRESS"))

    pending = at.check()

    assert pending.ready == (Item("done", 1),)
    assert pending.waiting == ("running",)
    assert at.records.seen == ["running"]


def test_one_describe_asks_for_the_whole_batch_and_passes_the_filters_on() -> None:
    filters = ({"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]},)
    at = desk(*(export(f"e{n}", "IN_PROGRESS") for n in range(100)), filters=filters)

    at.check()

    assert at.service.calls == [(tuple(f"e{n}" for n in range(100)), filters)]


def test_an_export_is_noted_as_in_progress_once() -> None:
    at = desk(export("running", "IN_PROGRESS"))

    at.check(at.check(), now=NOW + timedelta(minutes=5))

    assert at.records.seen == ["running"]


def test_late_is_what_waits_and_what_could_not_be_stored_but_nothing_that_is_about_to_be() -> None:
    at = desk(
        export("running", "IN_PROGRESS", age_minutes=10),
        export("new", age_minutes=20),
        export("broke off", age_minutes=30),
        export("refused", age_minutes=40),
        export("stored", age_minutes=50),
    )
    at.records.known = {
        "broke off": row("broke off", "IN_PROGRESS", lastError="the link no longer opens (403)"),
        "refused": row("refused", "NOT_STORED", reason="AccessDenied"),
        "stored": row("stored"),
    }

    at.check()

    assert at.measured == [([], [timedelta(minutes=minutes) for minutes in (10, 30, 40)])]


def test_what_ended_since_the_look_before_was_noticed_no_later_than_that() -> None:
    at = desk(export("ended", "IN_PROGRESS"), export("running", "IN_PROGRESS", age_minutes=45), export("done"))
    first = at.check()
    at.service.exports = [export("ended"), *at.service.exports[1:]]
    at.records.known["ended"] = row("ended", "IN_PROGRESS", exportStatus="IN_PROGRESS")

    at.check(replace(first, ready=()), now=NOW + timedelta(minutes=5))

    half_an_hour, longer = timedelta(minutes=30), timedelta(minutes=45)
    later = timedelta(minutes=5)
    assert at.measured == [
        ([], [half_an_hour, longer]),
        ([later], [longer + later]),
    ]


def test_what_is_left_at_the_deadline_is_still_told_the_age_of() -> None:
    at = desk(export("running", "IN_PROGRESS", age_minutes=45), export("done"))

    at.check(now=at.batch.deadline)

    assert [ages for _, ages in at.measured] == [[at.batch.deadline - NOW + timedelta(minutes=45)]]


def test_an_export_that_waits_to_be_stored_again_was_noticed_before() -> None:
    at = desk(export("again"))
    first = at.check()
    at.records.known["again"] = row("again", "IN_PROGRESS", exportStatus="SUCCEEDED")

    at.check(replace(first, ready=(), waiting=("again",)), now=NOW + timedelta(minutes=5))

    assert at.measured[-1][0] == []


def test_settled_rows_are_left_alone_and_what_is_owed_is_announced() -> None:
    at = desk(export("stored"), export("new"))
    at.records.known["stored"] = row("stored", "STORED")

    pending = at.check()

    assert pending.ids == ("new",)
    assert at.records.caught_up == ["stored"]
    assert at.service.calls[0][0] == ("new",)


@pytest.mark.parametrize("status", ["REJECTED", "FAILED"])
def test_a_rejected_or_failed_export_is_looked_at_again_when_asked_for_by_id(status: str) -> None:
    at = desk(export("again"))
    at.records.known["again"] = row("again", status, settledAt="2026-11-22T00:00:00.000Z")

    assert at.check().ready == (Item("again", 1),)


@pytest.mark.parametrize("status", ["REJECTED", "FAILED"])
def test_a_rejected_or_failed_export_stands_when_not_asked_for_by_id(status: str) -> None:
    at = desk(export("again"), retries_rejected=False)
    at.records.known["again"] = row("again", status, settledAt="2026-11-22T00:00:00.000Z")

    assert at.check().ids == ()


def test_fault_21_a_failed_export_is_settled_and_the_others_go_on() -> None:
    at = desk(export("bad", "FAILED"), export("good"))

    pending = at.check()

    assert at.records.outcomes == {"bad": (Outcome.FAILED, None)}
    assert pending.ids == ("good",)


def test_an_export_that_failed_before_and_still_does_keeps_its_row() -> None:
    at = desk(export("bad", "FAILED"))
    at.records.known["bad"] = row("bad", "FAILED", settledAt="2026-11-22T00:00:00.000Z")

    at.check()

    assert at.records.outcomes == {}


def test_bad_input_17_an_unknown_status_waits_with_the_bounds_of_one_in_progress() -> None:
    at = desk(export("odd", "PAUSED", download_url="https://a.link/that/is/not/opened"))
    at.batch = replace(at.batch, deadline=NOW + timedelta(minutes=5))

    waiting = at.check()
    after = at.check(waiting, now=at.batch.deadline)

    assert (waiting.waiting, waiting.ready) == (("odd",), ())
    assert after.ids == ()
    assert at.records.outcomes == {"odd": (Outcome.TIMED_OUT, None)}


def test_fault_18_an_unlisted_id_is_waited_for_within_the_grace_period_only() -> None:
    at = desk(asked=["late"])

    within = at.check()
    after = at.check(within, now=NOW + timedelta(minutes=10))

    assert within.unlisted == ("late",)
    assert after.ids == ()
    assert at.records.outcomes == {"late": (Outcome.NOT_FOUND, None)}


def test_an_id_that_was_listed_once_is_never_not_found() -> None:
    at = desk(export("there", "IN_PROGRESS"))
    seen = at.check()
    at.service.exports = []

    gone = at.check(seen, now=NOW + timedelta(hours=1))

    assert gone.waiting == ("there",)
    assert at.records.outcomes == {}


def test_bad_input_15_a_finished_export_without_a_link_waits_within_the_grace_period_only() -> None:
    at = desk(export("linkless", download_url=None))

    within = at.check()
    still = at.check(within, now=NOW + timedelta(minutes=10))
    after = at.check(still, now=NOW + timedelta(minutes=15))

    assert (within.waiting, within.ready) == (("linkless",), ())
    assert (still.waiting, still.ready) == (("linkless",), ())
    assert after.ready == (Item("linkless", 3, without_url=True),)


def test_bad_input_15_the_grace_of_a_link_counts_from_the_end_of_the_export() -> None:
    at = desk(export("linkless", download_url=None), started_at=NOW - timedelta(hours=3))

    assert at.check().waiting == ("linkless",)


def test_an_export_in_the_hands_of_another_run_waits_until_that_claim_expires() -> None:
    at = desk(export("taken"))
    at.records.known["taken"] = row("taken", "IN_PROGRESS", claimedBy="run-2", claimedUntil="2026-11-23T12:05:00.000Z")

    first = at.check()
    second = at.check(first, now=NOW + timedelta(minutes=6))

    assert (first.ready, first.waiting) == ((), ("taken",))
    assert second.ready == (Item("taken", 2),)


def test_what_was_stored_is_done_and_nothing_is_described_for_it() -> None:
    at = desk(export("done"))

    after = at.check(results(at.check(), {"progress": "settled"}))

    assert after.to_json() == {"pending": 0}
    assert len(at.service.calls) == 1


def test_an_unfinished_export_goes_on_at_once() -> None:
    at = desk(export("large"), export("running", "IN_PROGRESS"))

    after = at.check(results(at.check(), {"progress": "unfinished"}))

    assert after.ready == (Item("large", 1),)
    assert len(at.service.calls) == 1, "a round of storing does not make the next look come early"


def test_what_could_not_be_stored_for_now_waits_for_the_next_look() -> None:
    at = desk(export("flaky"))

    after = at.check(results(at.check(), {"progress": "waiting"}))
    later = at.check(after, now=NOW + timedelta(minutes=5))

    assert after.waiting == ("flaky",)
    assert later.ready == (Item("flaky", 2),)


def test_storing_that_kept_failing_is_recorded_and_takes_nobody_down() -> None:
    at = desk(export("bad"), export("good"))

    after = at.check(
        results(at.check(), {"error": "Sandbox.Timedout", "cause": "Task timed out"}, {"progress": "settled"})
    )

    assert at.records.outcomes == {"bad": (Outcome.NOT_STORED, "Sandbox.Timedout")}
    assert after.ids == ()


@pytest.mark.parametrize("code", ["HomeRegionNotSetException", "AuthorizationErrorException"])
def test_fault_17_a_refused_describe_ends_the_batch_with_its_code(code: str) -> None:
    at = desk(export("a"), export("b"))
    at.service.error = NonRetryableError(code)

    assert at.check().ids == ()
    assert at.records.outcomes == {"a": (Outcome.NOT_STORED, code), "b": (Outcome.NOT_STORED, code)}


def test_fault_20_at_the_deadline_it_looks_once_more_stores_what_is_ready_and_ends() -> None:
    at = desk(export("done"), export("running", "IN_PROGRESS"), asked=["done", "running", "unknown"])
    at.batch = replace(at.batch, deadline=NOW)

    last = at.check()
    after = at.check(results(last, {"progress": "waiting"}), now=NOW + timedelta(seconds=30))

    assert last.ids == ("done",)
    assert after.ids == ()
    assert at.records.outcomes == dict.fromkeys(("running", "unknown", "done"), (Outcome.TIMED_OUT, None))


def test_an_export_whose_time_ran_out_tells_what_ended_the_last_try() -> None:
    at = desk(export("broken"), export("running", "IN_PROGRESS"))
    at.batch = replace(at.batch, deadline=NOW)
    last = at.check()
    at.records.known["broken"] = row("broken", "IN_PROGRESS", lastError="the source answered 503")

    at.check(results(last, {"progress": "waiting"}))

    assert at.records.outcomes == {
        "broken": (Outcome.TIMED_OUT, "the source answered 503"),
        "running": (Outcome.TIMED_OUT, None),
    }


def test_the_next_look_is_never_after_the_deadline() -> None:
    at = desk(export("running", "IN_PROGRESS", age_minutes=6000))
    at.batch = replace(at.batch, deadline=NOW + timedelta(seconds=20))

    assert at.check().next_poll_at == at.batch.deadline


def test_fault_36_a_batch_ends_when_its_looks_are_used_up() -> None:
    at = desk(export("running", "IN_PROGRESS"))

    after = at.check(replace(at.check(), polls=MAX_POLLS), now=NOW + timedelta(hours=1))

    assert after.ids == ()
    assert at.records.outcomes == {"running": (Outcome.TIMED_OUT, None)}


@given(st.integers(MAX_STORES - 5, MAX_STORES - 1))
def test_no_export_is_lost_when_the_tries_run_out(stores: int) -> None:
    at = desk(*(export(f"e{n}") for n in range(10)))
    pending = Pending(unlisted=at.batch.export_ids, stores=stores)

    after = at.check(pending)

    assert sorted(after.ids) == sorted(at.batch.export_ids)
    assert after.stores == MAX_STORES


def test_fault_36_without_tries_left_a_batch_looks_on_until_its_deadline() -> None:
    at = desk(export("done"), export("running", "IN_PROGRESS"))
    pending = Pending(unlisted=at.batch.export_ids, stores=MAX_STORES)

    after = at.check(pending)

    assert (sorted(after.waiting), after.ready, at.records.outcomes) == (["done", "running"], (), {})


def test_a_source_that_is_down_for_hours_costs_few_tries_and_nothing_is_given_up() -> None:
    at = desk(*(export(f"e{n:02}") for n in range(100)))
    at.batch = replace(at.batch, deadline=NOW + timedelta(hours=12))
    pending, now, tried = at.check(), NOW, set[str]()

    while now < NOW + timedelta(hours=6):
        pending = at.check(results(pending, *[{"progress": "waiting"}] * len(pending.ready)), now=now)
        tried |= {item.export_id for item in pending.ready}
        now = max(now, pending.next_poll_at or now) + timedelta(seconds=1)
    up_again = at.check(results(pending, *[{"progress": "settled"}] * len(pending.ready)), now=now)

    assert at.records.outcomes == {}
    assert pending.stores < MAX_STORES - 100
    assert len(tried) > 50, "it is not the same export that is tried each time"
    assert len(up_again.ready) == 99


def test_an_export_that_is_alone_and_unfinished_makes_nobody_list_the_account() -> None:
    at = desk(export("large"), asked=["large"])
    pending = at.check()
    assert pending.next_poll_at

    after = at.check(results(pending, {"progress": "unfinished"}), now=pending.next_poll_at)

    assert after.ready == (Item("large", 1),)
    assert at.service.calls == [(("large",), ())]


def test_fault_15_16_a_service_that_does_not_answer_is_asked_again_at_the_next_look() -> None:
    at = desk(export("a"), export("b", "IN_PROGRESS"))
    at.service.error = ServiceError("ThrottlingException")

    throttled = at.check()
    at.service.error = None
    after = at.check(throttled, now=NOW + timedelta(minutes=5))

    assert (throttled.unlisted, throttled.polls) == (("a", "b"), 1)
    assert (after.ids, at.records.outcomes) == (("b", "a"), {})


def test_fault_15_16_a_service_that_stays_down_until_the_deadline_leaves_nothing_stored() -> None:
    at = desk(export("a"))
    at.batch = replace(at.batch, deadline=NOW)
    at.service.error = ServiceError("ServerInternalErrorException")

    assert at.check().ids == ()
    assert at.records.outcomes == {"a": (Outcome.NOT_STORED, "ServerInternalErrorException")}


def test_fault_36_exports_taken_up_again_count_too() -> None:
    at = desk(*(export(f"e{n:02}") for n in range(40)))
    pending = at.check()
    unfinished = results(pending, *[{"progress": "unfinished"}] * 40)

    after = at.check(replace(unfinished, stores=MAX_STORES - 10))

    assert (len(after.ready), after.stores) == (10, MAX_STORES)
    assert sorted(after.ids) == sorted(pending.ids)


def test_fault_28_an_export_that_found_no_free_lambda_waits() -> None:
    at = desk(export("throttled"))

    after = at.check(results(at.check(), {"error": "Lambda.TooManyRequestsException", "cause": "Rate Exceeded."}))

    assert after.waiting == ("throttled",)
    assert at.records.outcomes == {}


def test_a_wait_that_ended_a_moment_early_by_our_clock_has_ended() -> None:
    at = desk(export("running", "IN_PROGRESS"))
    pending = at.check()
    assert pending.next_poll_at

    after = at.check(pending, now=pending.next_poll_at - timedelta(milliseconds=500))

    assert after.polls == 2


def test_the_state_survives_json() -> None:
    at = desk(export("done"), export("running", "IN_PROGRESS"), asked=["done", "running", "unknown"])

    pending = at.check()

    assert Pending.from_json(pending.to_json()) == pending


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (
            {"error": "NonRetryableError", "cause": '{"errorMessage":"AccessDenied","errorType":"NonRetryableError"'},
            "AccessDenied",
        ),
        ({"error": "Runtime.HandlerError", "cause": '{"errorMessage": "SlowDown", "err'}, "SlowDown"),
        (
            {"error": "Sandbox.Timedout", "cause": '{"errorMessage":"RequestId: 1 Error: Task timed out'},
            "Sandbox.Timedout",
        ),
        ({"error": "States.Timeout"}, "States.Timeout"),
        ({}, "Unknown"),
    ],
)
def test_the_code_of_a_failure_is_found_where_lambda_puts_it(failure: dict[str, str], code: str) -> None:
    assert failure_code(failure) == code
