"""One poll of the exports of a batch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.aws.discovery import DiscoveryService
from exports.errors import NonRetryableError, ServiceError
from exports.model import UNKNOWN_TIME, Export
from exports.outcomes.outcome import Outcome
from exports.runs import BATCH_SIZE, Batch, Item
from exports.settings import Settings
from exports.workflow.batch_state import Pending, failure_code
from exports.workflow.checking import LAMBDA_ERRORS, BatchPoll
from exports.workflow.poll_interval import MAX_POLLS, MAX_RETRIES, MAX_STORES, RESERVED_STORES
from tests.unit.answers import AnsweredClient
from tests.unit.builders import NOW, batch, export, row
from tests.unit.fakes import FakeRecords, FakeService

SETTINGS = Settings({"WAIT_FLOOR_SECONDS": "15", "WAIT_CEILING_SECONDS": "300", "NOT_FOUND_GRACE_SECONDS": "600"})


@dataclass
class CheckHarness:
    """A batch, a service and records, and polls of them at the times that a test selects."""

    batch: Batch
    service: FakeService = field(default_factory=FakeService)
    records: FakeRecords = field(default_factory=FakeRecords)
    measured: list[tuple[Sequence[timedelta], Sequence[timedelta]]] = field(default_factory=list)

    def _measure(self, detection_delays: Sequence[timedelta], ages: Sequence[timedelta]) -> None:
        self.measured.append((detection_delays, ages))

    def check(self, pending: Pending | None = None, *, now: datetime = NOW) -> Pending:
        poll = BatchPoll(self.batch, self.service, self.records, SETTINGS, now, jitter=0.5, measure=self._measure)
        return poll.next_state(poll.first_state() if pending is None else pending)


def check_harness(*exports: Export, ids: Sequence[str] = (), **more: Any) -> CheckHarness:
    return CheckHarness(batch(*(ids or [each.id for each in exports]), **more), FakeService(list(exports)))


def results(pending: Pending, *each: Mapping[str, Any]) -> Pending:
    return replace(pending, results=tuple(each))


def test_a_finished_export_is_ready_and_one_in_progress_waits() -> None:
    harness = check_harness(export("done"), export("running", "IN_PROGRESS"))

    pending = harness.check()

    assert pending.ready == (Item("done", 1),)
    assert pending.waiting == ("running",)
    assert harness.records.seen == ["running"]


def test_attack_05_an_export_without_a_url_counts_as_waited_for_at_once() -> None:
    harness = check_harness(export("linkless", download_url=None))

    harness.check()

    assert harness.records.renewed == [["linkless"]]


def test_one_describe_call_has_the_whole_batch_and_the_filters() -> None:
    filters = ({"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]},)
    harness = check_harness(*(export(f"e{n}", "IN_PROGRESS") for n in range(100)), filters=filters)

    harness.check()

    assert harness.service.calls == [(tuple(f"e{n}" for n in range(100)), filters)]


def test_an_export_is_marked_in_progress_once() -> None:
    harness = check_harness(export("running", "IN_PROGRESS"))

    harness.check(harness.check(), now=NOW + timedelta(minutes=5))

    assert harness.records.seen == ["running"]


def test_ages_are_those_of_waiting_and_failed_exports_but_not_of_new_ones() -> None:
    harness = check_harness(
        export("running", "IN_PROGRESS", age_minutes=10),
        export("new", age_minutes=20),
        export("failed once", age_minutes=30),
        export("refused", age_minutes=40),
        export("stored", age_minutes=50),
    )
    harness.records.known = {
        "failed once": row("failed once", "IN_PROGRESS", lastError="the download URL is no longer valid (403)"),
        "refused": row("refused", "NOT_STORED", reason="AccessDenied"),
        "stored": row("stored"),
    }

    harness.check()

    assert harness.measured == [([], [timedelta(minutes=minutes) for minutes in (10, 30, 40)])]


def test_detection_delay_of_an_ended_export_is_the_time_since_the_last_poll() -> None:
    harness = check_harness(
        export("ended", "IN_PROGRESS"), export("running", "IN_PROGRESS", age_minutes=45), export("done")
    )
    first = harness.check()
    harness.service.exports = [export("ended"), *harness.service.exports[1:]]
    harness.records.known["ended"] = row("ended", "IN_PROGRESS", exportStatus="IN_PROGRESS")

    harness.check(replace(first, ready=()), now=NOW + timedelta(minutes=5))

    assert harness.measured == [
        ([], [timedelta(minutes=30), timedelta(minutes=45)]),
        ([timedelta(minutes=5)], [timedelta(minutes=50)]),
    ]


def test_ages_at_the_deadline_include_exports_in_progress() -> None:
    harness = check_harness(export("running", "IN_PROGRESS", age_minutes=45), export("done"))

    harness.check(now=harness.batch.deadline)

    assert [ages for _, ages in harness.measured] == [[harness.batch.deadline - NOW + timedelta(minutes=45)]]


def test_an_export_that_waits_for_a_retry_has_no_new_detection_delay() -> None:
    harness = check_harness(export("again"))
    first = harness.check()
    harness.records.known["again"] = row("again", "IN_PROGRESS", exportStatus="SUCCEEDED")

    harness.check(replace(first, ready=(), waiting=("again",)), now=NOW + timedelta(minutes=5))

    assert harness.measured[-1][0] == []


def test_settled_exports_are_not_polled_and_overdue_events_are_announced() -> None:
    harness = check_harness(export("stored"), export("new"))
    harness.records.known["stored"] = row("stored", "STORED")

    pending = harness.check()

    assert pending.ids == ("new",)
    assert harness.records.overdue == ["stored"]
    assert harness.service.calls[0][0] == ("new",)


@pytest.mark.parametrize("status", ["REJECTED", "FAILED"])
def test_a_rejected_or_failed_export_is_polled_again_if_requested_by_id(status: str) -> None:
    harness = check_harness(export("again"))
    harness.records.known["again"] = row("again", status, settledAt="2026-11-22T00:00:00.000Z")

    assert harness.check().ready == (Item("again", 1),)


@pytest.mark.parametrize("status", ["REJECTED", "FAILED"])
def test_a_rejected_or_failed_export_stays_settled_if_not_requested_by_id(status: str) -> None:
    harness = check_harness(export("again"), retries_rejected=False)
    harness.records.known["again"] = row("again", status, settledAt="2026-11-22T00:00:00.000Z")

    assert harness.check().ids == ()


def test_fault_21_failed_export_is_settled_and_the_others_stay_pending() -> None:
    harness = check_harness(export("bad", "FAILED"), export("good"))

    pending = harness.check()

    assert harness.records.outcomes == {"bad": (Outcome.FAILED, None)}
    assert pending.ids == ("good",)


def test_an_export_that_is_still_failed_keeps_its_item() -> None:
    harness = check_harness(export("bad", "FAILED"))
    harness.records.known["bad"] = row("bad", "FAILED", settledAt="2026-11-22T00:00:00.000Z")

    harness.check()

    assert harness.records.outcomes == {}


def test_bad_input_17_unknown_status_waits_until_the_deadline() -> None:
    harness = check_harness(export("odd", "PAUSED", download_url="https://unused.example/"))
    harness.batch = replace(harness.batch, deadline=NOW + timedelta(minutes=5))

    waiting = harness.check()
    after = harness.check(waiting, now=harness.batch.deadline)

    assert (waiting.waiting, waiting.ready) == (("odd",), ())
    assert after.ids == ()
    assert harness.records.outcomes == {"odd": (Outcome.TIMED_OUT, None)}


def test_fault_18_unlisted_id_is_not_found_after_the_grace_period() -> None:
    harness = check_harness(ids=["late"])

    within = harness.check()
    after = harness.check(within, now=NOW + timedelta(minutes=10))

    assert within.unlisted == ("late",)
    assert after.ids == ()
    assert harness.records.outcomes == {"late": (Outcome.NOT_FOUND, None)}


def test_an_id_that_was_listed_is_never_not_found() -> None:
    harness = check_harness(export("there", "IN_PROGRESS"))
    seen = harness.check()
    harness.service.exports = []

    gone = harness.check(seen, now=NOW + timedelta(hours=1))

    assert gone.waiting == ("there",)
    assert harness.records.outcomes == {}


def test_bad_input_15_finished_export_without_a_url_waits_for_the_grace_period() -> None:
    harness = check_harness(export("no-url", download_url=None))

    within = harness.check()
    still = harness.check(within, now=NOW + timedelta(minutes=10))
    after = harness.check(still, now=NOW + timedelta(minutes=15))

    assert (within.waiting, within.ready) == (("no-url",), ())
    assert (still.waiting, still.ready) == (("no-url",), ())
    assert after.ready == (Item("no-url", 3, without_url=True),)


def test_bad_input_15_grace_period_for_a_url_starts_at_the_end_of_the_export() -> None:
    harness = check_harness(export("no-url", download_url=None), started_at=NOW - timedelta(hours=3))

    assert harness.check().waiting == ("no-url",)


def test_an_export_that_another_run_has_claimed_waits_until_the_claim_expires() -> None:
    harness = check_harness(export("taken"))
    harness.records.known["taken"] = row(
        "taken", "IN_PROGRESS", claimedBy="run-2", claimedUntil="2026-11-23T12:05:00.000Z"
    )

    first = harness.check()
    second = harness.check(first, now=NOW + timedelta(minutes=6))

    assert (first.ready, first.waiting) == ((), ("taken",))
    assert second.ready == (Item("taken", 2),)


def test_a_stored_export_is_removed_without_a_describe_call() -> None:
    harness = check_harness(export("done"))

    after = harness.check(results(harness.check(), {"progress": "settled"}))

    assert after.to_json() == {"pending": 0}
    assert len(harness.service.calls) == 1


def test_an_unfinished_export_stays_ready() -> None:
    harness = check_harness(export("large"), export("running", "IN_PROGRESS"))

    after = harness.check(results(harness.check(), {"progress": "unfinished"}))

    assert after.ready == (Item("large", 1),)
    assert len(harness.service.calls) == 1, "a round of storing does not start the next poll early"


def test_an_export_that_was_not_stored_waits_for_the_next_poll() -> None:
    harness = check_harness(export("flaky"))

    after = harness.check(results(harness.check(), {"progress": "waiting"}))
    later = harness.check(after, now=NOW + timedelta(minutes=5))

    assert after.waiting == ("flaky",)
    assert later.ready == (Item("flaky", 2),)


def test_a_storing_error_is_recorded_for_its_export_only() -> None:
    harness = check_harness(export("bad"), export("good"))

    after = harness.check(
        results(harness.check(), {"error": "Sandbox.Timedout", "cause": "Task timed out"}, {"progress": "settled"})
    )

    assert harness.records.outcomes == {"bad": (Outcome.NOT_STORED, "Sandbox.Timedout")}
    assert after.ids == ()


@pytest.mark.parametrize("code", ["HomeRegionNotSetException", "AuthorizationErrorException"])
def test_fault_17_denied_describe_call_ends_the_batch_with_its_code(code: str) -> None:
    harness = check_harness(export("a"), export("b"))
    harness.service.error = NonRetryableError(code)

    assert harness.check().ids == ()
    assert harness.records.outcomes == {"a": (Outcome.NOT_STORED, code), "b": (Outcome.NOT_STORED, code)}


def test_fault_42_refused_id_is_settled_at_the_first_poll_with_the_code() -> None:
    harness = check_harness(export("good", "IN_PROGRESS"), ids=["good", "junk"])
    harness.service.refused = {"junk": "InvalidParameterValueException"}

    pending = harness.check()

    assert pending.ids == ("good",)
    assert harness.records.outcomes == {"junk": (Outcome.NOT_FOUND, "InvalidParameterValueException")}


def test_fault_42_id_that_the_service_listed_and_then_refuses_is_not_stored() -> None:
    harness = check_harness(export("odd", "IN_PROGRESS"))
    pending = harness.check()
    harness.service.refused = {"odd": "InvalidParameterValueException"}

    assert harness.check(pending, now=NOW + timedelta(minutes=5)).ids == ()
    assert harness.records.outcomes == {"odd": (Outcome.NOT_STORED, "InvalidParameterValueException")}


@pytest.mark.parametrize(
    "run",
    [{"is_sweep": True, "retries_rejected": False}, {"filters": ({"name": "agentIds"},), "retries_rejected": False}],
    ids=["sweep", "filters"],
)
def test_fault_42_id_that_the_service_listed_for_the_run_and_refuses_is_not_stored(run: Mapping[str, Any]) -> None:
    """The ids of such a run are from the list of the service."""
    harness = check_harness(ids=["odd"], **run)
    harness.service.refused = {"odd": "InvalidParameterValueException"}

    harness.check()

    assert harness.records.outcomes == {"odd": (Outcome.NOT_STORED, "InvalidParameterValueException")}


def test_fault_42_id_that_the_service_listed_for_another_run_and_refuses_is_not_stored() -> None:
    harness = check_harness(ids=["odd", "junk"])
    harness.records.known = {
        "odd": row("odd", "TIMED_OUT", exportStatus="IN_PROGRESS"),
        "junk": row("junk", "NOT_FOUND"),
    }
    harness.service.refused = dict.fromkeys(["odd", "junk"], "InvalidParameterValueException")

    harness.check()

    assert harness.records.outcomes == {
        "odd": (Outcome.NOT_STORED, "InvalidParameterValueException"),
        "junk": (Outcome.NOT_FOUND, "InvalidParameterValueException"),
    }


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "the service fails"])
def test_attack_05_a_run_shows_every_half_hour_that_it_waits(fails: bool) -> None:
    harness = check_harness(export("running", "IN_PROGRESS"), ids=["running", "unlisted"])
    pending = harness.check()
    harness.service.error = ServiceError("ServerInternalErrorException") if fails else None
    for minute in range(5, 9):
        pending = harness.check(replace(pending, next_poll_at=None), now=NOW + timedelta(minutes=minute))
    assert harness.records.renewed == []

    for minute in range(15, 25 if fails else 85):
        pending = harness.check(replace(pending, next_poll_at=None), now=NOW + timedelta(minutes=minute))
    assert harness.records.renewed == ([] if fails else [["running"], ["running"]])

    harness.check(replace(pending, next_poll_at=None), now=NOW + timedelta(minutes=100))
    assert harness.records.renewed[-1] == ["running"]


def test_fault_42_ids_without_an_answer_are_asked_for_again_after_the_grace_period() -> None:
    harness = check_harness(export("good", "IN_PROGRESS"), ids=["good", "unanswered", "unknown"])
    harness.service.unanswered = ["unanswered"]

    pending = harness.check(now=NOW + timedelta(hours=1))

    assert (pending.unlisted, pending.waiting) == (("unanswered",), ("good",))
    assert harness.records.outcomes == {"unknown": (Outcome.NOT_FOUND, None)}


def test_fault_42_batch_of_refused_ids_needs_no_more_calls_than_twice_those_of_finished_exports() -> None:
    """A finished export needs one call before it is stored, beside the one of the poll that finds it."""
    ids = [f"junk-{number}" for number in range(BATCH_SIZE)]
    refusing = AnsweredClient(lambda _: (400, b'{"__type": "InvalidParameterValueException"}'))
    records = FakeRecords()

    poll = BatchPoll(batch(*ids), DiscoveryService(refusing.client), records, SETTINGS, NOW, 0.5, lambda *_: None)
    pending = poll.next_state(poll.first_state())

    assert pending.ids == ()
    assert records.outcomes == dict.fromkeys(ids, (Outcome.NOT_FOUND, "InvalidParameterValueException"))
    assert len(refusing.requests) == 103 < 2 * (1 + BATCH_SIZE)


@pytest.mark.parametrize("other", ["IN_PROGRESS", "SUCCEEDED"])
def test_bad_input_37_export_without_a_request_time_counts_as_requested_at_the_start_of_the_run(other: str) -> None:
    harness = check_harness(export("odd", "IN_PROGRESS", requested_at=UNKNOWN_TIME), export("other", other))

    pending = harness.check()

    assert harness.measured[0][1][0] == timedelta(minutes=1)
    assert pending.next_poll_at
    assert pending.next_poll_at - NOW < timedelta(seconds=16)


def test_fault_20_last_poll_at_the_deadline_stores_what_is_ready() -> None:
    harness = check_harness(export("done"), export("running", "IN_PROGRESS"), ids=["done", "running", "unknown"])
    harness.batch = replace(harness.batch, deadline=NOW)

    last = harness.check()
    after = harness.check(results(last, {"progress": "waiting"}), now=NOW + timedelta(seconds=30))

    assert last.ids == ("done",)
    assert after.ids == ()
    assert harness.records.outcomes == {
        **dict.fromkeys(("running", "done"), (Outcome.TIMED_OUT, None)),
        "unknown": (Outcome.NOT_FOUND, None),
    }


def test_attack_04_ids_that_the_service_never_lists_are_not_found_at_a_deadline_within_the_grace_period() -> None:
    harness = check_harness(ids=[f"junk-{number}" for number in range(100)])
    harness.batch = replace(harness.batch, started_at=NOW, deadline=NOW + timedelta(minutes=1))

    waiting = harness.check()
    ended = harness.check(waiting, now=NOW + timedelta(minutes=1))

    assert (len(waiting.unlisted), ended.ids) == (100, ())
    assert set(harness.records.outcomes.values()) == {(Outcome.NOT_FOUND, None)}


ODD_RESULTS: list[Any] = [
    None,
    "settled",
    7,
    [],
    {},
    {"error": ["x"]},
    {"error": None},
    {"progress": 7},
    {"retries": "9"},
]


@pytest.mark.parametrize("odd", ODD_RESULTS, ids=str)
def test_bad_input_45_odd_result_of_storing_affects_no_other_export_of_the_batch(odd: Any) -> None:
    harness = check_harness(export("a"), export("odd"), export("b"))
    state = {**harness.check().to_json(), "results": [{"progress": "settled"}, odd, {"error": "Sandbox.Timedout"}]}

    after = harness.check(Pending.from_json(state))

    assert after.ids == ("odd",), "it is polled again"
    assert harness.records.outcomes == {"b": (Outcome.NOT_STORED, "Sandbox.Timedout")}


@pytest.mark.parametrize("results", [[], [{"progress": "settled"}], [{"progress": "settled"}] * 4])
def test_bad_input_45_results_that_are_lost_or_too_many_affect_no_export(results: list[Any]) -> None:
    harness = check_harness(export("a"), export("b"), export("c"))
    state = {**harness.check().to_json(), "results": results}

    after = harness.check(Pending.from_json(state))

    assert set(after.ids) == set(["a", "b", "c"][len(results) :])
    assert harness.records.outcomes == {}


def test_an_export_that_timed_out_has_its_last_error_as_reason() -> None:
    harness = check_harness(export("broken"), export("running", "IN_PROGRESS"))
    harness.batch = replace(harness.batch, deadline=NOW)
    last = harness.check()
    harness.records.known["broken"] = row("broken", "IN_PROGRESS", lastError="the source answered 503")

    harness.check(results(last, {"progress": "waiting"}))

    assert harness.records.outcomes == {
        "broken": (Outcome.TIMED_OUT, "the source answered 503"),
        "running": (Outcome.TIMED_OUT, None),
    }


def test_the_next_poll_is_never_after_the_deadline() -> None:
    harness = check_harness(export("running", "IN_PROGRESS", age_minutes=6000))
    harness.batch = replace(harness.batch, deadline=NOW + timedelta(seconds=20))

    assert harness.check().next_poll_at == harness.batch.deadline


def test_fault_36_batch_ends_after_the_maximum_of_polls() -> None:
    harness = check_harness(export("running", "IN_PROGRESS"))

    after = harness.check(replace(harness.check(), polls=MAX_POLLS), now=NOW + timedelta(hours=1))

    assert after.ids == ()
    assert harness.records.outcomes == {"running": (Outcome.TIMED_OUT, None)}


@given(st.integers(MAX_STORES - 5, MAX_STORES - 1))
def test_no_export_is_lost_at_the_maximum_of_stores(stores: int) -> None:
    harness = check_harness(*(export(f"e{n}") for n in range(10)))
    pending = Pending(unlisted=harness.batch.export_ids, stores=stores)

    after = harness.check(pending)

    assert sorted(after.ids) == sorted(harness.batch.export_ids)
    assert after.stores == MAX_STORES


def test_fault_36_batch_is_polled_until_the_deadline_after_the_maximum_of_stores() -> None:
    harness = check_harness(export("done"), export("running", "IN_PROGRESS"))
    pending = Pending(unlisted=harness.batch.export_ids, stores=MAX_STORES)

    after = harness.check(pending)

    assert (sorted(after.waiting), after.ready, harness.records.outcomes) == (["done", "running"], (), {})


def test_a_source_that_is_down_for_hours_uses_few_stores_and_settles_no_export() -> None:
    harness = check_harness(*(export(f"e{n:02}") for n in range(100)))
    harness.batch = replace(harness.batch, deadline=NOW + timedelta(hours=12))
    pending, now, tried = harness.check(), NOW, set[str]()

    while now < NOW + timedelta(hours=6):
        pending = harness.check(results(pending, *[{"progress": "waiting"}] * len(pending.ready)), now=now)
        tried |= {item.export_id for item in pending.ready}
        now = max(now, pending.next_poll_at or now) + timedelta(seconds=1)
    recovered = harness.check(results(pending, *[{"progress": "settled"}] * len(pending.ready)), now=now)

    assert harness.records.outcomes == {}
    assert pending.stores < MAX_STORES - 100
    assert len(tried) > 50, "each round tries another export"
    assert len(recovered.ready) == 99


def test_a_single_unfinished_export_does_not_list_the_account() -> None:
    harness = check_harness(export("large"), ids=["large"])
    pending = harness.check()
    assert pending.next_poll_at

    after = harness.check(results(pending, {"progress": "unfinished"}), now=pending.next_poll_at)

    assert after.ready == (Item("large", 1),)
    assert harness.service.calls == [(("large",), ())]


def test_fault_15_16_service_error_is_retried_at_the_next_poll() -> None:
    harness = check_harness(export("a"), export("b", "IN_PROGRESS"))
    harness.service.error = ServiceError("ThrottlingException")

    throttled = harness.check()
    harness.service.error = None
    after = harness.check(throttled, now=NOW + timedelta(minutes=5))

    assert (throttled.unlisted, throttled.polls) == (("a", "b"), 1)
    assert (after.ids, harness.records.outcomes) == (("b", "a"), {})


def test_fault_15_16_service_error_at_the_deadline_is_not_stored() -> None:
    harness = check_harness(export("a"))
    harness.batch = replace(harness.batch, deadline=NOW)
    harness.service.error = ServiceError("ServerInternalErrorException")

    assert harness.check().ids == ()
    assert harness.records.outcomes == {"a": (Outcome.NOT_STORED, "ServerInternalErrorException")}


def test_fault_43_export_that_never_finishes_leaves_a_share_of_the_stores_for_every_other() -> None:
    """All others finish late, and each of them needs two stores."""
    others = [f"e{n:02}" for n in range(BATCH_SIZE - 1)]
    harness = check_harness(export("endless"), *(export(each, "IN_PROGRESS") for each in others))
    harness.batch = replace(harness.batch, deadline=NOW + timedelta(hours=12))
    pending, now, rounds = harness.check(), NOW, 0
    while pending.ready:
        rounds += 1
        pending = harness.check(results(pending, *[{"progress": "unfinished"}] * len(pending.ready)), now=now)

    harness.service.exports = [export(each) for each in ("endless", *others)]
    tried: Counter[str] = Counter()
    while now < harness.batch.deadline and pending.ids:
        now = max(now, pending.next_poll_at or now) + timedelta(seconds=1)
        tried.update(item.export_id for item in pending.ready)
        progress = ["settled" if tried[item.export_id] == 2 else "waiting" for item in pending.ready]
        pending = harness.check(results(pending, *({"progress": each} for each in progress)), now=now)

    assert rounds == MAX_STORES - 2 * len(others)
    assert [tried[each] for each in others] == [2] * len(others)
    assert pending.stores <= MAX_STORES


@given(st.lists(st.lists(st.sampled_from(["settled", "waiting", "unfinished", "error"]), min_size=12), max_size=80))
def test_fault_43_every_pending_export_keeps_its_share_of_the_stores(rounds: list[list[str]]) -> None:
    """In a batch whose stores are nearly used up, whatever the results of storing are."""
    harness = check_harness(*(export(f"e{n:02}") for n in range(12)))
    pending = replace(harness.check(), stores=MAX_STORES - 30, attempts={}, ready=(), waiting=harness.batch.export_ids)
    now = NOW

    for progress in rounds:
        now = max(now, pending.next_poll_at or now) + timedelta(seconds=1)
        given = [{"progress": each} if each != "error" else {"error": "Lambda.Unknown"} for each in progress]
        pending = harness.check(results(pending, *given[: len(pending.ready)]), now=now)
        left = MAX_STORES - pending.stores
        assert left >= sum(max(0, RESERVED_STORES - pending.attempts[each]) for each in pending.ids)


def test_fault_43_exports_with_fewer_attempts_are_stored_first() -> None:
    harness = check_harness(export("a"), export("b"), export("c"))
    pending = replace(harness.check(), ready=(), waiting=("a", "b", "c"), attempts={"a": 2, "b": 1}, store_limit=1)

    assert harness.check(pending, now=NOW + timedelta(minutes=5)).ready[0].export_id == "c"


def test_the_attempts_of_an_earlier_version_are_unknown() -> None:
    state = check_harness(export("done"), export("running", "IN_PROGRESS")).check().to_json()
    del state["attempts"]

    assert Pending.from_json(state).attempts == {}


def test_fault_36_resumed_exports_count_as_stores() -> None:
    harness = check_harness(*(export(f"e{n:02}") for n in range(40)))
    pending = harness.check()
    unfinished = results(pending, *[{"progress": "unfinished"}] * 40)

    after = harness.check(replace(unfinished, stores=MAX_STORES - 10))

    assert (len(after.ready), after.stores) == (10, MAX_STORES)
    assert sorted(after.ids) == sorted(pending.ids)


@pytest.mark.parametrize("error", sorted(LAMBDA_ERRORS))
def test_fault_28_export_whose_store_ended_with_an_error_of_lambda_waits(error: str) -> None:
    harness = check_harness(export("throttled"))

    after = harness.check(results(harness.check(), {"error": error, "cause": "Rate Exceeded."}))

    assert after.waiting == ("throttled",)
    assert harness.records.outcomes == {}


def test_fault_28_round_after_throttling_stores_as_many_exports_as_got_through() -> None:
    harness = check_harness(*(export(f"e{n}") for n in range(10)))
    throttled, settled = {"error": "Lambda.TooManyRequestsException"}, {"progress": "settled"}

    some = harness.check(results(harness.check(), *[settled] * 3, *[throttled] * 7), now=NOW + timedelta(hours=1))
    all_of_them = harness.check(results(some, *[settled] * 3), now=NOW + timedelta(hours=2))

    assert (len(some.ready), len(some.ids)) == (3, 7)
    assert Pending.from_json(some.to_json()).store_limit == 3
    assert (len(all_of_them.ready), len(all_of_them.ids)) == (4, 4)


def test_fault_36_retries_of_polls_and_stores_are_added() -> None:
    harness = check_harness(export("a"), export("b"), export("running", "IN_PROGRESS"))
    first = results(harness.check(), {"progress": "waiting", "retries": 3}, {"error": "Runtime.Unknown", "retries": 10})

    polled = Pending.from_json({**first.to_json(), "results": first.results, "retryCount": 2})
    after = harness.check(polled, now=NOW + timedelta(minutes=5))

    assert after.retries == 15
    assert Pending.from_json(after.to_json()).retries == 15


def test_fault_36_batch_ends_after_the_maximum_of_retries() -> None:
    harness = check_harness(export("done"), export("running", "IN_PROGRESS"))

    still = harness.check(replace(harness.check(), retries=MAX_RETRIES - 1, results=({"progress": "settled"},)))
    after = harness.check(replace(still, retries=MAX_RETRIES))

    assert still.ids == ("running",)
    assert after.ids == ()
    assert harness.records.outcomes == {"running": (Outcome.TIMED_OUT, None)}


def test_fault_28_account_that_throttles_for_hours_does_not_use_up_the_retries_of_a_batch() -> None:
    """Every store fails after all its retries, and every poll needs six."""
    harness = check_harness(*(export(f"e{n:02}") for n in range(100)))
    harness.batch = replace(harness.batch, deadline=NOW + timedelta(hours=12))
    throttled = {"error": "Lambda.TooManyRequestsException", "cause": "Rate Exceeded.", "retries": 10}
    pending, now = harness.check(), NOW

    while now < NOW + timedelta(hours=3):
        pending = harness.check(
            replace(results(pending, *[throttled] * len(pending.ready)), retries=pending.retries + 6), now=now
        )
        now = max(now, pending.next_poll_at or now) + timedelta(minutes=3)

    assert len(pending.ids) == 100
    assert harness.records.outcomes == {}


def test_a_wait_that_ends_early_by_clock_skew_has_ended() -> None:
    harness = check_harness(export("running", "IN_PROGRESS"))
    pending = harness.check()
    assert pending.next_poll_at

    after = harness.check(pending, now=pending.next_poll_at - timedelta(milliseconds=500))

    assert after.polls == 2


def test_the_state_is_read_back_from_json() -> None:
    harness = check_harness(export("done"), export("running", "IN_PROGRESS"), ids=["done", "running", "unknown"])

    pending = harness.check()

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
def test_the_code_of_a_failure_is_read_from_the_cause(failure: dict[str, str], code: str) -> None:
    assert failure_code(failure) == code
