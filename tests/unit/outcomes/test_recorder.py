"""Who records an outcome announces it, and whoever finds one that nobody announced catches up."""

from datetime import timedelta
from typing import cast

import pytest

from exports.model import Outcome
from exports.outcomes.catalog import Catalog
from exports.outcomes.metrics import measure
from exports.outcomes.recorder import ANNOUNCE_GRACE, OutcomeRecorder
from exports.outcomes.rows import Row, Write
from tests.unit.builders import NOW, batch, export, row
from tests.unit.fakes import FakeCatalog, FakePublisher


class RecorderHarness:
    """A ledger of one run, between a catalog whose writes have this answer and a bus."""

    def __init__(self, answer: Write, *, is_sweep: bool = False, refuses: bool = False) -> None:
        self.catalog, self.publisher = FakeCatalog(answer=answer), FakePublisher(refuses=refuses)
        self.measured: list[Outcome] = []
        self.recorder = OutcomeRecorder(
            batch("export-1", is_sweep=is_sweep),
            cast(Catalog, self.catalog),
            publish=self.publisher.publish,
            measure=lambda _, outcome: self.measured.append(outcome),
            clock=lambda: NOW,
        )


def owed(status: str = "STORED", *, run_id: str = "run-2", age: timedelta = timedelta()) -> Row:
    settled_at = (NOW - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return row(status=status, announcedAt=None, runId=run_id, settledAt=settled_at)


def test_the_winner_of_the_write_announces_measures_and_notes_it() -> None:
    desk = RecorderHarness(Write(owed(run_id="run-1"), applied=True))

    desk.recorder.settle(export(), Outcome.STORED, {}, polls=1)

    assert desk.publisher.published == desk.measured == [Outcome.STORED]
    assert desk.catalog.announced_ids == ["export-1"]


@pytest.mark.parametrize("run_id", ["run-1", "run-2"], ids=["another call of the run", "another run"])
def test_the_loser_announces_nothing_while_the_winner_has_time(run_id: str) -> None:
    desk = RecorderHarness(Write(owed(run_id=run_id), applied=False))

    desk.recorder.settle(export(), Outcome.STORED, {}, polls=1)

    assert desk.publisher.published == []


def test_fault_24_what_a_run_still_owes_at_its_end_and_nothing_else_is_announced_then() -> None:
    desk = RecorderHarness(Write(owed(), applied=False))

    desk.recorder.announce_pending(owed(run_id="run-1"))
    desk.recorder.announce_pending(owed("NOT_STORED", run_id="run-1"))
    desk.recorder.announce_pending(owed(run_id="run-2"))
    desk.recorder.announce_pending(owed("IN_PROGRESS", run_id="run-1"))
    desk.recorder.announce_pending(row(runId="run-1"))

    assert desk.publisher.published == [Outcome.STORED, Outcome.NOT_STORED]


def test_fault_34_an_event_that_cannot_be_put_fails_nothing_and_stays_owed() -> None:
    desk = RecorderHarness(Write(owed(run_id="run-1"), applied=True), refuses=True)

    desk.recorder.settle(export(), Outcome.STORED, {}, polls=1)

    assert (desk.publisher.published, desk.catalog.announced_ids, desk.measured) == ([], [], [])


def test_what_won_again_but_is_announced_already_is_not_announced_twice() -> None:
    desk = RecorderHarness(Write(row(status="TIMED_OUT", runId="run-1"), applied=True))

    desk.recorder.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert desk.publisher.published == []


def test_an_outcome_that_settles_nothing_frees_the_export() -> None:
    desk = RecorderHarness(Write(owed("NOT_STORED", run_id="run-1"), applied=True))

    desk.recorder.record_unsettled("export-1", Outcome.NOT_STORED, "SlowDown")

    assert desk.catalog.released == ["export-1"]


def test_bad_input_29_a_row_that_somebody_wrote_by_hand_is_measured_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "DiscoveryExports")

    measure(Row({"exportId": "export-1", "status": "STORED"}), Outcome.STORED)

    assert '"Exports":[1.0]' in capsys.readouterr().out.replace(" ", "")


@pytest.mark.parametrize(("age", "told"), [(ANNOUNCE_GRACE, []), (ANNOUNCE_GRACE * 2, [Outcome.STORED])])
def test_fault_24_another_runs_event_is_caught_up_once_its_time_is_over(age: timedelta, told: list[Outcome]) -> None:
    desk = RecorderHarness(Write(owed(), applied=False))

    desk.recorder.announce_overdue(owed(age=age))

    assert desk.publisher.published == told


def test_another_runs_unsettled_outcome_is_its_own_to_announce() -> None:
    desk = RecorderHarness(Write(owed(), applied=False))

    desk.recorder.announce_overdue(owed("NOT_STORED", age=ANNOUNCE_GRACE * 2))

    assert desk.publisher.published == []


def test_a_sweep_that_leaves_exports_in_progress_records_and_announces_nothing() -> None:
    desk = RecorderHarness(Write(owed("TIMED_OUT", run_id="run-1"), applied=True), is_sweep=True)

    desk.recorder.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert (desk.catalog.left, desk.publisher.published) == ([], [])


def test_a_run_that_asked_for_the_export_announces_that_its_time_ran_out() -> None:
    desk = RecorderHarness(Write(owed("TIMED_OUT", run_id="run-1"), applied=True))

    desk.recorder.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert desk.publisher.published == [Outcome.TIMED_OUT]
