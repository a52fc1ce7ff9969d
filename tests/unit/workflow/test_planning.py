"""Planning of a run: its exports and their batches."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from exports.model import UNKNOWN_TIME, Export
from exports.outcomes.rows import Row
from exports.runs import Run
from exports.workflow.planning import MAX_BATCHES, ReadRows, plan, write_batches
from tests.unit.builders import NOW, export, row
from tests.unit.fakes import FakeBucket, FakeRecords, FakeService

FILTERS = ({"name": "agentIds", "condition": "EQUALS", "values": ["o-1"]},)


def rows_of(*rows: Row) -> ReadRows:
    return FakeRecords({each.export_id: each for each in rows}).rows


def run(**more: Any) -> Run:
    return Run(**{"id": "run-1", "started_at": NOW, "deadline": NOW, "on_failure": "report", **more})


def planned(
    requested: Run, *exports: Export, rows: Sequence[Row] = (), max_age: timedelta | None = None
) -> tuple[str, ...]:
    return plan(requested, service=FakeService(exports), rows=rows_of(*rows), max_age=max_age).export_ids


def test_ids_are_used_without_a_call() -> None:
    service = FakeService()

    found = plan(run(export_ids=("b", "a")), service=service, rows=rows_of(), max_age=None)

    assert (found.export_ids, service.calls) == (("b", "a"), [])


def test_filters_are_resolved_by_the_service_including_settled_exports() -> None:
    service = FakeService([export("a")])

    found = plan(run(filters=FILTERS), service=service, rows=rows_of(row("a")), max_age=timedelta(0))

    assert found.export_ids == ("a",)
    assert service.calls == [((), FILTERS)]


def test_a_sweep_omits_settled_and_announced_exports() -> None:
    rows = [
        row("stored", "STORED"),
        row("rejected", "REJECTED"),
        row("pending", "STORED", announcedAt=None),
        row("late", "TIMED_OUT"),
    ]
    exports = [export(each.export_id) for each in rows]

    assert planned(run(), *exports, export("new"), rows=rows) == ("late", "new", "pending")


def test_a_sweep_omits_exports_above_the_maximum_age() -> None:
    old, new = export("old", age_minutes=61), export("new", age_minutes=59)

    assert planned(run(), old, new, max_age=timedelta(hours=1)) == ("new",)
    assert set(planned(run(), old, new)) == {"old", "new"}


def test_bad_input_37_a_sweep_with_a_maximum_age_stores_an_export_without_a_request_time() -> None:
    odd, old = export("odd", requested_at=UNKNOWN_TIME), export("old", age_minutes=120)

    assert planned(run(), odd, old, max_age=timedelta(hours=1)) == ("odd",)


def test_finished_exports_come_first_and_the_oldest_of_them_first() -> None:
    running = export("running", "IN_PROGRESS", age_minutes=90)

    assert planned(run(), running, export("b", age_minutes=5), export("a", age_minutes=9)) == ("a", "b", "running")


@pytest.mark.parametrize("invalid", ["..", "a/b", "a\n", "é", "x" * 201])
def test_an_invalid_id_of_the_service_is_omitted_and_counted(invalid: str) -> None:
    found = plan(run(), service=FakeService([export(invalid), export("a")]), rows=rows_of(), max_age=None)

    assert (found.export_ids, found.invalid_ids) == (("a",), 1)


def test_a_sweep_above_the_limit_of_a_run_omits_and_counts_the_rest() -> None:
    exports = [export(f"e{number}") for number in range(MAX_BATCHES * 100 + 1)]

    found = plan(run(), service=FakeService(exports), rows=rows_of(), max_age=None)

    assert (len(found.export_ids), found.over_limit) == (MAX_BATCHES * 100, 1)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (5000, [100] * 50)])
def test_bad_input_03_batches_have_at_most_100_exports(count: int, sizes: list[int]) -> None:
    bucket, ids = FakeBucket(), [f"e{number}" for number in range(count)]

    pointers = write_batches(run(), ids, bucket.put_json)
    documents = {key: bucket.read_json(key) for key in bucket.objects}

    assert list(documents)[-1] == "runs/run-1/plan.json", "the plan is written after all its batches"
    assert documents.pop("runs/run-1/plan.json")["batches"] == len(sizes)
    assert [len(document["exportIds"]) for document in documents.values()] == sizes
    assert [each for document in documents.values() for each in document["exportIds"]] == ids
    assert [pointer["batch"]["number"] for pointer in pointers] == list(range(1, len(sizes) + 1))
