"""The run that records an outcome announces it; a later run announces overdue outcomes."""

from datetime import timedelta
from typing import cast

import pytest

from exports.outcomes.catalog import Catalog
from exports.outcomes.metrics import measure
from exports.outcomes.outcome import Outcome
from exports.outcomes.recorder import ANNOUNCE_GRACE, OutcomeRecorder
from exports.outcomes.rows import Row, Write
from tests.unit.builders import NOW, batch, export, row
from tests.unit.fakes import FakeCatalog, FakePublisher


class RecorderHarness:
    """The recorder of one run, with a catalog whose writes return ``answer`` and a publisher."""

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


def pending(status: str = "STORED", *, run_id: str = "run-2", age: timedelta = timedelta()) -> Row:
    settled_at = (NOW - age).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return row(status=status, announcedAt=None, runId=run_id, settledAt=settled_at)


def test_an_applied_write_is_announced_measured_and_marked() -> None:
    harness = RecorderHarness(Write(pending(run_id="run-1"), applied=True))

    harness.recorder.settle(export(), Outcome.STORED, {}, polls=1)

    assert harness.publisher.published == harness.measured == [Outcome.STORED]
    assert harness.catalog.announced_ids == ["export-1"]


@pytest.mark.parametrize("run_id", ["run-1", "run-2"], ids=["another call of the run", "another run"])
def test_a_write_that_is_not_applied_is_not_announced_within_the_grace_period(run_id: str) -> None:
    harness = RecorderHarness(Write(pending(run_id=run_id), applied=False))

    harness.recorder.settle(export(), Outcome.STORED, {}, polls=1)

    assert harness.publisher.published == []


def test_fault_24_pending_events_of_the_run_are_published_at_its_end() -> None:
    harness = RecorderHarness(Write(pending(), applied=False))

    harness.recorder.announce_pending(pending(run_id="run-1"))
    harness.recorder.announce_pending(pending("NOT_STORED", run_id="run-1"))
    harness.recorder.announce_pending(pending(run_id="run-2"))
    harness.recorder.announce_pending(pending("IN_PROGRESS", run_id="run-1"))
    harness.recorder.announce_pending(row(runId="run-1"))

    assert harness.publisher.published == [Outcome.STORED, Outcome.NOT_STORED]


def test_fault_34_event_that_cannot_be_published_stays_pending_without_an_error() -> None:
    harness = RecorderHarness(Write(pending(run_id="run-1"), applied=True), refuses=True)

    harness.recorder.settle(export(), Outcome.STORED, {}, polls=1)

    assert (harness.publisher.published, harness.catalog.announced_ids, harness.measured) == ([], [], [])


def test_an_announced_outcome_is_not_announced_again() -> None:
    harness = RecorderHarness(Write(row(status="TIMED_OUT", runId="run-1"), applied=True))

    harness.recorder.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert harness.publisher.published == []


def test_an_unsettled_outcome_releases_the_export() -> None:
    harness = RecorderHarness(Write(pending("NOT_STORED", run_id="run-1"), applied=True))

    harness.recorder.record_unsettled("export-1", Outcome.NOT_STORED, "SlowDown")

    assert harness.catalog.released == [("export-1", None)]


def test_attack_05_outcome_that_is_not_recorded_is_not_announced_and_its_reason_is_kept() -> None:
    harness = RecorderHarness(Write(row(status="IN_PROGRESS", announcedAt=None, runId="run-2"), applied=False))

    harness.recorder.record_unsettled("export-1", Outcome.NOT_STORED, "AccessDenied")

    assert (harness.publisher.published, harness.measured) == ([], [])
    assert harness.catalog.released == [("export-1", "AccessDenied")]
    assert harness.catalog.held_back == [(Outcome.NOT_STORED, "AccessDenied")]


def test_bad_input_29_item_that_was_written_manually_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "DiscoveryExports")

    measure(Row({"exportId": "export-1", "status": "STORED"}), Outcome.STORED)

    assert '"Exports":[1.0]' in capsys.readouterr().out.replace(" ", "")


@pytest.mark.parametrize(("age", "published"), [(ANNOUNCE_GRACE, []), (ANNOUNCE_GRACE * 2, [Outcome.STORED])])
def test_fault_24_event_of_another_run_is_published_after_the_grace_period(
    age: timedelta, published: list[Outcome]
) -> None:
    harness = RecorderHarness(Write(pending(), applied=False))

    harness.recorder.announce_overdue(pending(age=age))

    assert harness.publisher.published == published


def test_an_unsettled_outcome_of_another_run_is_not_announced() -> None:
    harness = RecorderHarness(Write(pending(), applied=False))

    harness.recorder.announce_overdue(pending("NOT_STORED", age=ANNOUNCE_GRACE * 2))

    assert harness.publisher.published == []


def test_a_sweep_does_not_announce_timeouts() -> None:
    harness = RecorderHarness(Write(pending("IN_PROGRESS", run_id="run-2"), applied=False), is_sweep=True)

    harness.recorder.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert (harness.catalog.held_back, harness.catalog.released, harness.publisher.published) == ([], [], [])


def test_a_run_for_the_export_announces_its_timeout() -> None:
    harness = RecorderHarness(Write(pending("TIMED_OUT", run_id="run-1"), applied=True))

    harness.recorder.record_unsettled("export-1", Outcome.TIMED_OUT)

    assert harness.publisher.published == [Outcome.TIMED_OUT]
