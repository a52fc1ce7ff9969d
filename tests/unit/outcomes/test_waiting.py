"""Several runs for one export: no outcome replaces what a live run does, and a run by id ends in an event."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from exports.outcomes.catalog import LEASE_DURATION, Catalog
from exports.outcomes.outcome import Outcome
from exports.outcomes.recorder import OutcomeRecorder
from exports.outcomes.rows import Row
from exports.runs import Batch
from exports.workflow.reporting import batch_results
from tests.unit.builders import NOW, batch, export
from tests.unit.fakes import FakeClock

MINUTE = timedelta(minutes=1)
CLAIM = 15 * MINUTE
IN_PROGRESS = export(status="IN_PROGRESS")


@dataclass
class Runs:
    """Runs for one export on one catalog, with the events that they publish: run, outcome and reason."""

    catalog: Catalog
    clock: FakeClock
    events: list[tuple[str, str, str | None]] = field(default_factory=list)

    def start(self, run_id: str, minutes: float, **more: Any) -> OutcomeRecorder:
        now = self.clock.now
        return self._recorder(batch("export-1", run_id=run_id, started_at=now, deadline=now + minutes * MINUTE, **more))

    def sweep(self, run_id: str = "sweep") -> OutcomeRecorder:
        return self.start(run_id, 55, is_sweep=True, retries_rejected=False)

    def swept(self, run_id: str = "sweep") -> None:
        """A sweep that finds the export in progress until its deadline."""
        sweep = self.sweep(run_id)
        sweep.mark_in_progress(IN_PROGRESS)
        self.clock.now = sweep.batch.deadline
        sweep.record_unsettled("export-1", Outcome.TIMED_OUT)

    def wait_until(self, run: OutcomeRecorder, moment: datetime) -> None:
        """``run`` polls until ``moment``, and renews."""
        while self.clock.now < moment:
            self.clock.now = min(self.clock.now + 30 * MINUTE, moment)
            run.renew_leases(["export-1"])

    def _recorder(self, given: Batch) -> OutcomeRecorder:
        def publish(row: Row, outcome: Outcome) -> None:
            self.events.append((given.run_id, str(outcome), row.reason))

        return OutcomeRecorder(
            given, self.catalog, publish=publish, measure=lambda row, outcome: None, clock=self.clock
        )

    @property
    def item(self) -> dict[str, Any]:
        return dict(self.catalog.rows(["export-1"])["export-1"].item)


@pytest.fixture
def runs(dynamodb: Any) -> Runs:
    clock = FakeClock()
    return Runs(Catalog(dynamodb, "catalog", account="111122223333", region="us-west-2", clock=clock), clock)


def reported(run: OutcomeRecorder) -> dict[str, Any]:
    (export,) = batch_results(run.batch, run, failure=None, bucket="b")
    return export


def test_attack_05_hourly_sweeps_do_not_suppress_the_timeout_of_a_run(runs: Runs) -> None:
    """The sweep that is live at the deadline of the run has the later deadline."""
    run = runs.start("run", 720)
    run.mark_in_progress(IN_PROGRESS)
    for hour in range(12):
        runs.clock.now = NOW + (hour * 60 + 1) * MINUTE
        run.renew_leases(["export-1"])
        runs.swept(f"sweep-{hour}")
    runs.clock.now = run.batch.deadline - MINUTE
    sweep = runs.sweep("last")
    sweep.mark_in_progress(IN_PROGRESS)
    runs.clock.now = run.batch.deadline

    run.record_unsettled("export-1", Outcome.TIMED_OUT)
    runs.clock.now = sweep.batch.deadline
    sweep.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert runs.events == [("run", "TIMED_OUT", None)]


def test_attack_05_the_timeout_of_a_run_beside_a_sweep_that_stores_is_announced_if_the_sweep_ends(runs: Runs) -> None:
    run = runs.start("run", 60)
    run.mark_in_progress(IN_PROGRESS)
    runs.clock.now = run.batch.deadline
    sweep = runs.sweep()
    sweep.claim(export(), CLAIM)

    run.record_unsettled("export-1", Outcome.TIMED_OUT)
    assert (runs.events, runs.item["status"]) == ([], "IN_PROGRESS")
    runs.clock.now = sweep.batch.deadline
    sweep.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert runs.events == [("sweep", "TIMED_OUT", None)]


def test_attack_05_a_refusal_beside_a_sweep_that_stores_is_announced_although_the_run_never_waited(runs: Runs) -> None:
    sweep = runs.sweep()
    sweep.claim(export(), CLAIM)
    run = runs.start("run", 60)
    run.record_unsettled("export-1", Outcome.NOT_STORED, "AccessDenied")
    runs.clock.now = sweep.batch.deadline

    sweep.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert runs.events == [("sweep", "TIMED_OUT", None)]
    assert reported(run) == {"exportId": "export-1", "outcome": "NOT_STORED", "reason": "AccessDenied"}


@pytest.mark.parametrize("mark", ["in progress", "claimed"])
def test_attack_05_a_sweep_announces_the_export_of_a_stopped_run_once(runs: Runs, mark: str) -> None:
    run = runs.start("stopped", 10_080)
    if mark == "claimed":
        run.claim(export(), CLAIM)
    else:
        run.mark_in_progress(IN_PROGRESS)
    for hour in range(8):
        runs.swept(f"sweep-{hour}")

    first_after_lease = LEASE_DURATION // (55 * MINUTE)
    assert runs.events == [(f"sweep-{first_after_lease}", "TIMED_OUT", None)]


def test_attack_05_a_stopped_run_blocks_no_outcome_after_its_lease(runs: Runs) -> None:
    runs.start("stopped", 10_080).mark_in_progress(IN_PROGRESS)
    runs.clock.now += LEASE_DURATION + MINUTE
    run = runs.start("run", 60)
    run.claim(export(), CLAIM)

    run.record_unsettled("export-1", Outcome.NOT_STORED, "AccessDenied")

    assert runs.events == [("run", "NOT_STORED", "AccessDenied")]


def test_attack_05_a_live_run_keeps_its_export_for_days(runs: Runs) -> None:
    run = runs.start("long", 10_080)
    run.mark_in_progress(IN_PROGRESS)
    for day in range(1, 7):
        runs.wait_until(run, NOW + timedelta(days=day))
        short = runs.start(f"short-{day}", 1)
        short.record_unsettled("export-1", Outcome.TIMED_OUT)
        runs.sweep().record_unsettled("export-1", Outcome.TIMED_OUT)

    assert (runs.events, runs.item["status"], runs.item["pendingBy"]) == ([], "IN_PROGRESS", "long")


@pytest.mark.parametrize("last", ["short", "long"])
def test_attack_05_of_a_run_that_ends_while_another_stores_one_is_announced(runs: Runs, last: str) -> None:
    long, short = runs.start("long", 720), runs.start("short", 60)
    long.mark_in_progress(IN_PROGRESS)
    storing, other = (short, long) if last == "short" else (long, short)
    assert storing.claim(export(), CLAIM).applied

    other.record_unsettled("export-1", Outcome.NOT_STORED, "AccessDeniedException")
    storing.record_unsettled("export-1", Outcome.NOT_STORED, "KMS.DisabledException")

    assert runs.events == [(last, "NOT_STORED", "KMS.DisabledException")]
    assert reported(other) == {"exportId": "export-1", "outcome": "NOT_STORED", "reason": "AccessDeniedException"}
    assert reported(storing) == {"exportId": "export-1", "outcome": "NOT_STORED", "reason": "KMS.DisabledException"}


def test_attack_05_a_run_that_still_waits_takes_over_from_a_longer_one_that_stopped(runs: Runs) -> None:
    runs.start("stopped", 10_080).mark_in_progress(IN_PROGRESS)
    run = runs.start("run", 720)
    runs.wait_until(run, NOW + LEASE_DURATION + 30 * MINUTE)

    runs.start("short", 1).record_unsettled("export-1", Outcome.NOT_STORED, "x")

    assert (runs.events, runs.item["pendingBy"]) == ([], "run")


def test_sweeps_that_leave_exports_in_progress_announce_nothing(runs: Runs) -> None:
    for hour in range(4):
        runs.swept(f"sweep-{hour}")

    assert (runs.events, runs.item["status"]) == ([], "IN_PROGRESS")
    assert not [name for name in runs.item if name.startswith("pending")]


def test_a_settled_export_owes_no_outcome(runs: Runs) -> None:
    long, short = runs.start("long", 720), runs.start("short", 1)
    long.mark_in_progress(IN_PROGRESS)
    short.record_unsettled("export-1", Outcome.TIMED_OUT)
    long.settle(export(), Outcome.STORED, {}, polls=1)
    short.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert runs.events == [("long", "STORED", None)]
    assert {"pendingBy", "pendingUntil", "pendingLease", "unrecorded"}.isdisjoint(runs.item)


def test_attack_04_the_record_of_a_rejected_export_never_expires(runs: Runs) -> None:
    runs.start("first", 60).settle(export(), Outcome.REJECTED, {"reason": "CORRUPT", "rawKey": "raw/x"}, polls=1)
    runs.clock.now += 60 * MINUTE

    runs.start("again", 60).record_unsettled("export-1", Outcome.NOT_FOUND)

    assert (runs.item["status"], runs.item["rawKey"]) == ("NOT_FOUND", "raw/x")
    assert "expiresAt" not in runs.item


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.NOT_STORED, Outcome.NOT_FOUND])
def test_attack_04_the_record_of_an_export_that_was_listed_once_never_expires(runs: Runs, outcome: Outcome) -> None:
    first = runs.start("first", 60)
    first.mark_in_progress(IN_PROGRESS)
    first.record_unsettled("export-1", outcome)

    runs.start("again", 60).record_unsettled("export-1", Outcome.NOT_FOUND)

    assert runs.events == [("first", str(outcome), None), ("again", "NOT_FOUND", None)]
    assert "expiresAt" not in runs.item


def test_attack_04_the_record_of_an_export_that_was_in_progress_never_expires(runs: Runs) -> None:
    run = runs.start("run", 60)
    run.mark_in_progress(IN_PROGRESS)

    run.record_unsettled("export-1", Outcome.NOT_FOUND, "InvalidParameterValueException")

    assert runs.events == [("run", "NOT_FOUND", "InvalidParameterValueException")]
    assert "expiresAt" not in runs.item
